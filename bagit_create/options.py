"""What was asked for, as one value, checked before any request is made."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from .checksums import DEFAULT_ALGORITHMS, MANIFEST_ALGORITHMS, normalise
from .config import as_doi, is_web_address
from .credentials import Secret
from .errors import InputError

DEFAULT_JOBS = 8
DEFAULT_TIMEOUT_S = 60.0
DEFAULT_RETRIES = 5
DEFAULT_MAX_WAIT_S = 3600.0
RECID = r"[A-Za-z0-9_-][A-Za-z0-9_.~@+=-]{0,199}"
"""What a record id is made of: it becomes part of the package's name."""
LONGEST_S = 31 * 24 * 3600
"""A month: nobody waits longer, and some systems cannot."""
MAX_RECID = 200
"""Characters of a record id: with source and timestamp the folder's name stays below 255 bytes."""

#: The forms of an archive, and what a file's name ends with in each.
ARCHIVES: Mapping[str, str] = {"tar": ".tar", "tar.gz": ".tar.gz", "zip": ".zip"}
#: Options that only some kinds of source understand, and those kinds.
ONLY_FOR: Mapping[str, tuple[str, ...]] = {
    "source_path": ("local",),
    "author": ("local",),
    "source_base_path": ("local",),
    "bibdoc": ("invenio-v1",),
    "bd_ssh_host": ("invenio-v1",),
    "invcookie": ("invenio-v1",),
    "cert": ("invenio-v1",),
}
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, breaks of lines, and halves of characters: bytes that are no UTF-8."""
_FIRST_SECOND = 100_000_000
"""Unix seconds of 1973: no embargo is that old, but 2030 and 20300101 are meant as dates."""
WITH_PATHS = ("gitlab", "indico", "inveniordm", "videos")
"""Kinds of which a record may be asked for by a path; its own id is then found out."""
NOT_LOCAL = ("cookies", "proxy", "base_url", "token", "allow_missing", "skipssl")
"""Options that need a server."""
PATHS = (
    "target",
    "workdir",
    "source_path",
    "source_base_path",
    "config",
    "cookies",
    "previous",
)
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h", "socks4", "socks4a")


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """One job: which record, from where, into what.

    The names are those of ``bagit_create.main.process()``; ``light`` is its ``dry_run``.
    ``target`` is the folder the SIP appears in, ``workdir`` an optional place for the staging
    folder. ``embargo`` is Unix seconds. ``timeout`` is the seconds of silence after which a
    connection is given up, ``max_wait`` the longest ``Retry-After`` that is obeyed, in seconds.
    ``cookies`` is a file of the Netscape form, ``proxy`` an address that may hold a password,
    ``base_url`` another server of the source's kind. ``archive`` is one of :data:`ARCHIVES`, or
    None to leave a folder. ``previous`` is an earlier package, or a folder of them, whose files are
    used; with ``if_changed`` nothing is made if one has the record as it is (looked for in
    ``target`` without ``previous``).
    """

    source: str | None = None
    recid: str | None = None
    url: str | None = None
    target: Path = field(default_factory=Path)
    workdir: Path | None = None
    light: bool = False
    alternate_uri: bool = False
    source_path: Path | None = None
    author: str | None = None
    source_base_path: Path | None = None
    bibdoc: bool = False
    bd_ssh_host: str | None = None
    invcookie: Secret | None = None
    cert: str | None = None
    token: Secret | None = None
    cookies: Path | None = None
    proxy: Secret | None = None
    base_url: str | None = None
    allow_missing: bool = False
    skipssl: bool = False
    collection: str | None = None
    embargo: int | None = None
    comment: str | None = None
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    bagit_version: str = "0.97"
    verify: bool = True
    hash_missing: bool = False
    jobs: int = DEFAULT_JOBS
    timeout: float = DEFAULT_TIMEOUT_S
    retries: int = DEFAULT_RETRIES
    max_wait: float = DEFAULT_MAX_WAIT_S
    config: Path | None = None
    archive: str | None = None
    if_changed: bool = False
    previous: Path | None = None

    def check(self, kind: str | None = None) -> None:
        """Refuse what cannot work, naming everything that is wrong in one message.

        :param kind: the pipeline of the source, once it is known.
        :raises InputError: with one line a fault.
        """
        faults = list(self._faults(kind))
        if faults:
            raise InputError("\n".join(faults), hint="bic --help")

    def _faults(self, kind: str | None) -> Iterator[str]:
        yield from self._what_to_harvest(kind)
        yield from self._local() if self.is_local else self._servers()
        yield from self._how_to_write()
        for option, kinds in ONLY_FOR.items():
            if getattr(self, option) and kind is not None and kind not in kinds:
                yield f"{flag(option)} does not go with source {self.source or 'of that address'}."
        if self.invcookie and self.token:
            yield "--invcookie and --token are the same cookie here; give one of them."
        if self.bd_ssh_host and not self.bibdoc:
            yield "--bd-ssh-host works only together with --bibdoc."
        if self.bd_ssh_host and not re.fullmatch(r"\w[\w.@:%-]*", self.bd_ssh_host):
            yield "--bd-ssh-host is the name of a host, with or without USER@."
        if self.alternate_uri and not self.light:
            yield "--alternate-uri chooses the addresses of fetch.txt, so it needs --dry-run."
        if self.previous and not self.if_changed and (self.light or self.is_local):
            yield (
                "--previous gives files that need not be fetched, and none are here: it works only"
                " together with --if-changed."
            )
        if self.hash_missing and not self.light:
            yield "--hash-missing works only together with --dry-run: a full bag hashes every file."

    def _what_to_harvest(self, kind: str | None) -> Iterator[str]:
        if self.is_local:
            if self.url:
                yield "--url does not go with source local."
        elif self.url:
            if self.recid:
                yield "--url already names the record, so --recid is too much."
        elif not (self.source and self.recid):
            yield "Source and Record ID are required if you don't provide an URL."
        if self.recid is not None and as_doi(self.recid) is None:
            if len(self.recid) > MAX_RECID:
                yield f"The record id is longer than {MAX_RECID} characters."
            elif kind is not None and not _may_be_asked_for(self.recid, kind):
                yield (
                    "The record id has characters that no id has here; give a whole web address "
                    "with --url."
                )

    def _servers(self) -> Iterator[str]:
        if self.base_url and not self.source:
            yield "--base-url needs --source, which says what kind of server it is."
        plain = r"https?://[^/\s@?#]+(/[^\s?#]*)?"
        if self.base_url and not (
            re.fullmatch(plain, self.base_url) and is_web_address(self.base_url)
        ):
            yield "--base-url is an http or https address without credentials, query or fragment."
        if self.proxy and not re.match(rf"({'|'.join(PROXY_SCHEMES)})://[^/\s]+", self.proxy.value):
            yield f"--proxy is an address that begins with one of {', '.join(PROXY_SCHEMES)}."

    def _local(self) -> Iterator[str]:
        for option in NOT_LOCAL:
            if getattr(self, option):
                yield f"{flag(option)} does not go with source local."
        if not self.source_path:
            yield "source_path is missing: give the folder with --source-path."
        if not (self.author or "").strip():
            yield "Author is missing: name who made the data with --author."

    def _how_to_write(self) -> Iterator[str]:
        for name in self.algorithms:
            if name not in MANIFEST_ALGORITHMS:
                yield (
                    f"{name!r} is not an algorithm for a manifest; use one of "
                    + ", ".join(sorted(MANIFEST_ALGORITHMS))
                    + "."
                )
        if not self.algorithms:
            yield "At least one --algorithm is needed."
        if self.bagit_version not in ("0.97", "1.0"):
            yield "--bagit-version is 0.97 or 1.0."
        if self.archive is not None and self.archive not in ARCHIVES:
            yield f"--archive is one of {', '.join(ARCHIVES)}."
        if self.jobs < 1:
            yield "--jobs is at least 1."
        if not 0 < self.timeout <= LONGEST_S:
            yield f"--timeout is a number of seconds above 0 and up to {LONGEST_S}."
        if self.retries < 0 or not 0 <= self.max_wait <= LONGEST_S:
            yield f"--retries and --max-wait are not negative, --max-wait up to {LONGEST_S}."
        for name in PATHS:
            path = str(getattr(self, name) or "")
            if "\0" in path:
                yield f"{flag(name)} has a NUL in it, which no path has."
            elif not _has_bytes(path):
                yield f"{flag(name)} has half a character in it, which no path has."
        for name, text in (("author", self.author), ("collection", self.collection)):
            if _NO_TEXT.search(text or ""):
                yield f"{flag(name)} is one line of UTF-8 text without control characters."
        if _NO_TEXT.search(re.sub("\r?\n|\t", "", self.comment or "")):
            yield "--comment is UTF-8 text; of control characters it may have line breaks and tabs."

    @property
    def is_local(self) -> bool:
        """Whether the source is a folder on this machine."""
        return (self.source or "").lower() == "local"


def _has_bytes(path: str) -> bool:
    """Whether a path can be told to the system: each lone surrogate stands for a byte (PEP 383)."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True


def _may_be_asked_for(recid: str, kind: str) -> bool:
    """Whether a source of this kind can have such an id. A note of CodiMD may have any name."""
    if kind == "codimd":
        return recid.isprintable() and "/" not in recid and recid not in (".", "..")
    return bool(re.fullmatch(rf"{RECID}(/{RECID})*" if kind in WITH_PATHS else RECID, recid))


def flag(option: str) -> str:
    """The command-line spelling of an option's name."""
    return "--" + {"light": "dry-run"}.get(option, option).replace("_", "-")


def algorithms(names: tuple[str, ...]) -> tuple[str, ...]:
    """Bring names of algorithms into BagIt's spelling, without repeats; none gives the default."""
    return tuple(dict.fromkeys(normalise(name) for name in names)) or DEFAULT_ALGORITHMS


def embargo_seconds(value: str | int | float | None) -> int | None:
    """Read an embargo: Unix seconds, or an ISO date or time (UTC if it names no zone).

    :raises InputError: if it is neither.
    """
    if value is None or value == "":
        return None
    text = str(value).strip()
    try:
        if re.fullmatch(r"-?\d+(\.0*)?", text):
            seconds = int(text.partition(".")[0])
            if seconds < _FIRST_SECOND:
                raise ValueError("a year, or a date without dashes, is no number of seconds")
        else:
            moment = datetime.fromisoformat(text)
            seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
        datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as err:
        raise InputError(
            "--embargo is neither Unix seconds nor an ISO date.",
            where=text[:60],
            hint="for example 1798761600 or 2027-01-01",
        ) from err
    return seconds
