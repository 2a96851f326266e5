"""How a plan is told to people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..console import size_text
from ..log import readable, visible
from .words import count, time

if TYPE_CHECKING:
    from ..planning import Named, Plan, Range


def text(made: Plan) -> str:
    """Everything that a plan tells, a fact a line."""
    return "\n".join(visible(readable(line)) for line in _lines(made))


def _lines(made: Plan) -> Iterator[str]:
    yield from _head(made)
    if made.earlier:
        yield "earlier packages: not looked at; this is what it takes at most, if all has changed"
    if made.makeable:
        yield from _numbers(made)
    yield from _requests(made)
    yield from _time(made)
    yield from _disk(made)
    if made.estimate is not None:
        yield from _estimate(made.estimate)
    yield from _credentials(made)
    for kind, found in made.failures.items():
        yield from _named(f"cannot be packaged, {kind}", found, "{message} {where}")
    yield from _named("another id or address upstream", made.moved, "asked for as {requested}")
    yield from _named("names that change", made.renamed, "'{from}' -> '{to}'")
    yield from _named("files without a checksum", made.without_checksum, "{path}")
    yield from _named("files that the server refuses", made.missing, "{name}")
    yield from _named("left out", made.skipped, "{name}: {reason}")
    yield from _named("warnings", made.warnings, "{text}")


def _head(made: Plan) -> Iterator[str]:
    if made.listed == 1:
        [one] = made.records
        state = "can be packaged" if made.makeable else "cannot be packaged"
        yield f"record: {one.source} {one.recid} {state}"
        return
    told = [count(made.listed, "record")]
    if made.is_sample:
        told.append(f"a sample of {made.planned:,} asked for")
    told.append(f"{made.makeable:,} can be packaged, {made.planned - made.makeable:,} cannot")
    if made.repeated:
        told.append(f"{made.repeated:,} repeated lines left out")
    if made.deleted:
        told.append(f"{made.deleted:,} deleted records left out")
    yield "records: " + "; ".join(told)


def _numbers(made: Plan) -> Iterator[str]:
    of_these = "of the sample, " if made.is_sample else ""
    told = [f"{of_these}{count(made.files, 'file')}, {size_text(made.bytes)}"]
    if made.unknown_sizes:
        told[0] += " known"
        told.append(f"the size of {count(made.unknown_sizes, 'file')} is not known")
    if made.made:
        told.append(f"{made.made:,} of them made here, of clones and exports")
    if made.read:
        told.append(f"{size_text(made.read)} to be read for checksums")
    yield "files: " + "; ".join(told)


def _requests(made: Plan) -> Iterator[str]:
    found = made.requests
    yield (
        f"requests: {found.total:,} ({found.metadata:,} for metadata, {found.files:,} for files);"
        " a redirect of a file, a retry and a part after a break are one more each"
        + ("; those of git and of exports are not counted" if made.made else "")
    )
    if len(found.servers) > 1:
        for server, number in sorted(found.servers.items(), key=lambda one: -one[1])[:20]:
            yield f"  {server}: {number:,}"


def _time(made: Plan) -> Iterator[str]:
    whole = " for the whole list" if made.is_sample else ""
    if made.seconds is None:
        yield "time: nobody is asked"
    elif made.decided_by == "limits":
        yield f"time: {time(made.seconds)}{whole} at the limits that the servers tell"
    else:
        why = "the limits allow more" if made.limits else "no server told a limit"
        yield (
            f"time: {time(made.seconds)}{whole} for the requests, at {made.answer or 0:.3f} s an"
            f" answer with {count(made.workers, 'record')} at once ({why})"
        )
    for one in made.limits:
        told = "" if one.told else " (the window is taken to be that)"
        told = " (known to go with what it tells)" if one.known else told
        yield f"  {one.server} allows {count(one.requests, 'request')} in {one.window:g} s{told}"
    if made.transfer is not None and made.rate is not None:
        yield f"transfer: {time(made.transfer)}{whole} at {size_text(round(made.rate))} a second"


def _disk(made: Plan) -> Iterator[str]:
    room = made.room
    if room.fault:
        yield f"disk: {room.fault}"
        return
    state = {True: "enough", False: "not enough", None: "whether that is enough is not known"}
    of_these = "for the sample, " if made.is_sample else ""
    known = " for what is known" if made.unknown_sizes else ""
    yield (
        f"disk: {of_these}{size_text(made.disk.needed)} needed{known},"
        f" {size_text(made.disk.package)} in the end, {made.disk.entries:,} files and folders;"
        f" {size_text(room.free)} free at {room.place}: {state[room.enough]}"
    )


def _estimate(estimate: Mapping[str, Range]) -> Iterator[str]:
    yield "the whole list, reckoned from the sample (95 %, if its records are much alike):"
    what = {"records": "records that can be packaged", "disk": "disk in the end"}
    for name, one in estimate.items():
        shown = size_text if name in ("bytes", "disk") else "{:,}".format
        told = f"{shown(one.value)} ({shown(one.low)} to {shown(one.high)})"
        yield f"  {what.get(name, name)}: {told}"


def _credentials(made: Plan) -> Iterator[str]:
    for one in made.credentials:
        if one.refused and one.given:
            state = f"was given, and {count(one.refused, 'record')} refused with it"
        elif one.refused:
            way = one.variables[0] if one.variables else "--token-file"
            state = f"missing for {count(one.refused, 'record')}; give it in {way} ({one.help})"
        else:
            state = "given" if one.given else "none given, none needed"
        yield f"credential: {one.source}: {one.kind}: {state}"


def _named(what: str, found: Named, form: str) -> Iterator[str]:
    if not found.count:
        return
    yield f"{what}: {found.count:,}"
    for row in found.first:
        facts: dict[str, Any] = dict(row)
        yield f"  {facts['source']} {facts['recid']}: {form.format_map(facts).strip()}"
    if found.count > len(found.first):
        yield f"  and {found.count - len(found.first):,} more (--each names all)"
