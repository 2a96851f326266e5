"""How the page of a validation looks, beside what all pages share."""

STYLE = """\
.level { margin: 2rem 0 0; font-size: 1.15rem; }
.meaning { margin: 0 0 .75rem; color: var(--soft); }
.badge { font-weight: 700; white-space: nowrap; }
.valid { color: var(--good); }
.incomplete, .level.warning { color: var(--wait); }
.invalid, .level.error { color: var(--bad); }
.level.information { color: var(--note); }
p.verdict.valid { border-color: var(--good); }
p.verdict.incomplete { border-color: var(--wait); }
p.verdict.invalid { border-color: var(--bad); }
table.types { max-width: 46rem; }
.share { width: 45%; white-space: nowrap; }
.bar { display: inline-block; height: .8em; min-width: 1px; background: var(--bar);
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
table.findings { table-layout: fixed; font-size: .92rem; }
table.findings th:first-child { width: 28%; }
footer dt { margin-top: .5rem; color: var(--text); font-weight: 600; }
@media (max-width: 40rem) {
  table.summary { display: block; overflow-x: auto; }
  table.summary th:first-child { min-width: 12rem; }
  .share { width: 30%; }
}
"""
