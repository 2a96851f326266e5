"""The invented records of the sandbox.

Zenodo
    7000001  open: slash, blank and ``#`` in a key, another script, an empty file, a larger one
    7000000  the id of all its versions: redirects to it
    7000002  restricted files; the token ``good`` opens them
    7000003  the same in an old answer, without the key ``files``
    7000004  October 2023: ``filename``, ``filesize``, a bare checksum, no list beside the record
    7000005  embargoed files
    7000006  metadata only
    7000007  deleted, with a tombstone
    7000008  deleted, and nothing to see of it
    7000009  awkward names
    7000010  a file kept elsewhere: no size, no checksum, a redirect to the object store
    7000011  a file with ranges, one without
    7000012  a hundred files in folders; the community "toys" has it, 7000001 and 7000002
    7000013  a record that is itself restricted
    7000014  a file that was never completed, beside one that was
    7000015  a DOI that does not hold its number: 10.1234/toy.7

InvenioRDM (every server of the kind)
    k3f9q-7xw21  open, like 7000001; parnt-00001 is the id of all its versions
    metad-only1  metadata only          close-00003  restricted files
    embar-00002  embargoed files        priva-00006  a restricted record
    gone0-00004  deleted, tombstone     hiddn-00005  deleted, nothing to see
    draft-00007  never published        awkwd-00009  awkward names
    sums0-00008  adler32, sha256, and no checksum; one of the files is hidden
"""

from __future__ import annotations

from .content import Content
from .rdm import Invenio
from .shapes import File, Record
from .storage import Storage

PLAIN = {
    "data/run 1/hits#1.csv": b"1,2,3",
    "日本.zip": b"PK\x05\x06" + bytes(18),
    "empty.txt": b"",
    "report.pdf": b"%PDF-1.4\n" + b"invented report\n" * 30_000,
}
AWKWARD = (
    "résumé.txt",
    "re\u0301sume\u0301.txt",
    "Case.txt",
    "case.txt",
    "100%25 sure.txt",
    "../escape.txt",
    "../../outside.txt",
    "trailing dot.",
    "trailing blank ",
    "CON",
    "aux.txt",
    "a:b?c*.txt",
    "line\r\nbreak.txt",
    "\u202egpj.exe",
    "ü" * 125 + ".txt",
    "metadata.json",
    "sip.json",
    "folder",
    "folder/inside.txt",
    "-dash.txt",
    "$HOME&more+'quoted'.txt",
)


def zenodo(storage: Storage) -> Invenio:
    """Zenodo, with its records."""
    app = Invenio(True, storage)
    _zenodo(app)
    return app


def inveniordm(storage: Storage) -> Invenio:
    """A server of InvenioRDM, with its records."""
    app = Invenio(False, storage)
    _rdm(app)
    return app


def _fill(record: Record, files: dict[str, bytes]) -> Record:
    for key, content in files.items():
        record.files[key] = File(key, Content(content))
    return record


def _awkward(recid: str) -> Record:
    record = Record(recid, title="Awkward <b>names</b> & \u0001 signs")
    return _fill(record, {key: f"content of {key!r}".encode() for key in AWKWARD})


def _zenodo(app: Invenio) -> None:
    app.add(
        _fill(
            Record("7000001", title="Toy data, version 2", parent="7000000", community="toys"),
            PLAIN,
        )
    )
    app.add(_fill(Record("7000002", "restricted", "Restricted toy", community="toys"), PLAIN))
    app.add(_fill(Record("7000003", "restricted", "Old toy", shape="no-files-key"), PLAIN))
    app.add(_fill(Record("7000004", title="Toy of October", shape="old-names"), PLAIN))
    app.add(_fill(Record("7000005", "embargoed", "Embargoed toy"), PLAIN))
    app.add(Record("7000006", "metadata-only", "A toy without files"))
    app.add(Record("7000007", "deleted"))
    app.add(Record("7000008", "hidden"))
    app.add(_awkward("7000009"))
    remote = Record("7000010", title="A toy kept elsewhere")
    remote.files["big.root"] = File(
        "big.root", Content(70_000, "remote"), None, False, transfer="R", way="storage"
    )
    app.add(remote)
    ranges = Record("7000011", title="Ranges and none")
    ranges.files["with.bin"] = File("with.bin", Content(900_000, "with"), way="ranges")
    ranges.files["without.bin"] = File("without.bin", Content(900_000, "without"))
    app.add(ranges)
    many = {f"part{n % 7}/file {n:03}.dat": f"number {n}\n".encode() for n in range(100)}
    app.add(_fill(Record("7000012", title="A hundred toys", community="toys"), many))
    app.add(_fill(Record("7000013", "closed", "Hidden toy"), PLAIN))
    half = _fill(Record("7000014", title="Half a toy"), {"done.txt": b"done"})
    half.files["never.bin"] = File("never.bin", Content(b""), None, False, "pending")
    app.add(half)
    app.add(_fill(Record("7000015", doi="10.1234/toy.7"), {"a.txt": b"a"}))


def _rdm(app: Invenio) -> None:
    app.add(_fill(Record("k3f9q-7xw21", title="Toy detector", parent="parnt-00001"), PLAIN))
    app.add(Record("metad-only1", "metadata-only", "A toy without files"))
    app.add(_fill(Record("close-00003", "restricted", "Restricted toy"), PLAIN))
    app.add(_fill(Record("embar-00002", "embargoed", "Embargoed toy"), PLAIN))
    app.add(_fill(Record("priva-00006", "closed", "Hidden toy"), PLAIN))
    app.add(Record("gone0-00004", "deleted"))
    app.add(Record("hiddn-00005", "hidden"))
    app.add(Record("draft-00007", "draft"))
    app.add(_awkward("awkwd-00009"))
    sums = Record("sums0-00008", title="Other checksums")
    sums.files["tape.dat"] = File("tape.dat", Content(b"tape"), "adler32", hidden=True)
    sums.files["strong.dat"] = File("strong.dat", Content(b"strong"), "sha256")
    sums.files["bare.dat"] = File("bare.dat", Content(b"bare"), None)
    app.add(sums)
