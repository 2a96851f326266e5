"""The invented records of Invenio v1; what each is for stands in :mod:`.invenio_v1`."""

from __future__ import annotations

import gzip

from .content import Content
from .invenio_v1 import Held, InvenioV1, Marc, put

PDF = b"%PDF-1.4\n" + b"an invented page\n" * 4000
ARCHIVE = gzip.compress(b"not a tar, but compressed " * 999, mtime=0)
SCAN = b"II*\0 an invented scan"


def populate(app: InvenioV1) -> None:
    """Put all records into a server, and what they refer to into the object store."""
    put(app, _awkward())
    plain = Held("1002", "A plain thesis")
    _add(plain, "thesis.pdf", PDF, size=True)
    _add(plain, "data.tar.gz", ARCHIVE, size=True)
    put(app, plain)
    put(app, Held("1003", "Nothing attached"))
    closed = Held("1403", "A restricted thesis", closed_files=("closed.pdf",))
    _add(closed, "closed.pdf", PDF, size=True)
    put(app, closed)
    walled = Held("1700", "Behind a wall")
    _add(walled, "walled.pdf", PDF, size=True)
    put(app, walled)
    second = Held("1800", "The second of three")
    _add(second, "second.txt", b"second", size=True)
    put(app, second)
    half = Held("1900", "Half open", closed_files=("secret.pdf",))
    _add(half, "open.txt", b"open", size=True)
    _add(half, "secret.pdf", PDF, size=True)
    put(app, half)
    put(app, _films())
    for name in ("scan_0042.tif", "ac_film.mp4", "A/poster.jpg", "B/poster.jpg", "mirror.bin"):
        content = SCAN if name.endswith("tif") else f"content of {name}".encode()
        app.storage.publish(f"/public/{name}", Content(content))


def _add(
    one: Held, name: str, content: bytes, *, size: bool = False, subformat: str = ""
) -> list[tuple[str, str]]:
    """Put a file into a record, and its field."""
    one.files[(name, subformat)] = Content(content)
    address = f"@BASE@/record/{one.recid}/files/{name}"
    subfields = [
        ("8", "3100001"),
        ("u", address + (f"?subformat={subformat}" if subformat else "")),
    ]
    if size:
        subfields.insert(1, ("s", str(len(content))))
    if subformat:
        subfields.append(("x", subformat))
    one.fields.append(("8564_", subfields))
    return subfields


def _awkward() -> Held:
    one = Held("1001", "Response of a toy detector at 7<sub>TeV</sub> & below")
    _add(one, "TOY THESIS 2024.pdf", PDF, size=True)
    _add(one, "TOY THESIS 2024.gif", b"GIF89a icon", size=True, subformat="icon")
    one.files[("TOY THESIS 2024.pdf", "pdfa")] = Content(PDF + b"archival")
    escaped = "@BASE@/record/1001/files/TOY%20THESIS%202024.pdf?subformat=pdfa"
    digest = "0cc175b9c0f1b6a831c399e269772661"
    rows: list[Marc] = [
        ("8564_", [("8", "3100001"), ("u", escaped), ("x", "pdfa")]),
        ("8564_", [("8", "3100002"), ("s", "0"), ("u", "@BASE@/record/1001/files/empty.txt")]),
        ("8564_", [("u", "http://cds.cern.ch/record/1001"), ("y", "Another page")]),
        ("8564_", [("u", "http://cds.cern.ch/record/1002/files/thesis.pdf"), ("y", "Sister")]),
        ("8564_", [("u", "https://indico.example/event/99/"), ("y", "Event details")]),
        ("8564_", [("u", "https://example.org/mirror/raw.tar.gz"), ("y", "Mirror")]),
        ("8564_", [("u", "https://[broken/record"), ("y", "No address")]),
        ("8567_", [("2", "EOS"), ("q", "TIFF"), ("u", "@STORE@/public/scan_0042.tif")]),
        ("8564_", [("d", "/eos/media/cds/invented/scan_0043.tif")]),
        ("8564_", [("8", "3100009"), ("y", "No address at all")]),
    ]
    sums = Content(SCAN).digest("md5")
    rows[7][1].append(("w", f"(ARCHIVE:MD5)scan_0042.tif;{sums}"))
    one.fields += rows
    arxiv = _add(one, "arXiv:2402.99999.pdf", PDF + b"2", size=True)
    arxiv += [("z", "first note"), ("z", "second note")]
    _add(one, "raw.tar.gz", ARCHIVE).append(("s", "1.2 MB"))
    accents = _add(one, "résumé.txt", "née".encode())
    accents[1] = ("u", "\n      @BASE@/record/1001/files/r%C3%A9sum%C3%A9.txt\n    ")
    film = [("2", "EOS"), ("q", "MP4"), ("u", "@STORE@/public/ac_film.mp4")]
    one.fields.append(("8564_", [*film, ("w", f"(ARCHIVE:MD5)film.mp4;{digest}")]))
    return one


def _films() -> Held:
    one = Held("1999", "A digitised film")
    share = "\\\\cern.ch\\dfs\\Services\\Masters\\TOY-1\\TOY-1.mov"
    store = [("2", "MediaArchive")]
    one.fields = [
        ("8567_", [*store, ("d", share), ("x", "Absolute master path")]),
        ("8567_", [*store, ("d", "/mnt/master_share/2014/999016"), ("x", "Absolute master path")]),
        ("8567_", [*store, ("u", " @STORE@/public/ac_film.mp4 "), ("x", "mp45872")]),
        ("8567_", [*store, ("u", "@STORE@/public/A/poster.jpg"), ("x", "jpgposterframe")]),
        ("8567_", [*store, ("u", "@STORE@/public/B/poster.jpg"), ("x", "jpgposterframe")]),
        ("8567_", [*store, ("u", "/2014/999016/999016_en.vtt"), ("x", "subtitle")]),
    ]
    return one
