"""How much room a package takes, from the very texts that a run would write.

sip.json, dc.xml, bag-info.txt and fetch.txt are made in memory, piece by piece, and only counted;
where a digest is not known yet, one of its length stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..checksums import HEX_LENGTH
from ..model import Checksum, Placed, Skipped
from ..sip import Contents, baginfo, dublincore, fetchtxt, manifests, sipjson
from ..sip.build import DC_XML, LOG, SIP_JSON
from ..sip.contents import Written
from ..sip.disk import OWN_BYTES
from .model import Weight

LOG_BYTES = 3000
"""Bytes of a package's log, without what it says of single names."""
LOG_LINE = 60
"""Bytes of a log's line beside the names in it."""
_ENTRY = 12
"""Bytes of a folder's entry beside its name (ext4)."""
_FILLED = 0.6
"""Part of a large folder's blocks that is in use: they are halved when they are full (ext4)."""
_TAR = 512
_TAR_RECORD = 20 * _TAR
_SHORT = 40
"""Characters of a path that is no long one even behind the bag's own name."""


def blank(algorithms: Iterable[str]) -> tuple[Checksum, ...]:
    """Digests that are as long as the real ones."""
    return tuple(Checksum(name, "0" * HEX_LENGTH[name]) for name in algorithms)


def weigh(
    contents: Contents,
    algorithms: tuple[str, ...],
    absent: Sequence[Placed],
    skipped: Sequence[Skipped],
    *,
    block: int,
    archive: bool,
) -> Weight:
    """The room for a package.

    :param contents: with digests of the right length, and a size (0 if unknown) for every file.
    :param algorithms: of the manifests, with ``absent`` and ``skipped`` as
        :func:`bagit_create.sip.build.coverage` gives them.
    :param block: bytes that the file system gives to a file at once.
    :param archive: whether one file is left instead of the folder.
    """
    written = list(_documents(contents, algorithms))
    here = [one for one in contents.fetched if one.downloaded]
    words = sum(2 * len(old) + len(new) + LOG_LINE for old, new in contents.renamed)
    log_entry = Written(LOG, LOG_BYTES + words, blank(algorithms), False)
    entries = sipjson.document(contents, absent, skipped, written, log_entry)
    sip_json = Written(SIP_JSON, sum(map(len, entries)), blank(algorithms), False)
    written += [log_entry, sip_json]
    files = [(one.bagpath, one.size) for one in written]
    files += [(one.placed.bagpath, one.size) for one in here]
    files += _tag_files(contents, algorithms, absent, written)
    folders = _folders(path for path, _ in files)
    package = sum(_blocks(size, block) for _, size in files)
    package += sum(
        _blocks(int(size / _FILLED) if size > block else size, block) for size in folders
    )
    notes = OWN_BYTES * len(here)
    count = len(files) + len(folders)
    if not archive:
        return Weight(package, package + notes, count)
    size = sum(_member(path, size) for path, size in files) + 4 * _TAR * len(folders)
    made = _blocks(_blocks(size + 2 * _TAR, _TAR_RECORD), block)
    return Weight(made, package + made + notes, count + 1)


def _documents(contents: Contents, algorithms: tuple[str, ...]) -> Iterable[Written]:
    sums = blank(algorithms)
    record = contents.record
    for one in record.documents:
        path = f"data/{one.place}/{one.name}"
        yield Written(path, len(one.content), sums, True, one.url, one.media_type)
    for path, folder in zip(contents.placeholders, record.empty_folders, strict=True):
        yield Written(path, 0, sums, False, folder=folder, placeholder=True)
    size = len(dublincore.document(record))
    yield Written(DC_XML, size, sums, True, media_type="application/xml")


def _tag_files(
    contents: Contents,
    algorithms: tuple[str, ...],
    absent: Sequence[Placed],
    written: Sequence[Written],
) -> Iterable[tuple[str, int]]:
    """Name and size of each file beside ``data/``."""
    tags = {
        "bagit.txt": len(baginfo.declaration(contents.bagit_version)),
        # The numbers of Payload-Oxum are no longer than these.
        "bag-info.txt": len(baginfo.bag_info(contents, 10**15, 10**9).encode()),
    }
    if contents.light:
        read = [one.placed for one in contents.fetched if not one.downloaded]
        lines = fetchtxt.lines((*read, *absent), contents)
        tags["fetch.txt"] = sum(len(line.encode()) for line in lines)
    for name in algorithms:
        length = HEX_LENGTH[name] + 3
        own = sum(length + len(one.bagpath.encode()) for one in written)
        own += sum(
            length + len(one.placed.bagpath.encode())
            for one in contents.fetched
            if any(sum_.algorithm == name for sum_ in one.checksums)
        )
        own += sum(
            length + len(one.bagpath.encode())
            for one in absent
            if any(sum_.algorithm == name for sum_ in one.entry.checksums)
        )
        tags[f"manifest-{name}.txt"] = own
    for name in algorithms:
        if name not in manifests.NOT_BY_1_0:
            listed = [one for one in tags if not one.startswith("tagmanifest")]
            tags[f"tagmanifest-{name}.txt"] = sum(HEX_LENGTH[name] + 3 + len(n) for n in listed)
    return tags.items()


def _folders(paths: Iterable[str]) -> list[int]:
    """The bytes of each folder's entries, that of the bag itself among them."""
    found = {"": 0}
    for path in paths:
        while True:
            folder, _, name = path.rpartition("/")
            is_new = folder not in found
            found[folder] = found.get(folder, 0) + _ENTRY + len(name.encode())
            if not is_new:
                break
            path = folder
    return list(found.values())


def _blocks(size: int, block: int) -> int:
    """The size in whole blocks; an empty file takes none."""
    return -(-size // block) * block


def _member(path: str, size: int) -> int:
    """A file in a tar archive, with the further header that a long name needs."""
    plain = _TAR + _blocks(size, _TAR)
    return plain + 3 * _TAR if len(path) > _SHORT or not path.isascii() else plain
