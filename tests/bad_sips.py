"""CERN SIPs with one defect each, or with one legal oddity; the ids are C01 to C60.

As in ``bad_bags``, every package starts as a good one and is sealed again after the damage.
Everything in it is invented.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bad_bags import (
    Case,
    Damage,
    add,
    append,
    declare,
    digest,
    edit,
    link,
    listing,
    manifests,
    members,
    oxum,
    payload,
    put,
    relist,
    remove,
    rename,
    seal,
    special,
    then,
    write,
    zipped,
)

SOURCE, RECID, STAMP = "cds", "1", 1635233733
SCHEMA = "https://gitlab.cern.ch/digitalmemory/sip-spec/-/raw/main/versions/sip-schema-v1.json"
AT = "https://cds.cern.ch/record/1/files"
SIP_JSON = "data/meta/sip.json"
LOG = "data/meta/bagitcreate.log"
PDF = "data/content/a.pdf"
TXT = "data/content/sub/b.txt"
XML = "data/content/metadata-cds-1.xml"
CONTENT = {
    PDF: b"%PDF-1.4\n1 0 obj <</Type /Catalog>> endobj\ntrailer <</Root 1 0 R>>\n%%EOF\n",
    TXT: b"beta\n",
    XML: (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<collection xmlns="http://www.loc.gov/MARC21/slim"><record>\n'
        b'<controlfield tag="001">1</controlfield>\n'
        b'<datafield tag="245" ind1=" " ind2=" "><subfield code="a">Two</subfield></datafield>\n'
        b"</record></collection>\n"
    ),
}
ALGORITHMS = ("md5", "sha512")

Document = dict[str, Any]
Change = Callable[[Document], object]


# -- a good SIP ---------------------------------------------------------------------------------


def entry_of(path: str, content: bytes, **more: Any) -> Document:
    """What sip.json says about a file of the record."""
    folder, _, name = path.removeprefix("data/content/").rpartition("/")
    return {
        "origin": {"url": f"{AT}/{quote(name)}", "filename": name, "path": folder},
        "size": len(content),
        "bagpath": path,
        "metadata": path == XML,
        "downloaded": True,
        "checksum": [f"{one}:{digest(one, content)}" for one in ALGORITHMS],
        **more,
    }


def own_entry(path: str) -> Document:
    """What it says about the log and about itself."""
    return {
        "origin": {"filename": Path(path).name, "path": ""},
        "bagpath": path,
        "metadata": False,
        "downloaded": True,
    }


def document() -> Document:
    """A good sip.json."""
    params = {"recid": RECID, "source": SOURCE, "dry_run": False, "url": None, "timestamp": STAMP}
    return {
        "$schema": SCHEMA,
        "created_by": "bagit-create 2.0.0",
        "audit": [
            {
                "tool": {
                    "name": "CERN BagIt Create",
                    "version": "2.0.0",
                    "website": "https://example.org/bagit-create",
                    "params": params,
                },
                "action": "sip_create",
                "timestamp": STAMP,
                "message": "",
            }
        ],
        "source": SOURCE,
        "recid": RECID,
        "metadataFile_upstream": "https://cds.cern.ch/record/1/export/xm",
        "contentFiles": [
            *(entry_of(path, content) for path, content in CONTENT.items()),
            own_entry(LOG),
            own_entry(SIP_JSON),
        ],
        "sip_creation_timestamp": STAMP,
        "usr-meta": {},
    }


def name_of(told: Document) -> str:
    """The name that the folder should have."""
    return f"sip::{told['source']}::{told['recid']}::{told['sip_creation_timestamp']}"


def good_sip(folder: Path, light: bool = False) -> Path:
    """Make a SIP in which nothing is wrong; a light one lacks the PDF file."""
    told = document()
    sip = folder / name_of(told)
    for path, content in CONTENT.items():
        put(sip, path, content)
    put(sip, LOG, "2021-10-26 07:35:33 INFO made\n")
    put(sip, SIP_JSON, json.dumps(told, indent=2))
    declare("0.97")(sip)
    put(sip, "bag-info.txt", "Bagging-Date: 2021-10-26\nPayload-Oxum: 0.0\n")
    for algorithm in ALGORITHMS:
        put(sip, f"manifest-{algorithm}.txt", "")
        put(sip, f"tagmanifest-{algorithm}.txt", "")
    relist(sip)
    if light:
        put(sip, "fetch.txt", f"{AT}/a.pdf {len(CONTENT[PDF])} {PDF}\n")
        (sip / PDF).unlink()
        told["audit"][0]["tool"]["params"]["dry_run"] = True
        entry(told, PDF)["downloaded"] = False
        put(sip, SIP_JSON, json.dumps(told, indent=2))
    reseal(sip)
    return sip


def entry(told: Document, path: str) -> Document:
    """The entry for a file."""
    found: Document = next(one for one in told["contentFiles"] if one.get("bagpath") == path)
    return found


def reseal(sip: Path) -> None:
    """Make the digests of what is here fit, then Payload-Oxum, then the tag manifests.

    Lines about absent files stay as they are, and no line is added.
    """
    for name, algorithm in manifests(sip).items():
        lines = (sip / name).read_bytes().decode("utf-8", "surrogateescape").splitlines(True)
        paths = [one.split("  ", 1)[1][:-1] if "  " in one else "" for one in lines]
        put(
            sip,
            name,
            "".join(
                listing(sip, algorithm, [path]) if path and (sip / path).is_file() else line
                for path, line in zip(paths, lines, strict=True)
            ),
        )
    recount(sip)
    seal(sip)


def recount(sip: Path) -> None:
    """Make Payload-Oxum fit the complete payload, if it is a good one."""
    told = sip / "bag-info.txt"
    if not told.is_file():
        return
    sizes = {path: (sip / path).stat().st_size for path in payload(sip)}
    if (sip / "fetch.txt").is_file():
        for line in (sip / "fetch.txt").read_text().splitlines():
            _, length, path = line.split(" ", 2)
            sizes.setdefault(path, int(length))
    lines = told.read_text().splitlines()
    right = f"Payload-Oxum: {sum(sizes.values())}.{len(sizes)}"
    kept = [right if line.startswith("Payload-Oxum: ") else line for line in lines]
    put(sip, told.name, "".join(f"{line}\n" for line in kept))


def sip(
    damage: Damage, *, light: bool = False, sealed: bool = True, name: str = ""
) -> Callable[[Path], Path]:
    """The maker of a SIP that was good before; its folder has the name that sip.json asks for."""

    def make(folder: Path) -> Path:
        made = good_sip(folder, light)
        damage(made)
        if sealed:
            reseal(made)
        wanted = name or _asked(made)
        return made.rename(folder / wanted) if wanted else made

    return make


def _asked(made: Path) -> str:
    try:
        told = json.loads((made / SIP_JSON).read_bytes())
        parts = [told["source"], told["recid"], told["sip_creation_timestamp"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    if all(type(one) in (str, int) and one != "" for one in parts):
        return name_of(told)
    return ""


# -- damages ------------------------------------------------------------------------------------


def say(change: Change) -> Damage:
    """Something else in sip.json."""

    def rewrite(made: Path) -> None:
        told = json.loads((made / SIP_JSON).read_bytes())
        change(told)
        put(made, SIP_JSON, json.dumps(told, indent=2))

    return rewrite


def top(**values: Any) -> Damage:
    """Other values at the top of sip.json; ``usr_meta`` and ``schema`` are for what they recall."""
    names = {"usr_meta": "usr-meta", "schema": "$schema"}
    return say(lambda told: told.update({names.get(key, key): values[key] for key in values}))


def without(key: str) -> Damage:
    """A key less."""
    return say(lambda told: told.pop(key))


def of(path: str, **values: Any) -> Damage:
    """Other values in the entry of a file."""
    return say(lambda told: entry(told, path).update(values))


def origin(path: str, **values: Any) -> Damage:
    """Other values in the origin of a file."""
    return say(lambda told: entry(told, path)["origin"].update(values))


def lacking(path: str, *keys: str) -> Damage:
    """An entry without these keys; the last key is that of an object in it, if there are two."""

    def change(told: Document) -> None:
        found: Any = entry(told, path)
        for key in keys[:-1]:
            found = found[key]
        del found[keys[-1]]

    return say(change)


def params(**values: Any) -> Damage:
    """Other parameters in the first step of the audit."""
    return say(lambda told: told["audit"][0]["tool"]["params"].update(values))


def step(**values: Any) -> Damage:
    """One more step in the audit."""
    good = {
        "tool": {"name": "x", "version": "1", "website": "https://example.org", "params": {}},
        "action": "fixity_check",
        "timestamp": STAMP,
        "message": "",
    }
    return say(lambda told: told["audit"].append({**good, **values}))


def listed(*entries: Any) -> Damage:
    """More entries, before those of the log and of sip.json."""
    return say(lambda told: told["contentFiles"].__setitem__(slice(-2, -2), entries))


def file(path: str, content: bytes = b"x\n", **more: Any) -> Damage:
    """One more file in manifests and sip.json, described as it should be."""
    return then(add(path, content=content), listed(entry_of(path, content, **more)))


def contents(path: str, content: bytes) -> Damage:
    """Other bytes in a file, known everywhere."""
    right = entry_of(path, content)
    return then(
        write(path, content), of(path, size=right["size"], checksum=right["checksum"]), relist
    )


def values(*these: Any) -> tuple[Any, ...]:
    """Of any types."""
    return these


def text(content: bytes | str) -> Damage:
    """Another sip.json altogether."""
    return write(SIP_JSON, content)


def unlisted(path: str) -> Damage:
    """A file that sip.json does not list."""
    return say(lambda told: told["contentFiles"].remove(entry(told, path)))


def gone(path: str) -> Damage:
    """A file less, on disk and in the manifests."""
    return then(remove(path), relist)


def fewer(*algorithms: str) -> Damage:
    """Manifests of these algorithms only."""

    def change(made: Path) -> None:
        remove(*manifests(made), *manifests(made, "tag"))(made)
        for algorithm in algorithms:
            put(made, f"manifest-{algorithm}.txt", "")
            put(made, f"tagmanifest-{algorithm}.txt", "")
        relist(made)

    return change


def as_the_forerunner(made: Path) -> None:
    """One manifest, one space, no tag manifest, no sizes of its own files."""
    remove(*manifests(made, "tag"), "manifest-sha512.txt")(made)
    put(made, "manifest-md5.txt", (made / "manifest-md5.txt").read_text().replace("  ", " "))


def local(made: Path) -> None:
    """A SIP of somebody's own folder: no addresses, and no metadata of any source."""

    def change(told: Document) -> None:
        told.update(source="local", metadataFile_upstream=None, author="ada")
        told["audit"][0]["tool"]["params"]["source"] = "local"
        for one in told["contentFiles"]:
            one["origin"].pop("url", None)
            one["metadata"] = False

    say(change)(made)


def no_content(made: Path) -> None:
    """Nothing but the package's own two files."""
    shutil.rmtree(made / "data/content")
    say(lambda told: told.update(contentFiles=[own_entry(LOG), own_entry(SIP_JSON)]))(made)
    relist(made)


def counts_present(made: Path) -> None:
    """Payload-Oxum of what is here, not of the complete payload."""
    told = made / "bag-info.txt"
    put(made, told.name, re.sub(r"(?<=Oxum: ).*", oxum(made), told.read_text()))
    seal(made)


def populated(made: Path) -> None:
    """A light SIP that was completed, as it should be done."""
    put(made, PDF, CONTENT[PDF])
    of(PDF, downloaded=True)(made)
    step(action="populate")(made)
    (made / "fetch.txt").unlink()


def fetch_line(path: str, size: int = 2) -> str:
    """A line that could be right."""
    return f"{AT}/{Path(path).name} {size} {path}\n"


def promised(path: str) -> Damage:
    """A file of two bytes that is described everywhere, and absent."""
    return then(
        append_to_manifests(path),
        append("fetch.txt", fetch_line(path)),
        listed(entry_of(path, b"x\n", downloaded=False)),
    )


def append_to_manifests(path: str) -> Damage:
    """A line in each manifest, for a file that is not there."""

    def change(made: Path) -> None:
        for name, algorithm in manifests(made).items():
            append(name, f"{digest(algorithm, b'x' + bytes([10]))}  {path}\n")(made)

    return change


# -- cases --------------------------------------------------------------------------------------


def _sips(
    verdict: str,
    level: str,
    name: str,
    damage: Damage,
    ids: str = "",
    where: str = "",
    *,
    also: str = "",
    secret: str = "",
    special: bool = False,
    light: bool = False,
    sealed: bool = True,
    folder: str = "",
) -> list[Case]:
    return [
        Case(
            f"SIP: {name}",
            sip(damage, light=light, sealed=sealed, name=folder),
            verdict,
            tuple(ids.split()),
            level,
            where,
            tuple(also.split()),
            clean=verdict in ("valid", "incomplete"),
            special=special,
            secret=secret,
        )
    ]


wrong = partial(_sips, "invalid", "error")
odd = partial(_sips, "valid", "warning")
fine = partial(_sips, "valid", "information")
lightwrong = partial(_sips, "invalid", "error", light=True)
lightodd = partial(_sips, "incomplete", "warning", light=True)

KEY = "-----BEGIN RSA " + "PRIVATE KEY-----\nAAAA\n-----END RSA " + "PRIVATE KEY-----\n"
TOKEN = "glpat-" + "0123456789abcdefghij"
CONFIG = '[remote "origin"]\n\turl = https://{}gitlab.example.org/a/b.git\n'
COOKIES = "# Netscape HTTP Cookie File\n.example.org\tTRUE\t/\tTRUE\t0\tsession\t{}\n"
GIT = "data/content/repository_files/.git/config"
HTML = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Error</body></html>\n"


def good_json(**more: str) -> str:
    """A good sip.json as text, with more at its top: key to JSON text."""
    rest = "".join(f', "{key}": {value}' for key, value in more.items())
    return json.dumps(document(), indent=2)[:-2] + rest + "\n}"


DEEP = "[" * 100_000 + "]" * 100_000

JSON = (
    fine("nothing at all", lambda made: None),
    lightodd("a light SIP", lambda made: None),
    lightodd("a light SIP without two files", promised("data/content/c.txt")),
    wrong("no sip.json", gone(SIP_JSON), "C01", SIP_JSON),
    wrong("no data/meta", then(remove("data/meta"), relist), "C01", also="C37"),
    *(
        wrong(f"sip.json is {what}", text(content), "C02", also="C04" if what == "empty" else "")
        for what, content in (
            ("empty", b""),
            ("cut off", good_json().encode()[:900]),
            ("no JSON but a list of keys and values", b"source: cds\nrecid: 1\n"),
            ("with a comma too many", good_json()[:-2].encode() + b",}"),
            ("with single quotes", b"{'source': 'cds'}"),
            ("with a comment", good_json().encode().replace(b"{", b"{ // a comment\n", 1)),
            (
                "with a byte that is not UTF-8",
                good_json().encode().replace(b"2.0.0", b"2.0\xff", 1),
            ),
            ("with a byte-order mark", b"\xef\xbb\xbf" + good_json().encode()),
            ("in UTF-16", good_json().encode("utf-16")),
            ("with NaN", good_json(number="NaN").encode()),
            ("with -Infinity", good_json(number="-Infinity").encode()),
            ("with more after its end", good_json().encode() + b"{}"),
            ("with a line feed in a text", good_json().encode().replace(b"2.0.0", b"2.0\n0", 1)),
            ("100,000 brackets", b"[" * 100_000),
        )
    ),
    # Legal JSON, which hardly anybody can read: to refuse it is right, to crash is not.
    _sips("", "error", "100,000 brackets that are closed", text(good_json(deep=DEEP)), also="C02"),
    odd("a key twice at the top", text(good_json(recid='"1"')), "C03"),
    odd(
        "a key twice in an entry",
        text(
            good_json().replace('"downloaded": true,', '"downloaded": true, "downloaded": true,', 1)
        ),
        "C03",
    ),
    fine("letters of the world in sip.json", text(good_json(author='"\u00c5sa \U0001f600"'))),
    fine("more keys than the specification knows", text(good_json(x='{"y": [1, null, 2.5e3]}'))),
    *(
        wrong(f"sip.json is {content}", text(content), "C04")
        for content in ("[]", '"text"', "1", "null", "true")
    ),
    wrong("sip.json is an array with the right object in it", text(f"[{good_json()}]"), "C04"),
)

AUDIT = (
    wrong("no audit", without("audit"), "C05", also="C06"),
    *(
        wrong(f"audit is {json.dumps(value)}", top(audit=value), "C05", also="C06")
        for value in values([], {}, None, "sip_create", {"0": {}})
    ),
    wrong(
        "no dry_run",
        say(lambda told: told["audit"][0]["tool"]["params"].pop("dry_run")),
        "C06",
    ),
    *(
        wrong(f"dry_run is {json.dumps(value)}", params(dry_run=value), "C06")
        for value in values("no", 0, None, "false", [])
    ),
    wrong("a step without a tool", say(lambda told: told["audit"][0].pop("tool")), "C06"),
    wrong("a step that is a text", top(audit=["sip_create"]), "C06|C05", also="C05 C06"),
    wrong(
        "params is an array", say(lambda told: told["audit"][0]["tool"].update(params=[])), "C06"
    ),
    odd("a step with a text for its time", step(timestamp=str(STAMP)), "C07"),
    odd("a step with a fraction for its time", step(timestamp=STAMP + 0.5), "C07"),
    odd("a step that is an array", say(lambda told: told["audit"].append([])), "C07"),
    odd("a step with a number for its message", step(message=7), "C07"),
    odd("a step with a text for its tool", step(tool="bic"), "C07"),
    # Between the second and the third: the first may have the time of the whole package.
    odd("time goes backwards", then(step(timestamp=STAMP + 60), step(timestamp=STAMP + 30)), "C07"),
    fine("three steps in order", then(step(timestamp=STAMP + 30), step(timestamp=STAMP + 60))),
    fine("two steps in one second", then(step(timestamp=STAMP + 30), step(timestamp=STAMP + 30))),
)

HEAD = (
    wrong("no source", without("source"), "C08"),
    wrong("source is null", top(source=None), "C08"),
    wrong("source is empty", top(source=""), "C08"),
    # No name of a repository either, though the catalogue has only what is missing or empty.
    wrong("source is an array", top(source=["cds"]), "C08"),
    wrong("no recid", without("recid"), "C09"),
    wrong("recid is null", top(recid=None), "C09"),
    wrong("recid is empty", top(recid=""), "C09"),
    wrong("recid is an object", top(recid={"id": 1}), "C09"),
    odd("recid is a number", top(recid=1), "C10", also="C13"),
    odd(
        "a source of 51 letters",
        then(top(source="s" * 51), params(source="s" * 51)),
        "C11",
    ),
    odd(
        "a recid of 64 digits",
        then(top(recid="1" * 64), params(recid="1" * 64)),
        "C11",
        also="C60",
    ),
    fine(
        "a recid of 50 letters",
        then(
            top(recid="r" * 50),
            params(recid="r" * 50),
            contents(XML, CONTENT[XML].replace(b">1<", b">" + b"r" * 50 + b"<")),
        ),
    ),
    *(
        odd(f"the folder is called {name}", lambda made: None, "C12", folder=name)
        for name in (
            "x",
            "sip::cds::2::1635233733",
            "sip::zenodo::1::1635233733",
            "sip::cds::1::1635233734",
            "sip::cds::1",
        )
    ),
    odd("the audit has another source", params(source="zenodo"), "C13"),
    odd("the audit has another recid", params(recid="7"), "C13"),
    fine("another schema", top(schema="https://example.org/other.json"), "C32"),
    *(
        wrong(f"the time is {json.dumps(value)}", top(sip_creation_timestamp=value), "C33")
        for value in values("1635233733", 1635233733.5, True, [1635233733])
    ),
    odd("the time is in the future", top(sip_creation_timestamp=32503680000), "C33"),
    *(
        wrong(f"usr-meta is {json.dumps(value)}", top(usr_meta=value), "C34")
        for value in values(None, [], "none")
    ),
    fine("no usr-meta", without("usr-meta")),
    fine("all of usr-meta", top(usr_meta={"collection": "c", "comment": "d"})),
    *(
        odd(
            f"the embargo is {json.dumps(value)}",
            top(usr_meta={"embargo_timestamp": value}),
            "C35",
        )
        for value in values("2027-01-01", "1893456000", 1893456000.5, None, True)
    ),
    fine("an embargo in the future", top(usr_meta={"embargo_timestamp": 32503680000}), "C36"),
    fine("an embargo in the past", top(usr_meta={"embargo_timestamp": 1600000000}), "C36"),
    fine(
        "where the files were on the producing machine",
        top(source_details={"source_path": "/home/ada/files", "source_base_path": "/home/ada"}),
        "C55",
    ),
    fine("where one file was", origin(PDF, sourcePath="/home/ada/files/a.pdf"), "C55"),
)

ENTRIES = (
    wrong("no contentFiles", without("contentFiles"), "C14"),
    *(
        wrong(f"contentFiles is {json.dumps(value)}", top(contentFiles=value), "C14")
        for value in values({}, None, "a.pdf")
    ),
    wrong("an entry without bagpath", lacking(PDF, "bagpath"), "C15", also="C22"),
    wrong("an entry without downloaded", lacking(PDF, "downloaded"), "C15", also="C22"),
    wrong("a bagpath that is a number", of(PDF, bagpath=1), "C15", also="C22 C16"),
    wrong("a bagpath that is null", of(PDF, bagpath=None), "C15", also="C22 C16"),
    wrong("a text for downloaded", of(PDF, downloaded="true"), "C15", also="C22"),
    wrong("an entry that is a text", listed(PDF), "C15"),
    *(
        wrong(
            f"the bagpath {path}",
            listed(entry_of(PDF, b"x", bagpath=path)),
            "C16",
            also="C18 C27 C25",
        )
        for path in (
            "/etc/passwd",
            "../x",
            "data/../../x",
            "data/content/../../../x",
            "bagit.txt",
            "data/../bagit.txt",
            "data2/x",
            "C:\\x",
        )
    ),
    wrong("the same bagpath twice", listed(entry_of(PDF, CONTENT[PDF])), "C17"),
    wrong(
        "the same bagpath twice, with other facts",
        listed(entry_of(PDF, b"x")),
        "C17",
        also="C24 C27",
    ),
    wrong("a downloaded file is missing", gone(PDF), "C18", PDF),
    wrong(
        "a downloaded file is missing that the manifests list", remove(PDF), "C18", PDF, also="M01"
    ),
    odd("a file that is not downloaded is here", of(PDF, downloaded=False), "C19", PDF),
    lightodd(
        "a file that is not downloaded is here, in a light SIP",
        of(TXT, downloaded=False),
        "C19",
        TXT,
    ),
    lightwrong(
        "a file is absent, and not in fetch.txt",
        then(
            append_to_manifests("data/content/c.txt"),
            listed(entry_of("data/content/c.txt", b"x\n", downloaded=False)),
        ),
        "C20",
        "data/content/c.txt",
        also="M01 F15 I05 C48",
    ),
    lightwrong(
        "a file is absent, in no manifest and not in fetch.txt",
        listed(entry_of("data/content/c.txt", b"x\n", downloaded=False)),
        "C20 C21",
        "data/content/c.txt",
    ),
    # Of some files no source publishes a checksum: a light SIP of 0.97 promises them all the same.
    lightodd(
        "a file is promised, and in no manifest",
        then(
            append("fetch.txt", fetch_line("data/content/c.txt")),
            listed(entry_of("data/content/c.txt", b"x\n", downloaded=False)),
        ),
        "C21",
        "data/content/c.txt",
        also="F05 C48",
    ),
    wrong("a file that sip.json does not list", unlisted(TXT), "C22", TXT),
    wrong("a file more", add("data/content/c.txt"), "C22", "data/content/c.txt"),
    odd("a file more beside sip.json", add("data/meta/notes.txt"), "C22", "data/meta/notes.txt"),
    *(
        wrong(f"the checksum {value!r}", of(PDF, checksum=[value]), "C23")
        for value in (
            "md5:abc",
            "md5:" + "z" * 32,
            "md5:" + "0" * 33,
            "md5:" + "\u0660" * 32,
            "0" * 32,
            ":" + "0" * 32,
            "md5",
            "md5:",
            "md5 " + "0" * 32,
            "sha512:" + "0" * 64,
            3,
            None,
            {"md5": "0" * 32},
        )
    ),
    wrong("checksum is an object", of(PDF, checksum={"md5": "0" * 32}), "C23"),
    wrong(
        "another checksum than in the manifest",
        of(PDF, checksum=["md5:" + "0" * 32]),
        "C24",
        PDF,
        also="C25",
    ),
    wrong(
        "the second checksum is another than in the manifest",
        of(PDF, checksum=[f"md5:{digest('md5', CONTENT[PDF])}", "sha512:" + "0" * 128]),
        "C24",
        PDF,
        also="C25",
    ),
    lightwrong(
        "of an absent file another checksum than in the manifest",
        of(PDF, checksum=["md5:" + "0" * 32]),
        "C24",
        PDF,
    ),
    wrong(
        "a checksum that no manifest has, and wrong",
        of(PDF, checksum=["sha1:" + "0" * 40]),
        "C25",
        PDF,
    ),
    fine(
        "a checksum that no manifest has",
        of(PDF, checksum=[f"sha1:{digest('sha1', CONTENT[PDF])}"]),
    ),
    fine(
        "a checksum in capitals", of(PDF, checksum=[f"md5:{digest('md5', CONTENT[PDF]).upper()}"])
    ),
    odd("a text for a size", of(TXT, size="5"), "C26"),
    odd("a fraction for a size", of(TXT, size=5.5), "C26"),
    odd("a boolean for a size", of(TXT, size=True), "C26"),
    wrong("a size below zero", of(TXT, size=-5), "C26", also="C27"),
    wrong("another size", of(TXT, size=6), "C27", TXT),
    wrong("a size of 30 digits", of(TXT, size=10**30), "C27|C26", also="C26 C27"),
    odd("the size 0 of a file with bytes", of(TXT, size=0), "C27", TXT),
    fine("no size", lacking(TXT, "size")),
    fine("the size null", of(TXT, size=None)),
    wrong("an emptied file", then(write(TXT, b""), of(TXT, checksum=[])), "C53", TXT, also="C27"),
    fine("an empty file", contents(TXT, b"")),
    odd("no origin", lacking(TXT, "origin"), "C28", also="C29"),
    odd("no filename", lacking(TXT, "origin", "filename"), "C28"),
    odd("a number for a filename", origin(TXT, filename=5), "C28"),
    odd("origin is an array", of(TXT, origin=[]), "C28", also="C29"),
    *(
        wrong(f"the URL {json.dumps(value)}", origin(TXT, url=value), "C29")
        for value in values(None, 3, {}, [3], [None], [["https://example.org"]])
    ),
    odd("no URL of a harvested file", lacking(TXT, "origin", "url"), "C29"),
    fine("two URLs", origin(TXT, url=[f"{AT}/b.txt", "root://eospublic.cern.ch//eos/b.txt"])),
    fine("a SIP of somebody's own folder", local),
    *(
        wrong(f"a URL with {what}", origin(PDF, url=url), "C30", secret=secret)
        for what, url, secret in (
            ("user and password", "https://ada:hunter2@example.org/a.pdf", "hunter2"),
            ("a user", f"https://{TOKEN}@example.org/a.pdf", TOKEN),
            ("an access token", f"{AT}/a.pdf?access_token={TOKEN}", TOKEN),
            ("a token", f"{AT}/a.pdf?download=1&token={TOKEN}", TOKEN),
            ("a private token", f"{AT}/a.pdf?private_token={TOKEN}", TOKEN),
            (
                "a signature",
                f"{AT}/a.pdf?X-Amz-Date=1&X-Amz-Signature=0a1b2c3d4e5f",
                "0a1b2c3d4e5f",
            ),
        )
    ),
    wrong(
        "two URLs, the second with a password",
        origin(PDF, url=[f"{AT}/a.pdf", "https://ada:hunter2@example.org/"]),
        "C30",
        secret="hunter2",
    ),
    wrong(
        "a password in the address of the metadata",
        top(metadataFile_upstream="https://ada:hunter2@example.org/1.xml"),
        "C30",
        secret="hunter2",
    ),
    fine(
        "an @ and a tokens parameter in a URL", origin(PDF, url=f"{AT}/@ada/a.pdf?tokens=5&v=1@2")
    ),
    odd("no file is marked as metadata", of(XML, metadata=False), "C31"),
    fine(
        "the metadata file beside sip.json",
        then(
            rename(XML, "data/meta/metadata-cds-1.xml"),
            relist,
            of(XML, bagpath="data/meta/metadata-cds-1.xml"),
        ),
    ),
    odd(
        "a checksum of sip.json in sip.json",
        of(SIP_JSON, checksum=["md5:" + "0" * 32]),
        "C54",
    ),
    odd(
        "another record in the metadata",
        contents(XML, CONTENT[XML].replace(b">1<", b">2<")),
        "C60",
    ),
    odd(
        "another record in metadata.json",
        then(
            gone(XML),
            unlisted(XML),
            file("data/content/metadata.json", b'{"id": "2", "metadata": {}}', metadata=True),
            top(source="zenodo"),
            params(source="zenodo"),
        ),
        "C60",
    ),
    fine(
        "the same record in metadata.json",
        then(
            gone(XML),
            unlisted(XML),
            file("data/content/metadata.json", b'{"id": 1, "metadata": {}}', metadata=True),
            top(source="zenodo"),
            params(source="zenodo"),
        ),
    ),
)

BAG = (
    wrong("no data/content", no_content, "C37", "data/content"),
    odd(
        "an empty data/content",
        then(no_content, lambda made: (made / "data/content").mkdir()),
        "C37",
        also="C31",
    ),
    odd("a file right in data/", file("data/readme.txt"), "C38", "data/readme.txt"),
    odd("a third folder in data/", file("data/other/x.txt"), "C38"),
    odd("a bag of 1.0", declare("1.0"), "C39", "bagit.txt"),
    odd("a bag of 0.96", declare("0.96"), "C39", "bagit.txt"),
    wrong("no bag-info.txt", remove("bag-info.txt"), "C40", also="I01"),
    wrong(
        "no Payload-Oxum",
        write("bag-info.txt", "Bagging-Date: 2021-10-26\n"),
        "C40",
        "bag-info.txt",
    ),
    odd("no md5 manifest", fewer("sha512"), "C41"),
    odd("only md5", fewer("md5"), "C42"),
    odd("only md5 and sha1", fewer("md5", "sha1"), "C42"),
    odd("a SIP as its forerunner wrote it", as_the_forerunner, "C42", sealed=False),
    odd(
        "a %0A in a name",
        file("data/content/a%0Ab.txt"),
        "C43",
        also="M30 M31",
    ),
    odd("a name that ends in a space", file("data/content/c "), "C43", also="M34 N03 C58"),
    odd("a name that begins with a space", file("data/content/ c"), "M34", also="C43"),
    lightwrong("a light SIP without fetch.txt", remove("fetch.txt"), "C44", also="C20 M01 F15 I05"),
    # What it should be after completing: step 0 of the audit is never rewritten.
    _sips("valid", "information", "a light SIP that was completed", populated, "C45", light=True),
    lightodd("a full SIP with a file to be fetched", params(dry_run=False), "C46"),
    odd(
        "fetch.txt lists a downloaded file",
        write("fetch.txt", f"{AT}/a.pdf {len(CONTENT[PDF])} {PDF}\n"),
        "C47",
    ),
    lightodd(
        "Payload-Oxum of a light SIP counts what is here",
        counts_present,
        "C48",
        "bag-info.txt:2",
        sealed=False,
    ),
    wrong(
        "a password in .git/config",
        file(GIT, CONFIG.format(f"oauth2:{TOKEN}@").encode()),
        "C49",
        secret=TOKEN,
    ),
    fine("a .git/config without a password", file(GIT, CONFIG.format("").encode())),
    wrong("a private key", file("data/content/id_rsa", KEY.encode()), "C49"),
    wrong(
        "a file of cookies",
        file("data/content/cookies.txt", COOKIES.format("0a1b2c3d4e5f").encode()),
        "C49",
        secret="0a1b2c3d4e5f",
    ),
    wrong(
        "a link to a file in the SIP",
        then(
            link("data/content/l.pdf", "a.pdf"),
            relist,
            listed(entry_of("data/content/l.pdf", CONTENT[PDF])),
        ),
        "C50",
        "data/content/l.pdf",
        also="C18 I05 M01 S16",
    ),
    wrong(
        "a link to nothing",
        link("data/content/l.pdf", "none"),
        "C50",
        "data/content/l.pdf",
        also="S18 C22 M02",
    ),
    wrong(
        "a FIFO",
        special("data/content/pipe"),
        "C50",
        "data/content/pipe",
        also="S15 C22 M02",
        special=True,
    ),
    odd("a saved error page", contents(PDF, HTML), "C51", PDF),
    odd(
        "a saved answer in JSON",
        contents(PDF, b'{"status": 403, "message": "Permission denied."}'),
        "C51",
        PDF,
    ),
    odd(
        "an error page as a picture", file("data/content/x.png", HTML), "C51", "data/content/x.png"
    ),
    fine(
        "pages and JSON under their names",
        then(file("data/content/x.html", HTML), file("data/content/y.json", b"{}")),
    ),
    odd(
        "gzip data under another name", contents(TXT, gzip.compress(b"beta\n", mtime=0)), "C52", TXT
    ),
    fine(
        "gzip data under its name",
        then(
            file("data/content/x.txt.gz", gzip.compress(b"x", mtime=0)),
            file("data/content/x.tgz", gzip.compress(b"y", mtime=0)),
        ),
    ),
    fine("a name that Archivematica changes", file("data/content/\u00e9 1.txt"), "C57"),
    odd(
        "names that become one in Archivematica",
        then(file("data/content/\u00e9.txt"), file("data/content/e.txt")),
        "C58",
    ),
    odd(
        "names with a space and an underscore",
        then(file("data/content/c d.txt"), file("data/content/c_d.txt")),
        "C58",
    ),
    odd(
        "names that differ only in case",
        file("data/content/A.pdf", CONTENT[PDF]),
        "C58|N08",
        also="C58 N08 M29",
    ),
    wrong("another byte", write(TXT, b"betA\n"), "M03", also="C25", sealed=False),
    wrong(
        "a wrong Payload-Oxum",
        then(edit("bag-info.txt", "Oxum: ", "Oxum: 1"), seal),
        "I05",
        sealed=False,
    ),
)


def packed(flat: bool) -> Callable[[Path], Path]:
    """The maker of a good SIP as a zip file, with its folder or without."""

    def make(folder: Path) -> Path:
        made = good_sip(folder)
        entries = members(made)
        if flat:
            entries = [
                replace(one, name=one.name.removeprefix(f"{made.name}/")) for one in entries[1:]
            ]
        shutil.rmtree(made)
        return put(folder, f"{made.name}.zip", zipped(entries))

    return make


PACKED = (
    [
        # bagit.md has an error Z01 for such a bag; a SIP is what CERN's own upload wants so.
        Case(
            "SIP: a zip file without the folder",
            packed(flat=True),
            "valid",
            ("C56",),
            "warning",
            also=("Z01", "Z02", "C12"),
            clean=True,
        ),
        Case("SIP: a zip file", packed(flat=False), "valid", clean=True),
    ],
)

SIPS: tuple[Case, ...] = tuple(chain.from_iterable(chain(JSON, AUDIT, HEAD, ENTRIES, BAG, PACKED)))
"""Validated as SIPs, without ``--bag``."""


def twins(folder: Path, change: Damage) -> tuple[Path, Path]:
    """Two packages of one name in two folders, and what is done to the second."""
    for name in ("one", "two"):
        (folder / name).mkdir()
    return sip(nothing)(folder / "one"), sip(change)(folder / "two")


def nothing(made: Path) -> None:
    """Leave it as it is."""
