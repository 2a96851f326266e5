"""A report as a page: readable by anybody, and harmless whatever the bag is called."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bagit_create.report import FileType, Finding, Report
from bagit_create.validation.catalogue import advice, title
from bagit_create.validation.findings import OF_A_KIND, Findings
from bagit_create.validation.html import SHOWN, TYPES, page

#: What a bag may be called, or say, to break out of the page or deceive its reader.
HOSTILE = [
    "<script>alert(1)</script>",
    "</code></td></table><img src=x onerror=alert(1)>",
    '"\' onmouseover="alert(1)',
    "a\nb\r\tc",
    "gpj.\u202eexe",
    "\x1b[2J\x00\udcff\ud800",
    "&lt;b&gt; &#x3c;",
    "--><!-- ]]>",
    "{url(https://evil.example)}",
]
VOID = {"meta", "img", "br", "link", "input"}


class Tree(HTMLParser):
    """What a browser makes of the page: elements with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert [] == self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def count(self, tag: str) -> int:
        return sum(one == tag for one, _ in self.elements)


def report(verdict: str = "invalid", /, **more: Any) -> Report:
    return Report(Path("/in/x"), verdict, **more)


def faults(count: int) -> tuple[Finding, ...]:
    found = Findings()
    for number in range(count):
        found.error("M03", ("manifest-md5.txt", number + 1), f"data/{number}", expected="a")
    return found.all()


@pytest.mark.parametrize("evil", HOSTILE)
def test_nothing_from_a_bag_becomes_markup(evil: str) -> None:
    """Every value of a report, with the same elements as a harmless one has."""

    def made(text: str) -> Tree:
        finding = Finding("M03", "error", text, text, None, text, text, text, text)
        other = Finding(text, "warning", text, text)
        return Tree(
            page(
                [
                    Report(
                        Path("/" + text.replace("/", "|").replace("\0", "")),
                        "invalid",
                        (finding, other),
                        mode=text,
                        version=text,
                        algorithms=(text,),
                        types=(FileType(text, 1, 1),),
                        opinion=text,
                        profile=text,
                    )
                ],
                made_by=text,
            )
        )

    assert made("harmless").elements == made(evil).elements


@pytest.mark.parametrize("evil", HOSTILE)
def test_the_page_can_be_stored_and_read(evil: str) -> None:
    """As UTF-8, and without a character that is invisible or turns the text round."""
    text = page([report(findings=(Finding("M03", "error", evil, evil),), opinion=evil)])

    assert text.encode("utf-8")
    assert all(char.isprintable() or char == "\n" for char in text)


def test_the_page_stands_alone() -> None:
    """No script, nothing from elsewhere, and a policy that forbids both."""
    tree = Tree(page([report(), report("valid")]))
    [policy] = [
        attributes["content"]
        for tag, attributes in tree.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]

    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(tag for tag, _ in tree.elements)
    assert all(str(one.get("href", "#")).startswith("#") for _, one in tree.elements)
    assert policy is not None and policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert "url(" not in page([report()]) and "@import" not in page([report()])


@pytest.mark.parametrize(
    "verdict, mode, words",
    [
        ("valid", "full", "Sound Everything that the package lists is here, and nothing was"),
        ("valid", "fast", "contents of the files were not read, so it is not known"),
        ("incomplete", "full", "Not complete yet What is here is sound"),
        ("invalid", "fast", "Not sound Something is missing, damaged, or against the rules"),
    ],
)
def test_the_verdict_is_told_in_words(verdict: str, mode: str, words: str) -> None:
    """And a check that read nothing does not claim that nothing was changed."""
    assert words in Tree(page([report(verdict, mode=mode)])).text


def test_when_and_how_it_was_checked_is_told() -> None:
    """In universal time."""
    text = Tree(page([report(checked=1635233733, seconds=83.2)])).text

    assert "When 2021-10-26 at 07:35 UTC, in 83.2 seconds" in text
    assert "How In full: every file was read" in text


def test_totals_are_told() -> None:
    """What is here, and what is still to be fetched."""
    text = Tree(
        page([report(files=1572, bytes=10_324_040_900, to_fetch_files=2, to_fetch_bytes=None)])
    ).text

    assert "Files here 1,572 (10.3 GB) Still to fetch 2 (some of unknown size)" in text


def test_file_types_are_told_with_their_share() -> None:
    """The large ones one by one, the others together."""
    types = [FileType(".pdf", 3, 750), FileType("", 1, 250)]
    text = Tree(page([report(types=(*types, *[FileType(".x", 1, 0)] * TYPES))])).text

    assert ".pdf 3 750 bytes 75.0 % no suffix 1 250 bytes 25.0 %" in text
    assert "2 other kinds 2 0 bytes 0.0 %" in text


def test_a_finding_is_told_with_title_advice_and_place() -> None:
    """And with what differs."""
    found = Findings()
    found.error(
        "C26", ("data/meta/sip.json", "/contentFiles/1/size"), "odd", expected="7", found="8"
    )
    found.error("M03", ("manifest-md5.txt", 7), "data/a.txt differs")
    text = Tree(page([report(findings=found.all(), counts=found.counts)])).text

    assert f"Faults: 2 Each of these makes the package unsound. {title('C26')} C26, 1 place" in text
    assert f"What to do: {advice('C26')}" in text
    assert "data/meta/sip.json at /contentFiles/1/size odd 7 8" in text
    assert "manifest-md5.txt line 7 data/a.txt differs" in text


def test_findings_are_sorted_by_weight() -> None:
    """Faults, then warnings, then remarks, whatever was found first."""
    found = Findings()
    found.information("T10", "", "1")
    found.warning("M35", "", "2")
    found.error("S02", "", "3")
    text = Tree(page([report(findings=found.all())])).text

    assert text.index("Faults: 1") < text.index("Warnings: 1") < text.index("Remarks: 1")


def test_many_findings_of_a_kind_unfold() -> None:
    """The first ones are there at once."""
    tree = Tree(page([report(findings=faults(OF_A_KIND))]))

    assert f"Show {OF_A_KIND - SHOWN} more" in tree.text
    assert 2 == tree.count("details") == tree.count("summary")


def test_more_findings_than_are_kept_are_counted() -> None:
    """The count is the real one."""
    tree = Tree(page([report(findings=faults(OF_A_KIND + 234))]))

    assert f"M03, {OF_A_KIND + 234:,} places" in tree.text
    assert "234 more of this kind are not listed here." in tree.text


def test_a_page_of_a_thousand_findings_is_small() -> None:
    """It can be mailed."""
    assert len(page([report(findings=faults(OF_A_KIND))])) < 300_000


def test_a_name_of_a_megabyte_is_cut() -> None:
    """A thousand of them would make a page that no browser opens."""
    assert len(page([report(findings=(Finding("M03", "error", "x" * 10**6, "y"),))])) < 20_000


def test_several_packages_have_a_table_with_links() -> None:
    """Each link leads to a section of the page."""
    tree = Tree(page([report("valid"), report("valid"), report("incomplete")]))
    links = [str(one["href"])[1:] for tag, one in tree.elements if tag == "a"]

    assert "Check of 3 packages 2 sound, 1 not complete yet." in tree.text
    assert links == [one["id"] for tag, one in tree.elements if tag == "section"]


def test_headings_skip_no_level() -> None:
    """So that a screen reader can walk them."""
    for reports in ([report(findings=faults(1))], [report(findings=faults(1)), report("valid")]):
        levels = [
            int(tag[1]) for tag, _ in Tree(page(reports)).elements if tag in ("h1", "h2", "h3")
        ]

        assert 1 == levels[0] and 1 == levels.count(1)
        assert all(after - before <= 1 for before, after in zip(levels, levels[1:]))


def test_the_words_are_explained() -> None:
    """At the end, for who does not know them."""
    text = Tree(page([report()])).text.rpartition("Words used here")[2]

    assert all(
        word in text for word in ("Bag", "Payload", "Manifest", "Checksum", "fetch.txt", "SIP")
    )
