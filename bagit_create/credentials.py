"""Where a secret comes from, and the one host it may go to."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .config import Instance
from .errors import ConfigError, InputError

if TYPE_CHECKING:
    from http.cookiejar import CookieJar, MozillaCookieJar

GENERIC_VARIABLE = "BIC_TOKEN"
SHORTEST = 8
"""Characters of a cookie from which on it may be a secret. Others tell a language, a yes or a no:
hidden, they would be missing in every word of a log that has them in it."""


@dataclass(frozen=True)
class Secret:
    """A value that does not know how to be printed. ``str()`` and ``repr()`` show stars."""

    value: str = field(repr=False)

    def __str__(self) -> str:
        return "********"

    def __bool__(self) -> bool:
        return bool(self.value)


def variable_for(source: str) -> str:
    """The environment variable for one source: ``BIC_TOKEN_CDS_RDM`` for ``cds-rdm``."""
    return f"{GENERIC_VARIABLE}_{source.upper().replace('-', '_')}"


def find(instance: Instance, given: Secret | None) -> Secret | None:
    """Return the token for a server: what was given, else environment, else configuration.

    The order is ``--token``/``--token-file``, the variable of that source, the names that its
    entry in the configuration lists (``token_env``), ``BIC_TOKEN``, then ``token_file`` and
    ``token`` of the configuration.

    :raises ConfigError: if the configured file cannot be read, or others may read it.
    """
    if given:
        return _checked(given.value.strip(), "--token")
    if not instance.configured:  # what is kept for a known server is not for this one
        return None
    found = locate(instance)
    return found[1] if found else None


def variables(instance: Instance) -> tuple[str, ...]:
    """The environment variables that may hold a server's token, in the order they are looked at."""
    return (variable_for(instance.name), *instance.token_env, GENERIC_VARIABLE)


def locate(instance: Instance) -> tuple[str, Secret] | None:
    """Where a server's token is found when none is given (a variable or a file), and the token.

    :raises ConfigError: if the configured file cannot be read, or others may read it.
    """
    for name in variables(instance):
        if value := os.environ.get(name, "").strip():
            return name, _checked(value, name)
    if instance.token_file:
        return instance.token_file, read_file(instance.token_file)
    if instance.token:
        if instance.origin_file is not None:
            _owner_only(instance.origin_file)
        return str(instance.origin_file), _checked(instance.token, "the configuration")
    return None


def read_file(name: str) -> Secret:
    """Read a token from a file, or from standard input for ``-``; the first line counts.

    :raises ConfigError: if the file cannot be read, is empty, or other users may read it.
    """
    if name == "-":
        if sys.stdin is None:
            raise ConfigError("Standard input is closed, so no token can be read from it.")
        return _checked(sys.stdin.readline().strip(), "standard input")
    path = Path(os.path.expanduser(name))
    try:
        _owner_only(path)
        with path.open(encoding="utf-8") as file:
            return _checked(file.readline().strip(), str(path))
    except (OSError, ValueError) as err:  # ValueError: it is no text, or a NUL is in its name
        raise ConfigError(f"The token file cannot be read: {err}") from err


def read_cookies(path: Path) -> MozillaCookieJar:
    """Read a cookie file of the Netscape form, as CERN's sign-on tools and curl write it.

    Cookies of a session (expiry 0) count, and so do those whose time is over: the server decides.

    :raises ConfigError: if it cannot be read, is of another form, or other users may read it.
    """
    from http import cookiejar  # loads much that is seldom needed

    # A cookie not marked for a whole domain goes to no host below it (RFC 6265 section 5.4).
    strict = cookiejar.DefaultCookiePolicy.DomainStrictNonDomain
    policy = cookiejar.DefaultCookiePolicy(strict_ns_domain=strict)
    jar = cookiejar.MozillaCookieJar(str(path), policy=policy)
    try:
        _owner_only(path)
        jar.load(ignore_discard=True, ignore_expires=True)
    except cookiejar.LoadError as err:
        raise ConfigError(
            "The cookie file is not of the Netscape form.",
            where=str(path),
            hint="its first line is '# Netscape HTTP Cookie File'",
        ) from err
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"The cookie file cannot be read: {err}") from err
    for cookie in jar:
        cookie.expires = None
    if not len(jar):
        raise ConfigError("The cookie file holds no cookie.", where=str(path))
    return jar


def secrets_of(jar: CookieJar) -> Iterator[str]:
    """The values of cookies that may be secrets."""
    return (one.value for one in jar if one.value and len(one.value) >= SHORTEST)


def _owner_only(path: Path) -> None:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigError(
            "A file that holds a credential can be read by other users.",
            where=str(path),
            hint=f"chmod 600 {path}",
        )


def _checked(value: str, origin: str) -> Secret:
    """Refuse what cannot stand in a header; the value itself is never shown."""
    if not value:
        raise ConfigError(f"The token from {origin} is empty.")
    if not value.isascii() or not value.isprintable():
        error = InputError if origin == "--token" else ConfigError
        raise error(f"The token from {origin} has characters that no token has.")
    return Secret(value)
