"""Which servers exist, and which addresses and DOIs are theirs.

The built-in servers are in ``instances.toml`` beside this file. The user's own file (``--config``,
else ``BIC_CONFIG``, else ``instances.toml`` in the user's configuration folder) may add servers or
change any field of a known one.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from .errors import ConfigError, InputError
from .limits import requests_allowed

CONFIG_VARIABLE = "BIC_CONFIG"
_DOI = re.compile(r"^(?:doi:\s*|https?://(?:dx\.)?doi\.org/)?(10\.\d{4,9}/\S+)$", re.IGNORECASE)


@dataclass(frozen=True)
class Instance:
    """One server, as configured.

    ``pipeline`` names its kind in the registry; ``base_url`` is without a slash at the end;
    ``hosts`` are the ``host[:port]`` that ``--url`` recognises; ``paths`` are regular expressions
    over an address's path (and its query, if they mention the question mark), ``dois`` over a DOI,
    each with a group ``recid``. A credential goes to the origin of ``base_url`` and nowhere else;
    ``credential_cookie`` is the name of the cookie that carries it, for a kind that knows no
    tokens. ``eos_mount`` is where EOS may be mounted on this machine, ``oai_id`` the OAI identifier
    of a record (``{recid}`` in it), ``bibdocfile`` where that program is on the server. A text of
    ``limits`` tells which limits of requests hold together (:mod:`.limits`).
    ``configured`` is false for a server named on the command line.
    """

    name: str
    pipeline: str
    base_url: str = ""
    title: str = ""
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    dois: tuple[str, ...] = ()
    organization: str = ""
    credential: str = ""
    credential_help: str = ""
    credential_cookie: str = ""
    token_env: tuple[str, ...] = ()
    token_file: str = ""
    token: str = field(default="", repr=False)
    metadata_accept: str = ""
    eos_mount: str = "/eos"
    oai_id: str = ""
    bibdocfile: str = "/opt/cdsweb/bin/bibdocfile"
    limits: tuple[str, ...] = ()
    configured: bool = True
    origin_file: Path | None = None


@dataclass(frozen=True)
class Config:
    """All servers by name, and what is common to those of a kind."""

    instances: Mapping[str, Instance]
    kinds: Mapping[str, Mapping[str, Any]]

    def instance(self, source: str) -> Instance:
        """Find a server by its name, without regard to case.

        :raises InputError: naming the nearest known source.
        """
        found = self.instances.get(source.strip().lower())
        if found is None:
            near = get_close_matches(source.lower(), self.instances, n=1)
            raise InputError(
                f"The given source {source} is not supported.",
                hint=(f"did you mean {near[0]}? " if near else "")
                + "known sources: "
                + ", ".join(sorted(self.instances)),
            )
        return found

    def one_off(self, source: str, base_url: str) -> Instance:
        """A server that is not configured, of the kind of ``source`` (or the kind of that name).

        It keeps that name, and nothing that belongs to the configured server: no host, no
        organization, and above all no credential.

        :raises InputError: naming the known kinds.
        """
        name = source.strip().lower()
        known = self.instances.get(name)
        kind = known.pipeline if known else name
        if kind not in self.kinds or kind == "local":
            raise InputError(
                f"{source} is neither a source nor a kind of server.",
                hint="kinds: " + ", ".join(sorted(set(self.kinds) - {"local"})),
            )
        table = {**self.kinds[kind], "pipeline": kind, "base_url": base_url}
        table["hosts"] = [urlsplit(base_url).netloc]
        made = _instance(name, table, dict(self.kinds), None)
        return replace(made, title=made.hosts[0], configured=False)

    def resolve(self, address: str) -> tuple[Instance, str]:
        """Find the server and the record id that a web address or DOI names.

        :raises InputError: if no known server claims it; the message says which do.
        """
        if doi := as_doi(address):
            return self._resolve_doi(doi)
        try:
            parts = urlsplit(address if "//" in address else f"https://{address}")
            host = parts.netloc.rpartition("@")[2].lower()
            parts.port  # a port that is no number raises ValueError
        except ValueError as err:
            raise InputError(f"This is not a web address: {err}.") from err
        if parts.scheme not in ("http", "https"):
            raise InputError("Only http and https addresses can be harvested.", where=host)
        candidates = [one for one in self.instances.values() if host in one.hosts]
        for one in candidates:
            for pattern in one.paths:
                whole = f"{parts.path}?{parts.query}" if r"\?" in pattern else parts.path
                if match := re.search(pattern, whole):
                    return one, unquote(match["recid"])
            if doi := as_doi(unquote(parts.path).removeprefix("/doi/")):
                return one, doi
        if candidates:
            raise InputError(
                f"The address is on {candidates[0].title or host}, but names no record.",
                where=host + parts.path,
                hint="give the address of the record's page, or --source and --recid",
            )
        hosts = sorted({h for one in self.instances.values() for h in one.hosts})
        raise InputError(
            f"No known source has the host {host or '(none)'}.",
            hint="known hosts: " + ", ".join(hosts),
        )

    def _resolve_doi(self, doi: str) -> tuple[Instance, str]:
        for one in self.instances.values():
            for pattern in one.dois:
                if match := re.fullmatch(pattern, doi, re.IGNORECASE):
                    return one, match["recid"]
        raise InputError(
            "This DOI does not tell which record of which source it is.",
            where=doi,
            hint="give --source beside it (then that source is asked), or the record's address",
        )


def as_doi(text: str) -> str | None:
    """Return the bare DOI (``10.5281/zenodo.7``) if ``text`` is one in any usual spelling."""
    match = _DOI.match(text.strip())
    if match is None:
        return None
    is_address = "//" in text[: match.start(1)]
    return unquote(match[1].partition("?")[0]) if is_address else match[1]


def load(path: Path | None = None) -> Config:
    """Read the built-in servers and the user's own file over them.

    :param path: the file of ``--config``; None looks at ``BIC_CONFIG`` and the user's folder.
    :raises ConfigError: if a file that was named is missing, or any cannot be used.
    """
    user = path or user_file()
    if user is None:
        return _merged(None, 0)
    try:
        return _merged(user, user.stat().st_mtime_ns)
    except OSError as err:
        raise ConfigError(
            f"The configuration file cannot be read: {err.strerror}.", where=str(user)
        )


def user_file() -> Path | None:
    """The user's own configuration file, or None if there is none."""
    if named := os.environ.get(CONFIG_VARIABLE):
        return Path(named)
    found = default_file()
    return found if os.path.isfile(found) else None  # False, not an error, in a closed folder


def default_file() -> Path:
    """Where the user's own file is looked for when none is named."""
    from platformdirs import user_config_path

    return user_config_path("bic") / "instances.toml"


@lru_cache(maxsize=8)
def _merged(user: Path | None, mtime_ns: int) -> Config:
    text = files("bagit_create").joinpath("instances.toml").read_text(encoding="utf-8")
    tables: dict[str, dict[str, Any]] = tomllib.loads(text)
    kinds: dict[str, dict[str, Any]] = tables.pop("kinds")
    own: set[str] = set()
    if user is not None:
        for name, table in _read(user).items():
            if not isinstance(table, dict):
                raise ConfigError(
                    f"{name!r} stands outside a table.",
                    where=str(user),
                    hint="write [source] first",
                )
            own.add(name.lower())
            known = tables.setdefault(name.lower(), {})
            if "base_url" in table and "hosts" not in table:
                host = str(table["base_url"]).partition("//")[2].partition("/")[0]
                table = {**table, "hosts": [host]}
            known.update(table)
    return Config(
        {
            name: _instance(
                name,
                {**kinds.get(str(t.get("pipeline", "")), {}), **t},
                kinds,
                user if name in own else None,
            )
            for name, t in tables.items()
        },
        kinds,
    )


def is_web_address(text: str) -> bool:
    """Whether this is an http or https address that can be taken apart."""
    try:
        port = urlsplit(text).port
    except ValueError:  # "http://[x", "http://x:99999"
        return False
    return bool(re.match(r"https?://[^/\s@]+", text)) and port != 0


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ConfigError(f"The configuration file is not TOML: {err}", where=str(path)) from err


def _instance(
    name: str, table: dict[str, Any], kinds: dict[str, Any], origin: Path | None
) -> Instance:
    where = f"[{name}] in {origin or 'instances.toml'}"
    types = {one.name: one for one in fields(Instance)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in types or key in ("name", "origin_file", "configured"):
            raise ConfigError(f"Unknown setting {key!r}.", where=where)
        listed = types[key].default == ()
        if listed and isinstance(value, list) and all(isinstance(v, str) for v in value):
            values[key] = tuple(v.lower() if key == "hosts" else v for v in value)
        elif not listed and isinstance(value, str):
            values[key] = value
        else:
            wanted = "a list of texts" if listed else "a text"
            raise ConfigError(f"{key!r} is not {wanted}.", where=where)
    if values.get("pipeline") not in kinds:
        raise ConfigError(
            f"'pipeline' is {values.get('pipeline')!r}.",
            where=where,
            hint="use one of " + ", ".join(sorted(kinds)),
        )
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", name):
        raise ConfigError(
            "The name of a source has small letters, digits, dots, dashes and underscores only:"
            " it becomes part of the packages' names.",
            where=where,
        )
    if (values["pipeline"] == "local") != (name == "local"):
        raise ConfigError("The kind 'local' is that of the source 'local' alone.", where=where)
    values["base_url"] = values.get("base_url", "").rstrip("/")
    if values["pipeline"] != "local" and not is_web_address(values["base_url"]):
        raise ConfigError("'base_url' is not an http or https address.", where=where)
    for pattern in (*values.get("paths", ()), *values.get("dois", ())):
        try:
            groups = re.compile(pattern).groupindex
        except re.error as err:
            raise ConfigError(
                f"{pattern!r} is not a regular expression: {err}", where=where
            ) from err
        if "recid" not in groups:
            raise ConfigError(f"{pattern!r} has no group 'recid'.", where=where)
    for text in values.get("limits", ()):
        try:
            requests_allowed(text)
        except ValueError as err:
            hint = 'write limits that hold together as "60/minute 2000/hour"'
            raise ConfigError(
                f"{str(err)!r} in 'limits' is no limit.", where=where, hint=hint
            ) from err
    return Instance(name=name, origin_file=origin, **values)
