"""After a spike: which samples training passes over, and which documents leave the river.

Proven documents (proof.py) take the samples with them that hold them, and are told to the river as
`quarantine` (services/launcher forwards it). What cannot be explained, or did not come again, takes the whole
batches that were skipped, and no document. Either way a report says so (report.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from trainer import report
from trainer.proof import Finding, prove
from trainer.spikes import report_key

if TYPE_CHECKING:
    from trainer.agreement import Agreement
    from trainer.config import TrainConfig
    from trainer.events import Events
    from trainer.replay import Replayer, Taken
    from trainer.spikes import Rewind
    from trainer.steplog import Objects


def explain(
    verdict: Rewind,
    taken: Sequence[Taken],
    replayer: Replayer,
    config: TrainConfig,
    agreement: Agreement,
    *,
    store: Objects,
    events: Events,
    say: Callable[[str], None],
) -> list[tuple[int, int]]:
    """Half-open ranges of samples to pass over from now on. Collective; rank 0 writes the report.

    taken: the steps since the checkpoint that the replayer begins from, to the last of the spike. The model
    is left anywhere: load the checkpoint. Raises what a replay raises.
    """
    loss, gradient_norm = replayer.learned.detector.thresholds().tolist()
    thresholds = (loss, gradient_norm)
    if config.stability.prove:
        found = prove(
            replayer,
            taken,
            verdict.first,
            thresholds=thresholds,
            buckets=lambda: replayer.loader.buckets,  # it grows while batches are read
            gather=agreement.gather,
        )
    else:
        found = Finding("unexplained")
    spiked = [step for step in taken if step.number in verdict.steps]
    passed_over = found.indices or sorted({index for step in spiked for index in step.indices})
    if replayer.place.leads:
        step = verdict.steps[-1]
        about = report.Spike(config.run, step, verdict, replayer.found.step, thresholds, found, passed_over)
        report.write(store, about, report.heads(replayer.loader, found.named), say)
        _tell(events, about, [found.with_all[-1]] if found.with_all else [])
        say(report.line(about))
    return ranges(passed_over)


def ranges(indices: Iterable[int]) -> list[tuple[int, int]]:
    """Numbers in order, as half-open ranges."""
    found: list[tuple[int, int]] = []
    for index in indices:
        if found and found[-1][1] == index:
            found[-1] = (found[-1][0], index + 1)
        else:
            found.append((index, index + 1))
    return found


def _tell(events: Events, about: report.Spike, last: Sequence[Any]) -> None:
    key = report_key(about.run, about.step)
    parts = sorted({document.part for document in about.found.named})
    uids = sorted({document.uid for document in about.found.named})
    measured = {"loss": last[0].loss, "gradient_norm": last[0].gradient_norm} if last else {}
    usual = dict(about.found.bucket_loss)
    events.say(
        "spike", about.step, report=key, parts=parts, bucket_loss=usual, detail=report.line(about), **measured
    )
    if uids:
        why = f"they explain the loss spike at step {about.step} of run {about.run}"
        events.say("quarantine", about.step, documents=uids, parts=parts, report=key, detail=why)
    why, back = about.verdict.why, about.checkpoint
    events.say("rewind", about.step, checkpoint=back, parts=parts, report=key, detail=why)
