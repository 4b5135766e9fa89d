"""A simulated mix as a picture: shares over tokens, the targets, where a bucket was dry, and its epochs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import accumulate, pairwise

from services.mixer.picture import Area, Line, Picture, Shape, Text, block
from services.mixer.simulate import PhaseMix, Simulation

_WIDTH, _HEIGHT = 960, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 700, 76, 400  # of the plot itself
_LEGEND, _EDGE = _RIGHT + 28, _WIDTH - 16
_LETTER = 6.6  # a letter of 12 units is about so wide
# Told apart by people who see few colours, too: Okabe and Ito, Color Universal Design (2008).
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#8C8C8C")


def plot(found: Simulation, name: str) -> Picture:
    """name: of the recipe."""
    shapes = [*_frame(found, name), *_legend(found)]
    if found.tokens:
        shapes += [*_stack(found), *_targets(found), *_ticks(found), *_starved(found)]
    else:
        why = f": {found.first_starved[1]} has nothing" if found.first_starved else ": there is nothing"
        middle = (_LEFT + _RIGHT) / 2, (_TOP + _BOTTOM) / 2
        shapes.append(Text(middle, f"Nothing is mixed{why}", "middle", 14))
    return Picture(f"The mix by recipe {name}", _WIDTH, _HEIGHT, shapes)


def short(tokens: float) -> str:
    """1.2 B, 340 M."""
    for unit, size in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if tokens >= size:
            return f"{tokens / size:.3g} {unit}"
    return f"{tokens:.0f}"


def _x(found: Simulation, tokens: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * tokens / found.tokens


def _y(share: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * share


def _spans(found: Simulation) -> Iterator[tuple[PhaseMix, int, int]]:
    """The phases that were reached, and from where to where they go in tokens."""
    ends = accumulate((phase.tokens for phase in found.phases), initial=0)
    for phase, (start, end) in zip(found.phases, pairwise(ends), strict=True):
        if end > start:
            yield phase, start, end


def _colour(found: Simulation, bucket: str) -> str:
    return _COLOURS[list(found.supply).index(bucket) % len(_COLOURS)]


def _frame(found: Simulation, name: str) -> Iterator[Shape]:
    yield Text((_LEFT, 24), f"The mix by recipe {_cut(name, 60)}", size=16)
    yield Text((_LEFT, 44), "share of tokens")
    for percent in range(0, 101, 20):
        y = _y(percent / 100)
        yield Line((_LEFT, y), (_RIGHT, y), "faint")
        yield Text((_LEFT - 8, y + 4), f"{percent} %", "end")
    yield Line((_LEFT, _BOTTOM), (_RIGHT, _BOTTOM))
    yield Line((_LEFT, _TOP), (_LEFT, _BOTTOM))
    yield Text(((_LEFT + _RIGHT) / 2, _BOTTOM + 42), "tokens mixed", "middle")


def _stack(found: Simulation) -> Iterator[Shape]:
    for window in found.windows:
        whole, below = window.end - window.start, 0.0
        left, right = _x(found, window.start), _x(found, window.end)
        for bucket in found.supply:
            share = window.tokens.get(bucket, 0) / whole
            if share:
                top, height = _y(below + share), _y(below) - _y(below + share)
                yield block(left, top, right - left, height, _colour(found, bucket))
            below += share


def _targets(found: Simulation) -> Iterator[Shape]:
    """Where the borders of the stack should be; and where phases begin and how they are called."""
    for phase, start, end in _spans(found):
        left, right = _x(found, start), _x(found, end)
        for border in list(accumulate(use.target for use in phase.buckets.values()))[:-1]:
            if 0 < border < 1:
                yield from _dashed((left, _y(border)), (right, _y(border)))
        if start:
            yield Line((left, _TOP - 14), (left, _BOTTOM), "paper", 3)
            yield Line((left, _TOP - 14), (left, _BOTTOM))
        room = int((right - left) / _LETTER)
        if room > 2:
            yield Text(((left + right) / 2, _TOP - 18), _cut(phase.name, room), "middle")


def _dashed(start: tuple[float, float], end: tuple[float, float]) -> tuple[Line, Line]:
    """Dashes that are seen on every colour."""
    return Line(start, end, "paper", 3), Line(start, end, "ink", 1.5, 6)


def _ticks(found: Simulation) -> Iterator[Shape]:
    """At round numbers, some five of them."""
    rough = found.tokens / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough)
    for number in range(int(found.tokens // step) + 1):
        x = _x(found, number * step)
        yield Line((x, _BOTTOM), (x, _BOTTOM + 5))
        yield Text((x, _BOTTOM + 20), short(number * step), "middle")


def _starved(found: Simulation) -> Iterator[Shape]:
    """A line down the plot and a flag of the bucket's colour on it."""
    for _, bucket, at in _dry(found):
        x = _x(found, at)
        yield Line((x, _TOP), (x, _BOTTOM), "paper", 4)
        yield Line((x, _TOP), (x, _BOTTOM), "ink", 1.5, 3)
        yield Area(((x - 8, _TOP - 13), (x + 8, _TOP - 13), (x, _TOP + 1)), "ink")
        yield Area(((x - 5, _TOP - 11), (x + 5, _TOP - 11), (x, _TOP - 3)), _colour(found, bucket))


def _dry(found: Simulation) -> list[tuple[str, str, int]]:
    """(phase, bucket, tokens) of each bucket that was due and had nothing left, in the order of time."""
    uses = ((phase.name, name, use.starved) for phase in found.phases for name, use in phase.buckets.items())
    return sorted(((phase, name, at) for phase, name, at in uses if at is not None), key=lambda dry: dry[2])


def _legend(found: Simulation) -> Iterator[Shape]:
    y = _TOP + 6.0
    yield Text((_EDGE, y - 20), "epochs" if len(_reached(found)) < 2 else "epochs by phase", "end")
    for bucket in reversed(list(found.supply)):  # as they lie on each other
        yield block(_LEGEND, y - 10, 14, 12, _colour(found, bucket))
        epochs = _epochs(found, bucket)
        yield Text((_EDGE, y), epochs, "end")
        yield Text((_LEGEND + 22, y), _cut(bucket, 28 - len(epochs)))
        y += 20
    yield from _dashed((_LEGEND, y - 4), (_LEGEND + 14, y - 4))
    yield Text((_LEGEND + 22, y), "target")
    y += 28
    for phase, bucket, at in _dry(found):
        if y > _BOTTOM:
            yield Text((_LEGEND, y), "…")
            break
        yield Area(((_LEGEND, y - 10), (_LEGEND + 14, y - 10), (_LEGEND + 7, y)), "ink")
        yield Area(
            ((_LEGEND + 3, y - 8), (_LEGEND + 11, y - 8), (_LEGEND + 7, y - 3)), _colour(found, bucket)
        )
        where = f" ({_cut(phase, 10)})" if len(found.phases) > 1 else ""
        yield Text((_LEGEND + 22, y), f"{_cut(bucket, 12)} dry at {short(at)}{where}")
        y += 20


def _reached(found: Simulation) -> list[PhaseMix]:
    return [phase for phase, _, _ in _spans(found)]


def _epochs(found: Simulation, bucket: str) -> str:
    """How often the phases used what there is of a bucket, and together: 0.9 + 0.3 = 1.2."""
    by_phase = [phase.buckets[bucket].epochs for phase in _reached(found)]
    whole = f"{sum(by_phase):.2g}"
    if len(by_phase) < 2 or len(by_phase) > 3:  # more than there is room for
        return whole
    return f"{' + '.join(f'{epochs:.2g}' for epochs in by_phase)} = {whole}"


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: max(letters - 1, 1)] + "…"
