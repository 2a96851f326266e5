"""How the page of a report looks: on a screen, in the dark, and on paper."""

CSS = """\
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
.level { margin: 2rem 0 0; font-size: 1.15rem; }
.meaning { margin: 0 0 .75rem; color: var(--soft); }
a { color: var(--note); }
/* Names may be long, and may be written from right to left. */
code { font: .9em/1.4 ui-monospace, monospace; overflow-wrap: anywhere; unicode-bidi: isolate; }
section { border-top: 1px solid var(--line); margin-top: 2rem; }
h1 + section { border-top: 0; margin-top: 0; }
.badge { font-weight: 700; white-space: nowrap; }
.valid { color: var(--good); }
.incomplete, .level.warning { color: var(--wait); }
.invalid, .level.error { color: var(--bad); }
.level.information { color: var(--note); }
p.verdict { padding: .75rem 1rem; background: var(--shade); color: inherit;
  border-left: .4rem solid; font-size: 1.1rem; }
p.verdict.valid { border-color: var(--good); }
p.verdict.incomplete { border-color: var(--wait); }
p.verdict.invalid { border-color: var(--bad); }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
table { width: 100%; margin: .75rem 0; border-collapse: collapse; }
caption { padding: .25rem 0; text-align: left; font-weight: 700; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; font-weight: 400; overflow-wrap: anywhere; }
thead th { color: var(--soft); font-size: .85rem; }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
table.types { max-width: 46rem; }
.share { width: 45%; white-space: nowrap; }
.bar { display: inline-block; height: .8em; min-width: 1px; background: var(--bar);
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
details.kind { margin: .75rem 0; padding: .5rem 1rem; border: 1px solid var(--line);
  border-left: .25rem solid var(--note); border-radius: .25rem; }
details.kind.error { border-left-color: var(--bad); }
details.kind.warning { border-left-color: var(--wait); }
summary { cursor: pointer; }
details.kind > summary { font-weight: 600; }
.id { color: var(--soft); font-size: .85rem; font-weight: 400; white-space: nowrap; }
table.findings { table-layout: fixed; font-size: .92rem; }
table.findings th:first-child { width: 28%; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); color: var(--soft);
  font-size: .92rem; }
footer dt { margin-top: .5rem; color: var(--text); font-weight: 600; }
@media (max-width: 40rem) {
  dl.facts { grid-template-columns: 1fr; gap: 0; }
  dl.facts dd { margin-bottom: .5rem; }
  table.summary { display: block; overflow-x: auto; }
  table.summary th:first-child { min-width: 12rem; }
  .share { width: 30%; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  tr, summary, p.verdict { break-inside: avoid; }
  h2, h3, summary { break-after: avoid; }
}
"""
