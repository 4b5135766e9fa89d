"""The folder of a run, and what lies in it. The one place that knows the names.

OUT/model/          the trained model
OUT/report.json     what it is worth on the held-out part; report.md, confusion-<head>.png
OUT/held-out.jsonl  that part: an export is measured on it too
OUT/*.pt            checkpoints
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.bert import data
from trainer.bert.data import Example
from trainer.bert.description import Description
from trainer.bert.errors import JudgeError
from trainer.bert.recipe import HeadConfig, SplitConfig


@dataclass(frozen=True)
class Run:
    """OUT of `judge train`."""

    folder: Path

    @property
    def model(self) -> Path:
        """What `model.load` reads."""
        return self.folder / "model"

    def claim(self, key: str) -> None:
        """Make the folder this run's. Raises JudgeError when it is another's.

        key: names recipe and data. Checkpoints of other ones must not be gone on with.
        """
        mark = self.folder / "run.txt"
        if mark.exists() and mark.read_text() != key:
            raise JudgeError(
                f"{self.folder} holds a run of another recipe or other data: give another --out, or --fresh"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        mark.write_text(key)

    def forget(self) -> None:
        """Remove what a run left, and nothing else."""
        names = ["run.txt", "tokenizer.json", "held-out.jsonl", "report.json", "report.md"]
        left = [self.folder / name for name in names]
        for pattern in ("*.pt", "teacher-*.f32", "confusion-*.png"):
            left += self.folder.glob(pattern)
        for path in left:
            path.unlink(missing_ok=True)
        shutil.rmtree(self.model, ignore_errors=True)

    def keep(self, examples: Sequence[Example]) -> None:
        """Write the held-out part."""
        with (self.folder / "held-out.jsonl").open("w", encoding="utf-8") as out:
            for example in examples:
                record: dict[str, Any] = {"text": example.text, "lang": example.lang, "split": example.part}
                record |= {"source": example.source, "licence": example.licence} | dict(example.labels)
                out.write(json.dumps(record, ensure_ascii=False) + "\n")

    def held_out(self, description: Description) -> list[Example]:
        """What `keep` wrote. Raises JudgeError."""
        return data.read([self.folder / "held-out.jsonl"], heads_of(description), SplitConfig())

    def report(self) -> dict[str, Any]:
        """The report of the training. Raises JudgeError."""
        path = self.folder / "report.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise JudgeError(f"{path} cannot be read: {error}; has `judge train` ended?") from error
        if not isinstance(found, dict):
            raise JudgeError(f"{path} is no report")
        return found


def heads_of(description: Description) -> Mapping[str, HeadConfig]:
    """How to read labels that are named as the model names them."""
    return {name: HeadConfig(head.kind, labels=head.labels) for name, head in description.heads.items()}
