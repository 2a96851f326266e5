"""What ``bibdocfile --get-info`` says of a record's files: all versions, paths inside, and md5.

Facts: inveniosoftware/invenio (maint-1.2), ``bibdocfilecli.py`` and ``bibdocfile.py``. A line is
``recid:docid:version:format:key=value``; the value is not escaped, so it may hold colons, equals
signs and line breaks, and the first line of a document has the document's name glued in front.
"""

from __future__ import annotations

import html
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import unquote, urlsplit

from .. import log
from ..errors import ConfigError, Unreachable, UpstreamError
from ..model import Checksum, FileEntry, Skipped

_LINE = re.compile(r"(\d+|\[[\d, ]+\]):(\d*):([0-9]{0,9}):([^:]*):([a-z]+(?: [a-z]+)*)=(.*)")
_FREE_TEXT = ("status", "description", "comment")
"""Values that people write, so the only ones that may go on in the next line."""
_NAMED = re.compile(r"(.*):(\d+|\[[\d, ]+\]):(\d+):::(doctype)=(.*)")


@dataclass
class DocFile:
    """One version of one format of a document, with its values as printed."""

    document: str
    version: int
    format: str
    values: dict[str, str] = field(default_factory=dict)
    current: bool = False

    def text(self, key: str) -> str:
        """A value; ``""`` where it is absent or printed as ``None``."""
        value = self.values.get(key, "")
        return "" if value == "None" else value

    @property
    def url(self) -> str:
        """Its address, that of this very version if it is not the current one."""
        return html.unescape(self.text("url" if self.current else "fullurl") or self.text("url"))

    @property
    def name(self) -> str:
        """Its name with the extension, without the subformat."""
        return self.text("name") + self.format.partition(";")[0]

    @property
    def size(self) -> int | None:
        """In bytes, if printed in digits."""
        size = self.text("size")
        return int(size) if re.fullmatch("[0-9]{1,18}", size) else None

    @property
    def md5(self) -> str:
        """32 hexadecimal digits, or ``""``."""
        value = self.text("checksum").lower()
        return value if re.fullmatch(r"[0-9a-f]{32}", value) else ""

    def facts(self) -> Mapping[str, object]:
        """What goes into the file's ``origin`` in sip.json."""
        made: dict[str, object] = {"document": self.document, "version": self.version}
        for key in ("fullpath", "status", "description", "comment", "subformat", "mime"):
            if value := self.text(key):
                made[key] = value
        if self.text("hidden") == "True":
            made["hidden"] = True
        return made


def run(program: str, recid: str, host: str | None, timeout: float) -> bytes:
    """Run ``bibdocfile`` here or on another machine, and return what it prints.

    :param program: its path.
    :param recid: digits.
    :param host: of ``ssh``, which must let us in without asking; None for this machine.
    :param timeout: seconds for all of it.
    :raises ConfigError: if there is no such program here.
    :raises Unreachable: if it takes too long, or ssh does not get through.
    :raises UpstreamError: if it fails; with its own words.
    """
    command = [program, "--get-info", f"--recid={recid}"]
    if host:
        options = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={max(1, int(timeout))}"]
        command = ["ssh", *options, "--", host, shlex.join(command)]
    place = f"{program} on {host or 'this machine'}"
    log.info(f"asking {place} for the files of {recid}")
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
        )
    except OSError as err:
        raise ConfigError(
            f"{command[0]} cannot be run: {(err.strerror or str(err)).lower()}.",
            hint="name a machine that has bibdocfile with --bd-ssh-host",
        ) from err
    except subprocess.TimeoutExpired as err:
        raise Unreachable(
            "bibdocfile gave no answer in time.",
            where=f"{place}, {timeout:g} s",
            hint="try again later, or raise --timeout",
        ) from err
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip()[-500:]
        where = f"{place}: {words or f'exit status {done.returncode}'}"
        if host and done.returncode == 255:
            raise Unreachable(
                "bibdocfile could not be asked: ssh did not get through.",
                where=where,
                hint="ssh must reach the host without asking for anything; try it by hand",
            )
        raise UpstreamError("bibdocfile failed.", where=where)
    return done.stdout


def parse(output: bytes, recid: str) -> tuple[DocFile, ...]:
    """Read what was printed: every file of the record's documents, all versions.

    The current ones are those of a document's highest version, as Invenio itself counts.
    """
    found: dict[tuple[str, int, str], DocFile] = {}
    last: tuple[dict[str, str], str] | None = None
    for line in output.decode("utf-8", "replace").split("\n"):
        match = _LINE.fullmatch(line)
        named = None if match else _NAMED.fullmatch(line)
        if match is None:
            if named is None:
                if last is not None and last[1] in _FREE_TEXT:
                    values, key = last
                    values[key] += f"\n{line}"
                continue
            last = None
            continue
        column, document, version, suffix, key, value = match.groups()
        if recid not in re.findall(r"\d+", column) or not version:
            last = ({key: value}, key)
            continue
        one = found.setdefault(
            (document, int(version), suffix), DocFile(document, int(version), suffix)
        )
        one.values[key] = value
        last = (one.values, key)
    for one in found.values():
        one.values = {key: value.strip() for key, value in one.values.items()}
    newest: dict[str, int] = {}
    for one in found.values():
        newest[one.document] = max(one.version, newest.get(one.document, 0))
    for one in found.values():
        one.current = one.version == newest[one.document]
    return tuple(found.values())


def join(
    files: Sequence[FileEntry],
    known: Sequence[DocFile],
    own: Callable[[str], str],
    is_here: bool,
) -> tuple[tuple[FileEntry, ...], tuple[Skipped, ...]]:
    """Add to MARC's files what bibdocfile knows of them, and the files only it knows.

    :param own: brings an address to the server that is asked.
    :param is_here: whether bibdocfile ran on this machine: a path that another machine names is
        not to be opened on this one.
    """
    by_key = {key((*one.urls, one.name)[0]): one for one in files}
    skipped, told = [], set()
    for doc in known:
        if doc.text("status") == "DELETED" or not doc.url:
            reason = "deleted upstream" if doc.url else "bibdocfile gives no address"
            skipped.append(Skipped(doc.name, reason, dict(doc.facts())))
            continue
        url = own(doc.url)
        told.add(key(url))
        listed = by_key.get(key(url))
        if listed is None:
            old = "" if doc.current else f"version {doc.version}"
            listed = FileEntry(
                name=doc.name,
                urls=(url,),
                folder="/".join(part for part in (old, doc.text("subformat")) if part),
                optional=doc.text("hidden") == "True",
            )
        path = doc.text("fullpath")
        by_key[key(url)] = replace(
            listed,
            path=os.fsencode(path) if is_here and _is_readable(path) else listed.path,
            size=listed.size if listed.size is not None else doc.size,
            checksums=listed.checksums or ((Checksum("md5", doc.md5),) if doc.md5 else ()),
            origin={**doc.facts(), **listed.origin},
        )
    for one in by_key.keys() - told:
        log.warning(f"bibdocfile does not know {by_key[one].name}, which MARC lists")
    return tuple(by_key.values()), tuple(skipped)


def key(url: str) -> tuple[str, ...]:
    """What makes two addresses the same file: host, decoded path, subformat and version."""
    parts = urlsplit(url)
    wanted = sorted(p for p in parts.query.split("&") if p.startswith(("subformat=", "version=")))
    return (parts.netloc.lower(), unquote(parts.path), *wanted)


def _is_readable(path: str) -> bool:
    return path.startswith("/") and os.path.isfile(path) and os.access(path, os.R_OK)
