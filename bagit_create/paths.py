"""A safe, unique, reversible payload path from a name that somebody outside chose.

A path in the bag can be made on any usual system, cannot leave ``data/content/``, needs no
encoding in a manifest, and is the only one of its kind after case folding and normalisation.
sip.json keeps the upstream name to the letter, so every change can be told back.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from posixpath import splitext

from .model import FileEntry, Placed

ROOT = "data/content"
COMPONENT_BYTES = 255
PATH_BYTES = 1000

# A plain path: what most names are, and what needs no further look.
_PLAIN = re.compile(r"[A-Za-z0-9_.+@=,()#&'!$\[\]{};-](?:[A-Za-z0-9_.+@=,()#&'!$\[\]{}; -]*)")
# Not in names on Windows, or read as something else by shells, manifests and web addresses.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*%\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)", re.IGNORECASE)
_INVISIBLE = ("Cf", "Cc", "Cs", "Co", "Cn", "Zl", "Zp")


def place(
    files: Sequence[FileEntry], taken: Iterable[str] = ()
) -> tuple[tuple[Placed, ...], tuple[tuple[str, str], ...]]:
    """Give every file its path in the bag, in the given order.

    :param taken: bag paths that are in use already, by the package's own documents.
    :returns: the placed files, and (upstream's name, bag path) of those whose name had to change.
    """
    tree = _Tree()
    for path in taken:
        tree.reserve(path)
    wanted = [f"{one.folder}/{one.name}" if one.folder else one.name for one in files]
    exact = [_path_for(name) for name in wanted]
    found: list[str] = [""] * len(files)
    # Names that need no change come first, so that none of them gives way to one that does.
    order = sorted(range(len(files)), key=lambda n: exact[n] != wanted[n])
    for number in order:
        found[number] = tree.claim(exact[number], wanted[number])
    placed = tuple(
        Placed(entry, f"{ROOT}/{path}") for entry, path in zip(files, found, strict=True)
    )
    renamed = tuple(
        (name, f"{ROOT}/{path}") for name, path in zip(wanted, found, strict=True) if name != path
    )
    return placed, renamed


@lru_cache(maxsize=4096)
def portable(component: str) -> str:
    """One component of a path, made safe everywhere; the same for the same input, never empty."""
    if _PLAIN.fullmatch(component) and component[-1] not in ". " and component[0] != ".":
        if not _RESERVED.fullmatch(component.partition(".")[0]):
            return component if len(component) <= COMPONENT_BYTES else _shortened(component)
    text = "".join(map(_visible, unicodedata.normalize("NFC", component)))
    text = _FORBIDDEN.sub("_", text)
    text = unicodedata.normalize("NFC", text).strip()
    kept = text.rstrip(". ")
    text = kept + "_" * (len(text) - len(kept)) if kept else "_" * max(len(text), 1)
    if text.startswith("~"):
        text = f"_{text[1:]}"
    if _RESERVED.fullmatch(text.partition(".")[0].rstrip()):
        text = f"_{text}"
    return text if len(text.encode()) <= COMPONENT_BYTES else _shortened(text)


def _visible(char: str) -> str:
    """A character, or ``_`` for one that cannot be seen; bytes that are no UTF-8 in hex."""
    if "\udc80" <= char <= "\udcff":  # PEP 383: a byte of a local name
        return f"_{ord(char) - 0xDC00:02X}"
    if char != " " and char.isspace():
        return " " if unicodedata.category(char) == "Zs" else "_"
    return "_" if unicodedata.category(char) in _INVISIBLE else char


def _shortened(text: str) -> str:
    """At most 255 bytes: the beginning, a digest of the whole, and the extension."""
    stem, extension = splitext(text)
    if len(extension.encode()) > 20:
        stem, extension = text, ""
    room = COMPONENT_BYTES - len(extension.encode()) - 11
    start = stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ")
    return f"{start}-{_digest(text)}{extension}"


def _path_for(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    if not slash:
        return portable(name)
    above = _folder_for(folder)
    path = f"{above}/{portable(last)}" if above else portable(last)
    return path if len(path.encode()) <= PATH_BYTES else f"{_digest(folder)}/{portable(last)}"


@lru_cache(maxsize=4096)
def _folder_for(folder: str) -> str:
    return "/".join(portable(one) for one in folder.split("/") if one)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]


def _key(path: str) -> str:
    """What two paths share that are one path on a disk without case or of another normal form."""
    if path.isascii():
        return path.lower()
    folded = unicodedata.normalize("NFKC", path).casefold()
    return unicodedata.normalize("NFKC", folded)


class _Tree:
    """Paths in use. A name is a file or a folder, and a folder is spelt in one way."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: dict[str, str] = {}
        self._known: dict[str, str] = {}

    def reserve(self, bagpath: str) -> None:
        """Take a path of our own, ``data/content/…``; others do not matter here."""
        if bagpath.startswith(f"{ROOT}/"):
            self.claim(bagpath[len(ROOT) + 1 :], bagpath)

    def claim(self, path: str, name: str) -> str:
        """Take ``path``, or one near it if that is in use; ``name`` is upstream's whole name."""
        folder, _, last = path.rpartition("/")
        folder = self._folder(folder, name) if folder else ""
        prefix = f"{folder}/" if folder else ""
        chosen = prefix + last
        attempt = 0
        while (key := _key(chosen)) in self._files or key in self._folders:
            stem, extension = splitext(last)
            mark = f"-{_digest(name if not attempt else f'{name}{attempt}')}"
            chosen = prefix + portable(f"{stem[: 200 if stem.isascii() else 60]}{mark}{extension}")
            attempt += 1
        self._files.add(key)
        return chosen

    def _folder(self, folder: str, name: str) -> str:
        """The folder's spelling in the bag, which may differ where a file or other case is."""
        if folder in self._known:
            return self._known[folder]
        above, _, last = folder.rpartition("/")
        above = self._folder(above, name) if above else ""
        chosen = f"{above}/{last}" if above else last
        attempt = 0
        while (key := _key(chosen)) in self._files or self._folders.get(key, chosen) != chosen:
            mark = f"{last}-{_digest(f'{folder}{attempt or str()}')}"
            chosen = f"{above}/{mark}" if above else mark
            attempt += 1
        self._folders[key] = chosen
        self._known[folder] = chosen
        return chosen
