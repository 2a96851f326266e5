"""CERN's single sign-on with a certificate: the one door to ``cern_sso``, which is optional.

The package is ``python-cern-sso`` (extra ``[sso]``); other packages install a module of the same
name, so the function is looked for, not the module. Its login server was replaced by Keycloak, so
against CERN a cookie file (``--cookies``) is the way that works today.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import AccessDenied, ConfigError, Unreachable

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

LOGGER = "cern_sso"
"""The name under which that package logs."""


def sign_on(address: str, cert: str, jar: CookieJar | None) -> CookieJar:
    """Sign on to a server and return its cookies, with those of ``jar``.

    A cookie that names no domain goes to the very host it is from (RFC 6265 section 5.4).

    :param cert: the path without its ending of a certificate ``.pem`` and an unencrypted ``.key``.
    :raises ConfigError: if the package or one of the files is missing.
    :raises AccessDenied: if the certificate is refused.
    """
    base = os.path.expanduser(cert)
    files = [f"{base}.pem", f"{base}.key"]
    for one in files:
        if not os.path.isfile(one):  # False, too, for a name that no file can have
            raise ConfigError("--cert names a file that is not there.", where=one[:500])
    call = _cert_sign_on()
    # It logs the cookies (debug), and pages that may hold what signs on (error).
    logging.getLogger(LOGGER).setLevel(logging.CRITICAL)
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    from requests import exceptions  # slow to load, and cern_sso has loaded it

    try:
        cookies: CookieJar = call(address, files[0], files[1])
    except (exceptions.HTTPError, exceptions.SSLError) as err:
        raise AccessDenied(
            "Sign-on with the certificate was refused: access denied.",
            where=address,
            hint="sign on with a browser or CERN's own tools, and give the cookies with --cookies",
        ) from err
    except exceptions.RequestException as err:
        raise Unreachable(
            "Sign-on with the certificate failed: the login server cannot be reached.",
            where=address,
        ) from err
    except Exception as err:  # the page was not the form that cern_sso knows
        raise AccessDenied(
            "Sign-on with the certificate failed: the login page is not the one cern_sso knows.",
            where=f"{address} ({type(err).__name__})",
            hint="sign on with a browser or CERN's own tools, and give the cookies with --cookies",
        ) from err
    for cookie in cookies:
        if jar is None:
            jar = CookieJar()
        jar.set_cookie(cookie)
    if jar is None:
        raise AccessDenied("Sign-on with the certificate brought no cookie.", where=address)
    jar.set_policy(DefaultCookiePolicy(strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain))
    return jar


def _cert_sign_on() -> Callable[[str, str, str], Any]:
    try:
        found: Callable[[str, str, str], Any] = import_module("cern_sso").cert_sign_on
    except (ImportError, AttributeError) as err:
        raise ConfigError(
            "--cert needs the package python-cern-sso.",
            hint="pip install 'bagit-create[sso]' (it needs Kerberos headers), or use --cookies",
        ) from err
    return found
