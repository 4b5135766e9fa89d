"""The report's pictures: bars in parts, columns, and the mix over the tokens against its target. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise

from services.cli.report.survey import Window
from services.mixer.picture import Line, Picture, Shape, Text, block
from services.mixer.plot import short

# Told apart by people who see few colours, too: Okabe and Ito, Color Universal Design (2008).
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#8C8C8C")
_WIDTH, _LEFT, _RIGHT = 760, 210, 690
_ROW, _BAR, _TOP = 24, 16, 34
_MOST_WINDOWS = 80  # in the picture of the mix
_MOST_SERIES = len(COLOURS) - 1
_REST = "others"


def bars(title: str, rows: Mapping[str, Mapping[str, int]], said: str = "") -> Picture:
    """A bar for each row, in parts by series; rows in their order, the most frequent series first.

    said: the series whose number stands beside the bar; without it the row's sum.
    """
    series = _series(rows.values())
    most = max([1, *(sum(row.values()) for row in rows.values())])
    shapes: list[Shape] = list(_legend(series)) if len(series) > 1 else []
    for number, (name, row) in enumerate(rows.items()):
        y, x = _TOP + number * _ROW, float(_LEFT)
        shapes.append(Text((_LEFT - 8, y + 13), _cut(name), "end"))
        for part, value in _folded(row, series).items():
            width = (_RIGHT - _LEFT) * value / most
            shapes.append(block(x, y, width, _BAR, _colour(series, part)))
            x += width
        shapes.append(Text((x + 6, y + 13), f"{row.get(said, 0) if said else sum(row.values()):,}"))
    return Picture(title, _WIDTH, _TOP + max(1, len(rows)) * _ROW + 6, shapes)


def columns(title: str, values: Mapping[str, int]) -> Picture:
    """A column for each value, in their order."""
    most, bottom, height = max([1, *values.values()]), 190, 150
    step = (_WIDTH - 40) / max(1, len(values))
    shapes: list[Shape] = [Line((20, bottom), (_WIDTH - 20, bottom))]
    for number, (name, value) in enumerate(values.items()):
        x, tall = 20 + number * step, height * value / most
        shapes.append(block(x + step * 0.1, bottom - tall, step * 0.8, tall, COLOURS[0]))
        shapes.append(Text((x + step / 2, bottom + 16), name, "middle", 11))
        shapes.append(Text((x + step / 2, bottom - tall - 4), f"{value:,}", "middle", 11))
    return Picture(title, _WIDTH, bottom + 26, shapes)


def mix(title: str, windows: Sequence[Window], targets: Mapping[str, Mapping[str, float]]) -> Picture:
    """Shares of the tokens as they lie in the parts, stacked; where a phase's target lies, a dashed line.

    targets: by phase and bucket, 0..1; a phase that is not in it has no lines.
    """
    some = _fewer(windows)
    buckets = _series(window.tokens for window in windows)
    total = max(1, sum(sum(window.tokens.values()) for window in some))
    left, right, top, bottom = 60, _WIDTH - 20, 44, 250
    shapes: list[Shape] = [*_legend(buckets)]
    for percent in (0, 25, 50, 75, 100):
        y = bottom - (bottom - top) * percent / 100
        shapes += [Line((left, y), (right, y), "faint"), Text((left - 8, y + 4), f"{percent} %", "end")]
    at = 0.0
    spans: list[tuple[str, float, float]] = []
    for window in some:
        whole, below = sum(window.tokens.values()), 0.0
        x = left + (right - left) * at / total
        wide = (right - left) * whole / total
        for bucket in buckets:
            share = _folded(window.tokens, buckets).get(bucket, 0) / max(1, whole)
            tall = (bottom - top) * share
            shapes.append(
                block(x, bottom - (bottom - top) * below - tall, wide, tall, _colour(buckets, bucket))
            )
            below += share
        spans.append((window.phase, x, x + wide))
        at += whole
    for phase, x1, x2 in _joined(spans):
        shapes += _target_lines(buckets, targets.get(phase, {}), (x1, x2), (top, bottom))
        shapes += [Line((x1, top), (x1, bottom + 18)), Text((x1 + 4, bottom + 16), phase)]
    shapes.append(Text((right, bottom + 34), f"{short(total)} tokens", "end"))
    return Picture(title, _WIDTH, bottom + 44, shapes)


def _target_lines(
    buckets: Sequence[str],
    shares: Mapping[str, float],
    span: tuple[float, float],
    height: tuple[float, float],
) -> Iterator[Shape]:
    below = 0.0
    for bucket in buckets[:-1] if shares else ():
        below += shares.get(bucket, 0.0)
        y = height[1] - (height[1] - height[0]) * below
        yield Line((span[0], y), (span[1], y), "ink", 1.5, 5)


def _joined(spans: Sequence[tuple[str, float, float]]) -> Iterator[tuple[str, float, float]]:
    """Stretches of one phase as one."""
    begins = [0, *(n for n, (a, b) in enumerate(pairwise(spans), 1) if a[0] != b[0]), len(spans)]
    for first, end in pairwise(begins):
        if end > first:
            yield spans[first][0], spans[first][1], spans[end - 1][2]


def _fewer(windows: Sequence[Window]) -> list[Window]:
    """Neighbours of one phase put together, so that a picture has columns that can be seen."""
    size = -(-len(windows) // _MOST_WINDOWS)
    found: list[Window] = []
    for _, some in groupby(windows, lambda window: window.phase):
        phase = list(some)
        for first in range(0, len(phase), size):
            tokens = sum((Counter(window.tokens) for window in phase[first : first + size]), Counter[str]())
            found.append(Window(phase[0].phase, tokens))
    return found


def _series(rows: Iterable[Mapping[str, int]]) -> list[str]:
    """The names in rows, the most frequent first; where there are too many to tell apart, the rest is one."""
    whole = sum((Counter(row) for row in rows), Counter[str]())
    names = [name for name, _ in whole.most_common()]
    return names if len(names) <= _MOST_SERIES else [*names[: _MOST_SERIES - 1], _REST]


def _folded(row: Mapping[str, int], series: Sequence[str]) -> dict[str, int]:
    """The row by these series; what is none of them is the rest."""
    found = {name: row.get(name, 0) for name in series if name != _REST}
    rest = sum(row.values()) - sum(found.values())
    return found | ({_REST: rest} if rest else {})


def _legend(series: Sequence[str]) -> Iterator[Shape]:
    x = 20.0
    for name in series:
        yield block(x, 6, 12, 12, _colour(series, name))
        yield Text((x + 17, 16), name, size=11)
        x += 36 + 6.4 * len(name)


def _colour(series: Sequence[str], name: str) -> str:
    return COLOURS[-1] if name == _REST else COLOURS[list(series).index(name) % _MOST_SERIES]


def _cut(name: str, most: int = 30) -> str:
    return name if len(name) <= most else f"…{name[1 - most :]}"
