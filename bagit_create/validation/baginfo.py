"""bag-info.txt: its elements, and Payload-Oxum against what is here (RFC 8493 section 2.2.2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import NamedTuple

from .container import Container
from .declaration import Declaration
from .findings import Findings
from .lines import lines

MAX_BYTES = 16 * 1024 * 1024
_ONCE = ("bagging-date", "bag-size", "bag-group-identifier", "bag-count")
_RESERVED = {
    one.lower(): one
    for one in (
        "Source-Organization Organization-Address Contact-Name Contact-Phone Contact-Email"
        " External-Description Bagging-Date External-Identifier Bag-Size Payload-Oxum"
        " Bag-Group-Identifier Bag-Count Internal-Sender-Identifier Internal-Sender-Description"
        " Bag-Software-Agent BagIt-Profile-Identifier"
    ).split()
}
_UNITS = {"b": 0, "kb": 1, "mb": 2, "gb": 3, "tb": 4, "pb": 5}


class Element(NamedTuple):
    """A label and its value, white space around them and line folds undone."""

    label: str
    value: str
    line: int


class Payload(NamedTuple):
    """The sizes that Payload-Oxum may speak of, in bytes and files.

    ``whole`` counts what fetch.txt promises too; None if one of its sizes is unknown.
    ``lost_junk`` tells how many files of operating systems are listed and missing.
    """

    here: tuple[int, int]
    whole: tuple[int, int] | None
    is_light: bool
    lost_junk: Callable[[], int]


def read_elements(
    container: Container, name: str, size: int, told: Declaration, found: Findings
) -> list[Element]:
    """Read bag-info.txt, or package-info.txt of the oldest bags, and judge its form.

    :param size: of it in bytes.
    :raises OSError: if it cannot be read.
    """
    if size > MAX_BYTES:
        found.error("I02", name, f"{size} bytes: too large to be what it should be")
        return []
    elements: list[Element] = []
    long: list[int] = []
    for number, text in lines(container, name, told.encoding, found, "I13"):
        where = (name, number)
        if number == 1 and text.startswith("\ufeff"):
            found.error("I13", where, "starts with a byte-order mark, which is forbidden")
            text = text[1:]
        if len(text) > 79:
            long.append(number)
        if text[:1] in (" ", "\t"):
            if ":" in text and not elements and not told.strict:
                text = text.lstrip(" \t")  # the drafts let white space stand before a label
                found.information("I10", where, "white space before the label")
            elif not elements:
                found.error("I03", where, "continuation without a label")
                continue
            else:
                if text.strip(" \t"):
                    label, value, line = elements[-1]
                    more = text.strip(" \t")
                    elements[-1] = Element(label, f"{value} {more}".strip(), line)
                continue
        if not text:
            continue
        label, colon, value = text.partition(":")
        if not colon:
            found.error("I02", where, f'"{text[:80]}" has no colon')
            continue
        _judge_spaces(label, value, where, told, found)
        elements.append(Element(label.strip(" \t"), value.strip(" \t"), number))
    if long:
        text = f"{len(long)} lines are longer than 79 characters, the first here"
        found.information("I14", (name, long[0]), text)
    for element in elements:
        if not element.value:
            found.information("I12", (name, element.line), f"{element.label} is empty")
    return elements


def _judge_spaces(
    label: str, value: str, where: tuple[str, int], told: Declaration, found: Findings
) -> None:
    if label != label.strip(" \t") or not label:
        level = found.error if told.strict else found.information
        level("I10", where, f'white space around the label "{label[:80]}"')
    blanks = len(value) - len(value.lstrip(" \t"))
    if blanks != 1 and value.strip(" \t"):
        strict = found.warning if blanks else found.error
        level = strict if told.strict else found.information
        level("I11", where, "one blank was due after the colon", found=str(blanks))
    elif not blanks:
        level = found.error if told.strict else found.information
        level("I11", where, "one blank was due after the colon", found="0")


def judge(
    name: str,
    elements: list[Element],
    payload: Payload,
    told: Declaration,
    found: Findings,
    *,
    sip: bool,
) -> tuple[int, int] | None:
    """Judge what the elements say.

    :returns: the Payload-Oxum that was read: bytes and files.
    """
    oxum: tuple[int, int] | None = None
    first: dict[str, int] = {}
    for label, value, line in elements:
        where = (name, line)
        key = label.lower()
        if key in _RESERVED and label != _RESERVED[key]:
            found.information("I16", where, f'read "{label}" as {_RESERVED[key]}')
        if key in _ONCE and key in first:
            found.warning("I07", where, f"{label} already given on line {first[key]}")
        if key == "payload-oxum":
            if key in first:
                level = found.error if told.strict else found.warning
                level("I06", where, f"{label} already given on line {first[key]}")
            oxum = _oxum(value, where, payload, found, sip) or oxum
        elif key == "bagging-date":
            _judge_date(value, where, found)
        elif key == "bag-count":
            _judge_count(value, where, found)
        elif key == "bag-size":
            _judge_size(value, where, payload, found)
        first.setdefault(key, line)
    if "bag-count" in first and "bag-group-identifier" not in first:
        found.information(
            "I17", (name, first["bag-count"]), "Bag-Count without Bag-Group-Identifier"
        )
    return oxum


def _oxum(
    value: str, where: tuple[str, int], payload: Payload, found: Findings, sip: bool
) -> tuple[int, int] | None:
    """Of a light bag it counts the complete payload, if all sizes are known."""
    match = re.fullmatch(r"([0-9]{1,20})\.([0-9]{1,20})", value)
    if match is None:
        text = f'Payload-Oxum "{value[:40]}" is not OCTETS.FILES'
        found.error("I04", where, text, expected="bytes.files", found=value)
        return None
    oxum = int(match[1]), int(match[2])
    here, whole = payload.here, payload.whole
    if not payload.is_light:
        if oxum != here:
            text = f"Payload-Oxum says {_words(oxum)}, found {_words(here)}"
            expected = f"{oxum[0]}.{oxum[1]}"
            lost = oxum[1] - here[1]
            only_junk = lost > 0 and oxum[0] >= here[0] and lost == payload.lost_junk()
            level = found.warning if only_junk else found.error
            level("I05", where, text, expected=expected, found=f"{here[0]}.{here[1]}")
    elif whole is not None and oxum not in (here, whole):
        text = f"Payload-Oxum says {_words(oxum)}, the complete payload is {_words(whole)}"
        found.error("I05", where, text)
    elif whole is not None and oxum == here:
        text = f"Payload-Oxum counts the files present; the complete payload is {_words(whole)}"
        expected = f"{whole[0]}.{whole[1]}"
        if sip:
            found.warning("C48", where, text, expected=expected, found=value)
        else:
            found.information("I05", where, text, expected=expected, found=value)
    return oxum


def _words(oxum: tuple[int, int]) -> str:
    return f"{oxum[0]} bytes in {oxum[1]} files"


def _judge_date(value: str, where: tuple[str, int], found: Findings) -> None:
    try:
        day = date.fromisoformat(value)
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            raise ValueError
    except ValueError:
        found.warning("I08", where, f'"{value[:40]}" is not a date', expected="YYYY-MM-DD")
        return
    if day > date.today() + timedelta(days=1):  # it is tomorrow already in the east
        found.warning("I08", where, f"{value} is in the future")


def _judge_count(value: str, where: tuple[str, int], found: Findings) -> None:
    match = re.fullmatch(r"([0-9]{1,18}) of ([0-9]{1,18}|\?)", value)
    number, total = (match[1], match[2]) if match else ("0", "0")
    if int(number) < 1 or (total != "?" and int(number) > int(total)):
        found.warning("I09", where, f'"{value[:40]}" is not N of T', expected="N of T")


def _judge_size(value: str, where: tuple[str, int], payload: Payload, found: Findings) -> None:
    """It is said for people, so half or double is near enough; both kinds of kilo are in use."""
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([KMGTPkmgtp]?i?)[Bb]?(?:ytes)?", value)
    size = (payload.whole or payload.here)[0]
    if match is None or not size:
        return
    told = float(match[1]) * 1000 ** _UNITS[f"{match[2].lower().rstrip('i')}b"]
    if not size / 2 <= told <= size * 2 and abs(told - size) > 100_000:
        found.information("I15", where, f"Bag-Size says {value}, the payload has {size} bytes")
