"""What a run looked like: the report of a spike as JSON and picture, and the curve of its losses.

    train/RUN/spikes/step-000000123.json, .png

Documents are named by uid, part and token ids; the trainer knows no vocabulary. `corpusworks ledger step N
--text` shows their text, `ledger doc UID` all else that the river knows of them.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from trainer import events, steplog
from trainer.proof import Finding, Point
from trainer.scores import Document
from trainer.spikes import Rewind, report_key
from trainer.steplog import Objects

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from trainer.data.loader import Loader

LAYOUT = 1
_HEAD = 128  # tokens of a document
_STEPS = 256  # before a spike, in its picture

Say = Callable[[str], None]


@dataclass(frozen=True)
class Spike:
    """A spike and what was made of it.

    step: the last that was skipped. checkpoint: the step that was gone back to. thresholds: of loss and
    gradient norm. passed_over: indices of samples.
    """

    run: str
    step: int
    verdict: Rewind
    checkpoint: int
    thresholds: tuple[float, ...]
    found: Finding
    passed_over: Sequence[int]


def line(about: Spike) -> str:
    """What was found, in one line."""
    found = about.found
    samples = f"{len(about.passed_over)} samples are passed over"
    if found.verdict == "proven":
        parts = sorted({document.part for document in found.named})
        shown = ", ".join(parts[:3]) + (f" and {len(parts) - 3} more" if len(parts) > 3 else "")
        return (
            f"{len(found.named)} documents of {shown} explain the spike at step {about.step}: without them "
            f"no step is skipped ({found.replays} replays, {len(found.cleared)} suspects cleared); {samples}"
        )
    told = {
        "unexplained": f"the spike at step {about.step} is explained by no document",
        "passing": f"the spike at step {about.step} did not come again from step {about.checkpoint}",
    }
    return f"{told[found.verdict]} ({found.replays} replays); {samples}"


def heads(loader: Loader, named: Sequence[Document]) -> list[list[int]]:
    """The first tokens of each document."""
    found = []
    for document in named:
        (batch,) = loader.batches_of([document.sample])
        here = batch.tokens[0][batch.documents[0] == document.number]
        found.append(here[:_HEAD].tolist())
    return found


def write(store: Objects, about: Spike, tokens: Sequence[Sequence[int]], say: Say) -> None:
    """The report and its picture; never raises. tokens: the first of each named document."""
    key = report_key(about.run, about.step)
    try:
        store.put(key, json.dumps(as_plain(about, tokens), ensure_ascii=False, indent=1).encode())
        store.put(key.removesuffix(".json") + ".png", _png(picture(store, about)))
    except Exception as error:  # noqa: BLE001 - whatever it is, training goes on
        say(f"the report {key} could not be written whole: {str(error).partition(chr(10))[0]}")


def as_plain(about: Spike, tokens: Sequence[Sequence[int]]) -> dict[str, Any]:
    """A report as JSON has it; what is no number is null."""
    found = about.found
    return {
        "layout": LAYOUT,
        "run": about.run,
        "step": about.step,
        "steps": list(about.verdict.steps),
        "why": about.verdict.why,
        "checkpoint": about.checkpoint,
        "threshold": dict(zip(("loss", "gradient_norm"), map(_number, about.thresholds), strict=False)),
        "verdict": found.verdict,
        "told": line(about),
        "replays": found.replays,
        "bucket_loss": {name: _number(loss) for name, loss in found.bucket_loss.items()},
        "sequences": sorted({(each.part, each.sequence) for each in found.named}),
        "documents": [
            _document(each) | {"tokens": list(head)} for each, head in zip(found.named, tokens, strict=True)
        ],
        "cleared": [_document(each) for each in found.cleared],
        "passed_over": list(about.passed_over),
        "with_all": [_point(point) for point in found.with_all],
        "without": [_point(point) for point in found.without],
    }


def _document(document: Document) -> dict[str, Any]:
    return {
        "uid": f"{document.uid:016x}",
        "part": document.part,
        "sequence": document.sequence,
        "sample": document.sample,
        "step": document.step,
        "bucket": document.bucket,
        "num_tokens": document.tokens,
        "loss": _number(document.loss),
        "usual_loss": _number(document.usual),
        "score": _number(document.score),
    }


def _point(point: Point) -> dict[str, Any]:
    return point._asdict() | {"loss": _number(point.loss), "gradient_norm": _number(point.gradient_norm)}


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def spikes(store: Objects, run: str) -> list[int]:
    """The steps of a run of which there is a report, in order."""
    names = (key.rpartition("/")[2] for key in store.list(f"train/{run}/spikes"))
    return sorted(int(found[1]) for name in names if (found := re.fullmatch(r"step-(\d{9})\.json", name)))


def picture(store: Objects, about: Spike) -> Figure:
    """Loss and gradient norm up to the spike with their thresholds, and the losses of the suspects."""
    before = [point for point in _logged(store, about) if point.step <= about.checkpoint]
    with_all = [*before, *about.found.with_all]
    figure = _figure(2)
    for axes, name, threshold in zip(figure.axes, ("loss", "gradient_norm"), about.thresholds, strict=False):
        _draw(axes, with_all, name, "C0", "as it was")
        _draw(axes, about.found.without, name, "C2", "without what is named")
        _draw(axes, [point for point in with_all if point.skipped], name, "C3", "skipped", marker="x")
        if math.isfinite(threshold):
            axes.axhline(threshold, color="grey", linestyle="--", linewidth=1, label="threshold")
        axes.axvline(about.checkpoint + 0.5, color="grey", linewidth=0.5)
        axes.set_ylabel(name.replace("_", " "))
    first = figure.axes[0]
    for some, colour, label in ((about.found.named, "C3", "named"), (about.found.cleared, "C1", "cleared")):
        points = [Point(each.step, each.loss, math.nan, False) for each in some]
        _draw(first, points, "loss", colour, label, marker=".")
    for axes in figure.axes:
        axes.legend(fontsize="small")
    first.set_title(f"{about.run}, step {about.step}: {about.found.verdict}", fontsize="medium")
    figure.axes[-1].set_xlabel("step")
    return figure


def _logged(store: Objects, about: Spike) -> Iterator[Point]:
    first = max(0, about.checkpoint - _STEPS)
    for row in steplog.read(store, about.run, first, about.checkpoint):
        if row.boundary and row.rank == 0:
            yield Point(row.step, row.loss, row.gradient_norm, row.skipped)


def _draw(
    axes: Any, points: Sequence[Point], name: str, colour: str, label: str, *, marker: str = ""
) -> None:
    shown = [(point.step, getattr(point, name)) for point in points if math.isfinite(getattr(point, name))]
    if shown:
        style = {"marker": marker, "linestyle": "none"} if marker else {"linewidth": 1}
        axes.plot(*zip(*shown, strict=True), color=colour, label=label, **style)


class Curve(NamedTuple):
    """The loss over a run. points: (step, loss); by_bucket: the same of each; tokens: by bucket, at the end.

    bits: per byte by bucket, the last; empty where they are not known.
    """

    points: list[tuple[int, float]]
    by_bucket: dict[str, list[tuple[int, float]]]
    tokens: dict[str, int]
    bits: dict[str, float]


def curve(store: Objects, run: str) -> Curve:
    """A point for each `step` event: its loss is the mean over the targets since the one before.

    From the `step` events that stand: what a rewind undid is left out. Raises what the store raises.
    """
    said: dict[int, Any] = {}
    for event in events.read(store, run):
        if event.kind in ("rewind", "start"):
            said = {step: each for step, each in said.items() if step <= event.checkpoint}
        elif event.kind == "step":
            said[event.step] = event
    found = Curve([], {}, {}, {})
    for step, event in sorted(said.items()):
        found.points.append((step, _mean(event, found.tokens)))
        for name, loss in sorted(event.bucket_loss.items()):
            found.by_bucket.setdefault(name, []).append((step, loss))
        found.tokens.update(event.bucket_tokens)
        found.bits.update(event.bucket_bits_per_byte)
    return found


def _mean(event: Any, tokens_before: Mapping[str, int]) -> float:
    """Over all buckets; that of the step where the buckets' tokens do not tell how they weigh."""
    new: dict[str, int] = {
        name: event.bucket_tokens.get(name, 0) - tokens_before.get(name, 0) for name in event.bucket_loss
    }
    if not new or min(new.values()) <= 0:
        return float(event.loss)
    total: float = math.fsum(loss * new[name] for name, loss in event.bucket_loss.items())
    return total / sum(new.values())


def numbers(found: Curve, unigrams: Mapping[str, float]) -> list[str]:
    """The curve's ends as lines of a table. last loss: mean of the last tenth of its points.

    unigrams: the entropy of the same tokens by bucket, the loss of who knows how often each token comes and
    nothing more. learned: what the last loss is below it; above it (a minus) frequencies alone explain more.
    """
    rows = [("bucket", "tokens", "first loss", "last loss", "unigrams", "learned", "bits/byte")]
    for name, points in _lines(found).items():
        tokens = sum(found.tokens.values()) if name == "all" else found.tokens.get(name, 0)
        tenth = [loss for _, loss in points[-max(1, len(points) // 10) :]]
        last = sum(tenth) / len(tenth)
        entropy = unigrams.get(name)
        learned = "" if entropy is None else f"{entropy - last:+.3f}"
        cells = (_cell(entropy), learned, _cell(found.bits.get(name)))
        rows.append((name, f"{tokens:,}", f"{points[0][1]:.3f}", f"{last:.3f}", *cells))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def curve_png(found: Curve, run: str, unigrams: Mapping[str, float]) -> bytes:
    """The curve's picture; each bucket's unigrams are a dotted line in its colour."""
    figure = _figure(1)
    (axes,) = figure.axes
    for name, points in _lines(found).items():
        style = {"color": "black", "linewidth": 1.5} if name == "all" else {"linewidth": 1}
        (drawn,) = axes.plot(*zip(*points, strict=True), label=name, **style)
        if name in unigrams:
            axes.axhline(unigrams[name], color=drawn.get_color(), linestyle=":", linewidth=1)
    if found.points:
        axes.legend(fontsize="small")
    axes.set(title=f"{run}; dotted: unigrams", xlabel="step", ylabel="loss (nats a token)")
    return _png(figure)


def _lines(found: Curve) -> Mapping[str, list[tuple[int, float]]]:
    by_bucket = sorted(found.by_bucket.items())
    return {name: points for name, points in [("all", found.points), *by_bucket] if points}


def _figure(rows: int) -> Figure:
    from matplotlib.figure import Figure  # without pyplot: no display, no state, from any thread

    figure = Figure(figsize=(9, 3 * rows), layout="constrained")
    figure.subplots(rows, sharex=True)
    return figure


def _png(figure: Figure) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    return data.getvalue()
