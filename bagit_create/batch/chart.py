"""Bars over time, as SVG inside a page: no script, no colour without a word beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from ..page import text
from .figures import WIDTHS_S, Bucket

WIDTH, HEIGHT = 960, 220
LEFT, RIGHT, TOP, BOTTOM = 84, 8, 12, 26
WIDEST = 40.0
"""Of one bar."""
STYLE = """\
svg.chart { display: block; width: 100%; min-width: 34rem; height: auto; margin: .5rem 0; }
.scroll { overflow-x: auto; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .axis { fill: var(--soft); font: 13px system-ui, sans-serif; }
svg .made { fill: var(--bar); }
svg .failed { fill: var(--bad); }
svg .rest { fill: var(--line); }
svg .stripe { stroke: var(--page); stroke-width: 2; }
svg .end { text-anchor: end; }
svg .middle { text-anchor: middle; }
"""


def bars(
    name: str,
    title: str,
    buckets: Sequence[Bucket],
    layers: Sequence[tuple[str, Callable[[Bucket], float]]],
    told: Callable[[float], str],
) -> Iterator[str]:
    """A chart with a bar for each stretch of time.

    :param name: an id that no other element of the page has.
    :param title: what is shown, as plain text.
    :param buckets: of the same length, without a gap; at least one.
    :param layers: what is stacked in each bar, from below: a class of :data:`STYLE`, and its value.
    :param told: a value with its unit, for the axis.
    """
    sums = [sum(value(one) for _, value in layers) for one in buckets]
    step = _step(max(sums))
    top = step * math.ceil(max(sums) / step) or step
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    slot = min(wide / len(buckets), WIDEST)
    first, last = buckets[0].at, buckets[-1].at
    yield (
        f'<div class="scroll"><svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-labelledby="{name}-title {name}-desc">\n'
        f'<title id="{name}-title">{text(title)}</title>\n'
        f'<desc id="{name}-desc">From {_when(first)} to {_when(last)} UTC, at most '
        f"{text(told(max(sums)))}. The table below has the numbers.</desc>\n"
    )
    yield from stripes(name)
    for count in range(round(top / step) + 1):
        y = TOP + high - high * count * step / top
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="axis end" x="{LEFT - 8}" y="{y + 4:.1f}">'
        yield f"{text(told(count * step))}</text>\n"
    for place, one in enumerate(buckets):
        base = float(TOP + high)
        for kind, value in layers:
            tall = high * value(one) / top
            base -= tall
            if tall:
                area = (
                    f'x="{LEFT + place * slot:.1f}" y="{base:.1f}"'
                    f' width="{max(slot - 1, slot * 0.8):.1f}" height="{max(tall, 0.5):.1f}"'
                )
                yield f'<rect class="{kind}" {area}/>'
                if kind == "failed":
                    yield f'<rect fill="url(#{name}-stripes)" {area}/>'
    yield "\n"
    for x, when in _ticks(buckets, slot):
        yield f'<text class="axis middle" x="{x:.1f}" y="{HEIGHT - 6}">{when}</text>\n'
    yield "</svg></div>\n"


def stripes(name: str) -> Iterator[str]:
    """What tells failures from the rest where there are no colours."""
    yield (
        f'<defs><pattern id="{name}-stripes" width="5" height="5" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)"><line class="stripe" x1="0" y1="0" x2="0" y2="5"/>'
        "</pattern></defs>\n"
    )


def _step(highest: float) -> float:
    """A round number that goes three to seven times into what is shown."""
    if highest <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(highest / 3))
    return next(size * one for one in (1, 2, 5, 10) if highest / (size * one) <= 5)


def _ticks(buckets: Sequence[Bucket], slot: float) -> Iterator[tuple[float, str]]:
    """Where the time is written below the bars: at round times, the first ones of their bars."""
    first, last = buckets[0].at, buckets[-1].at
    width = buckets[1].at - first if len(buckets) > 1 else 1
    room = max(1, int(slot * len(buckets) // 130))
    steps = (
        *WIDTHS_S[:6],
        7200,
        14400,
        21600,
        43200,
        86400,
        172800,
        *WIDTHS_S[9:],
        4 * WIDTHS_S[-1],
    )
    step = next((one for one in steps if (last - first) / one <= room), steps[-1])
    form = "%Y-%m-%d" if step >= 86400 else "%m-%d %H:%M" if step >= 60 else "%H:%M:%S"
    if form == "%m-%d %H:%M" and last // 86400 == first // 86400:
        form = "%H:%M"
    for place, one in enumerate(buckets):
        if one.at % step < width and (place or one.at % step == 0) or len(buckets) == 1:
            x = LEFT + (place + 0.5) * slot
            yield max(x, LEFT + 20.0), f"{datetime.fromtimestamp(one.at, UTC):{form}}"


def _when(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"
