"""Dashboard: the trainer and its launcher."""

from __future__ import annotations

from charts.monitoring.dashboard import Dashboard, Panel, Query
from charts.monitoring.query import CHOSEN


def _now(name: str, *by: str) -> str:
    return CHOSEN.max(CHOSEN.of(f"train_{name}"), *by)


TRAINING = Dashboard(
    "training",
    "Training",
    "Loss, speed and spikes of the run; whether tokens wait for it or it for them.",
    [
        Panel("Loss", "Of the newest step, nats a token.", [Query(_now("loss"), "loss")]),
        Panel(
            "Loss by bucket",
            "Running mean, nats a token.",
            [Query(_now("bucket_loss", "bucket"), "{{bucket}}")],
        ),
        Panel(
            "Bits a byte, by bucket",
            "Comparable between languages and vocabularies.",
            [Query(_now("bucket_bits_per_byte", "bucket"), "{{bucket}}")],
        ),
        Panel(
            "Gradient norm",
            "Before it is clipped.",
            [Query(_now("gradient_norm"), "norm")],
        ),
        Panel(
            "Steps skipped, returns to a checkpoint",
            "Of an hour. Each spike leads to one; `trainer.suspects` names sequences.",
            [
                Query(CHOSEN.increase("train_skipped_steps_total", window="1h"), "skipped"),
                Query(CHOSEN.increase("train_rewinds_total", window="1h"), "returns"),
            ],
        ),
        Panel(
            "Tokens a second",
            "Of all ranks.",
            [Query(_now("tokens_per_second"), "told"), Query(CHOSEN.rate("train_tokens_total"), "counted")],
        ),
        Panel(
            "Use of the devices (MFU)",
            "Of what they can at best. Nothing is shown where that is not known, as on CPUs.",
            [Query(_now("mfu"), "MFU")],
            "percentunit",
        ),
        Panel(
            "A step",
            "Seconds, and the share of them that rank 0 waited for data.",
            [Query(_now("step_seconds"), "seconds"), Query(_now("data_wait_ratio"), "waiting, share")],
        ),
        Panel(
            "Trained on, by bucket",
            "Tokens a second. The mix as it arrives; see the dashboard Mix for how it leaves.",
            [Query(CHOSEN.rate("train_bucket_tokens_total", "bucket"), "{{bucket}}")],
            stacked=True,
        ),
        Panel(
            "Uses of documents",
            "A second; one that comes twice is used twice.",
            [Query(CHOSEN.rate("train_document_uses_total"), "uses")],
        ),
        Panel(
            "Step, and step of the newest checkpoint",
            "What lies between is lost with the job.",
            [Query(_now("step"), "step"), Query(_now("checkpoint_step"), "checkpoint")],
        ),
        Panel("Learning rate", "Of the newest step.", [Query(_now("learning_rate"), "rate")]),
        Panel(
            "Tokens ready and trained on",
            "As the launcher counts: it starts, suspends and resumes by what lies between.",
            [Query(CHOSEN.max(CHOSEN.of("launcher_tokens"), "what"), "{{what}}")],
        ),
        Panel(
            "State of the job",
            "1 for the state that it is in.",
            [Query(CHOSEN.max(CHOSEN.of("launcher_job"), "state"), "{{state}}")],
        ),
        Panel(
            "What the launcher did",
            "An hour, with its reasons.",
            [
                Query(
                    CHOSEN.increase("launcher_actions_total", "action", "reason", window="1h"),
                    "{{action}}: {{reason}}",
                )
            ],
        ),
        Panel(
            "Launchers that lead",
            "One, while any runs.",
            [Query(CHOSEN.sum(CHOSEN.of("launcher_leads")), "leading")],
            kind="stat",
        ),
    ],
    seen_by="corpusworks_train_step",
)
