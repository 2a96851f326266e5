"""A page for people: one HTML file that needs no script and nothing from elsewhere.

So it can be mailed and archived. All that comes from outside is made visible and escaped; a
Content-Security-Policy forbids what slips by. How it looks: on a screen, in the dark, on paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from .log import visible

LONGEST = 1000
"""Characters of one text from outside: a name of a megabyte must not make a page of gigabytes."""

STYLE = """\
:root { color-scheme: light dark;
  --page: #fff; --text: #1c2024; --soft: #596069; --line: #d5dae0; --shade: #f4f6f8;
  --good: #14693a; --wait: #8a5200; --bad: #b3201b; --note: #1f5fa8; --bar: #6b93c4; }
@media screen and (prefers-color-scheme: dark) { :root {
  --page: #16191d; --text: #e6e9ec; --soft: #a3abb4; --line: #3a4149; --shade: #20252b;
  --good: #6fd19a; --wait: #f0b45c; --bad: #ff8f87; --note: #86b8f2; --bar: #4d78ad; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 72rem; background: var(--page);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { margin-top: 2.5rem; font-size: 1.3rem; }
a { color: var(--note); }
/* Names may be long, and may be written from right to left. */
code { font: .9em/1.4 ui-monospace, monospace; overflow-wrap: anywhere; unicode-bidi: isolate; }
section { border-top: 1px solid var(--line); margin-top: 2rem; }
h1 + section { border-top: 0; margin-top: 0; }
p.verdict { padding: .75rem 1rem; background: var(--shade); color: inherit;
  border-left: .4rem solid; font-size: 1.1rem; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
table { width: 100%; margin: .75rem 0; border-collapse: collapse; }
caption { padding: .25rem 0; text-align: left; font-weight: 700; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; font-weight: 400; overflow-wrap: anywhere; }
thead th { color: var(--soft); font-size: .85rem; }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
details.kind { margin: .75rem 0; padding: .5rem 1rem; border: 1px solid var(--line);
  border-left: .25rem solid var(--note); border-radius: .25rem; }
details.kind.error { border-left-color: var(--bad); }
details.kind.warning { border-left-color: var(--wait); }
summary { cursor: pointer; }
details.kind > summary { font-weight: 600; }
.id { color: var(--soft); font-size: .85rem; font-weight: 400; white-space: nowrap; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); color: var(--soft);
  font-size: .92rem; }
@media (max-width: 40rem) {
  dl.facts { grid-template-columns: 1fr; gap: 0; }
  dl.facts dd { margin-bottom: .5rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  tr, summary, p.verdict { break-inside: avoid; }
  h2, h3, summary { break-after: avoid; }
}
"""


def document(
    title: str, heading: str, style: str, main: Iterable[str], footer: Iterable[str]
) -> Iterator[str]:
    """A whole document, piece by piece; write it as UTF-8.

    :param title: plain text, for the window.
    :param heading: markup, the title on the page.
    :param style: rules beside :data:`STYLE`.
    :param main: markup.
    :param footer: markup.
    """
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\';'
        " style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{text(title)}</title>\n<style>\n{STYLE}{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{heading}</h1>\n"
    )
    yield from main
    yield "</main>\n<footer>\n"
    yield from footer
    yield "</footer>\n</body>\n</html>\n"


def text(value: str) -> str:
    """Text from outside, harmless: nothing in it is markup, invisible, or endless."""
    cut = value if len(value) <= LONGEST else value[:LONGEST] + "…"
    return escape(visible(cut))


def code(value: str) -> str:
    """The same as a name or a command; nothing if it is empty."""
    return f"<code>{text(value)}</code>" if value else ""


def size(count: float) -> str:
    """Bytes for people, in powers of 1000."""
    if count < 1000:
        return f"{count:.0f} {'byte' if count == 1 else 'bytes'}"
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        count /= 1000
        if count < 999.95:
            break
    return f"{count:,.1f} {unit}"


def duration(seconds: float) -> str:
    """A span of time for people."""
    if seconds < 1:
        return "less than a second"
    if seconds < 120:
        return f"{seconds:.1f} seconds"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours" if seconds < 172800 else f"{seconds / 86400:.1f} days"
