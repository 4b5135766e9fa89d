"""The run: labelled files in, a trained and measured model out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainer.bert import data
from trainer.bert.data import Example, Part
from trainer.bert.description import Description, Head
from trainer.bert.errors import JudgeError
from trainer.bert.fit import fit
from trainer.bert.metrics import temperature
from trainer.bert.model import JudgeModel, build_encoder, open_encoder, pick_device, save, tensors
from trainer.bert.predict import by_torch, judge
from trainer.bert.pretrain import pretrain
from trainer.bert.recipe import Recipe
from trainer.bert.report import headline, measure, write
from trainer.bert.run import Run
from trainer.bert.vocabulary import Vocabulary
from trainer.bert.windows import text_windows

Log = Callable[[str], None]


def train(
    recipe: Recipe,
    paths: Sequence[Path],
    out: Path,
    *,
    unlabelled: Sequence[Path] = (),
    name: str = "judge",
    device: str = "auto",
    fresh: bool = False,
    log: Log = print,
) -> dict[str, Any]:
    """Everything from reading to the report, which is returned too. Raises JudgeError.

    unlabelled: more texts for the tokenizer and the pre-training.
    out: the run's folder (run.Run); the same call goes on where it was interrupted.
    fresh: forget what OUT holds of an earlier run.
    """
    where = pick_device(device)
    examples = data.read(paths, recipe.heads, recipe.split)
    parts = {part: [e for e in examples if e.part == part] for part in data.PARTS}
    log(", ".join(f"{part}: {len(found)}" for part, found in parts.items()) + f"; device {where}")
    empty = [part for part in ("train", "validation") if not any(e.part == part for e in examples)]
    if empty:
        raise JudgeError(f"the {empty[0]} part is empty: give more records, or name their `split`")
    labels = _labels(recipe, examples, parts["train"])
    more = data.texts(unlabelled)
    key = f"{recipe.digest} {data.fingerprint(examples)} {len(more)} {sum(map(len, more))}"
    run = Run(out)
    if fresh:
        run.forget()
    run.claim(key)

    known = [example.text for example in parts["train"]] + more
    vocabulary = _vocabulary(recipe, known, out)
    torch.manual_seed(recipe.fit.seed)
    encoder = _encoder(recipe, vocabulary)
    model = JudgeModel(encoder, {head: len(of) or 1 for head, of in labels.items()}, recipe.dropout)
    weights = sum(weight.numel() for weight in model.parameters())
    log(f"{weights / 1e6:.2f} M weights, {vocabulary.size} tokens, heads: {', '.join(labels)}")
    if recipe.pretrain is not None:
        pretrain(
            encoder,
            vocabulary,
            known,
            recipe.pretrain,
            max_length=recipe.max_length,
            device=where,
            out=out,
            log=log,
        )

    heads = {head: Head(config.kind, labels[head]) for head, config in recipe.heads.items()}
    description = Description(name, recipe.max_length, vocabulary.pad, vocabulary.cls, vocabulary.sep, heads)
    objective = Judging(
        model,
        vocabulary,
        description,
        recipe,
        examples=parts["train"],
        validation=parts["validation"],
        device=where,
    )
    history = fit(objective, recipe.fit, where, out / "fit.pt", log)

    description = _calibrated(description, objective.validate(), parts["validation"])
    save(run.model, model, vocabulary, description)
    held: Part = "test" if parts["test"] else "validation"
    run.keep(parts[held])
    logits = judge(
        by_torch(model, description, where), vocabulary, description, [e.text for e in parts[held]]
    )
    report = measure(logits, parts[held], description) | {
        "part": held,
        "examples": {part: len(found) for part, found in parts.items()},
        "weights": weights,
        "history": history,
        "data": _sources(examples),
    }
    write(report, out)
    return report


class Judging:
    """The objective: for each head the weighted cross-entropy of those rows that have its label."""

    def __init__(
        self,
        model: JudgeModel,
        vocabulary: Vocabulary,
        description: Description,
        recipe: Recipe,
        *,
        examples: Sequence[Example],
        validation: Sequence[Example],
        device: torch.device,
    ) -> None:
        self.module: nn.Module = model
        self.vocabulary, self.description = vocabulary, description
        self.validation, self.device = validation, device
        self.windows = text_windows(vocabulary, [e.text for e in examples], description.max_length - 2)
        self.lengths: Sequence[int] = [len(cut[0]) + 2 for cut in self.windows]
        self.parts = []
        for name, head in description.heads.items():
            config = recipe.heads[name]
            target, weight = targets(name, head, config.balance, examples)
            self.parts.append((head.kind, torch.from_numpy(target), torch.from_numpy(weight * config.weight)))

    def loss(self, rows: Sequence[int], random: np.random.Generator) -> Tensor:
        """Of a batch; one window of each text, drawn anew each time."""
        cut = [self.windows[row] for row in rows]
        chosen = [self.vocabulary.wrap(text[random.integers(len(text))]) for text in cut]
        outputs = self.module(*tensors(chosen, self.vocabulary.pad, self.device))
        total = torch.zeros((), device=self.device)
        for logits, (kind, all_targets, all_weights) in zip(outputs, self.parts, strict=True):
            target = all_targets[list(rows)].to(self.device)
            weight = all_weights[list(rows)].to(self.device)
            if kind == "classes":
                each = nn.functional.cross_entropy(logits, target, reduction="none")
            else:
                each = nn.functional.binary_cross_entropy_with_logits(
                    logits, target, reduction="none"
                ).squeeze(-1)
            total = total + (each * weight).sum() / (weight > 0).sum().clamp(min=1)
        return total

    def score(self) -> float:
        """Mean over the heads of macro-F1 (classes) and AUC or Spearman (scores)."""
        logits = self.validate()
        return headline(logits, self.validation, self.description)

    def validate(self) -> dict[str, np.ndarray[Any, Any]]:
        """Logits of the validation part."""
        infer = by_torch(self.module, self.description, self.device)
        return judge(infer, self.vocabulary, self.description, [e.text for e in self.validation])


def targets(
    name: str, head: Head, balance: float, examples: Sequence[Example]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """What a head is to say, float32 [examples, n], and each example's weight, float32 [examples].

    Weights are 0 without a label, else (1 / number of its kind) ** balance with mean 1; its kind is its
    language and class (or half of the score's range).
    """
    target = np.zeros((len(examples), head.size), np.float32)
    kinds: list[tuple[str, int] | None] = []
    for row, example in enumerate(examples):
        label = example.labels.get(name)
        if label is None:
            kinds.append(None)
            continue
        if isinstance(label, Mapping):
            for of, probability in label.items():
                target[row, head.labels.index(of)] = probability
            kinds.append((example.lang, int(target[row].argmax())))
        else:
            target[row, 0] = label
            kinds.append((example.lang, int(label >= 0.5)))
    counts = Counter(kinds)
    weight = np.array([0.0 if kind is None else counts[kind] ** -balance for kind in kinds], np.float32)
    return target, weight / weight[weight > 0].mean()


def _labels(
    recipe: Recipe, examples: Sequence[Example], training: Sequence[Example]
) -> dict[str, tuple[str, ...]]:
    """Classes by head; () for a score. Raises JudgeError when a head has nothing to learn from."""
    found: dict[str, tuple[str, ...]] = {}
    for name, head in recipe.heads.items():
        seen = [example.labels[name] for example in training if name in example.labels]
        if head.kind == "classes":
            found[name] = data.labels_of(name, head, examples)
            taught = {of for label in seen if isinstance(label, Mapping) for of in label}
            missing = [of for of in found[name] if of not in taught]
            if missing:
                raise JudgeError(f"head {name}: no record to train on shows {', '.join(missing)}: give some")
        elif len(set(map(repr, seen))) < 2:
            what = f"only the value {seen[0]}" if seen else f"no field {head.field or name!r}"
            raise JudgeError(
                f"head {name}: the records to train on have {what}; a score needs different ones"
            )
        else:
            found[name] = ()
    return found


def _vocabulary(recipe: Recipe, texts: Sequence[str], out: Path) -> Vocabulary:
    kept = out / "tokenizer.json"
    config = recipe.encoder
    given = config.path or config.tokenizer
    if given is not None:
        return Vocabulary.load(Path(given))
    if not kept.exists():
        vocabulary = Vocabulary.train(texts, config.vocabulary, config.lowercase)
        kept.write_text(vocabulary.to_json(), encoding="utf-8")
    return Vocabulary.load(kept)


def _encoder(recipe: Recipe, vocabulary: Vocabulary) -> nn.Module:
    if recipe.encoder.path is None:
        encoder = build_encoder(recipe.encoder, vocabulary, recipe.max_length)
    else:
        encoder = open_encoder(recipe.encoder.path, recipe.max_length)
    config: Any = encoder.config
    config.every = recipe.encoder.every  # saved with the encoder; the network reads it
    if config.every > 1 and not hasattr(getattr(encoder, "encoder", None), "layer"):
        raise JudgeError(
            f"encoder.every is for the family of BERT, RoBERTa or ELECTRA, not {config.model_type}"
        )
    if recipe.encoder.freeze_words:
        encoder.get_input_embeddings().requires_grad_(False)  # type: ignore[operator]
    return encoder


def _calibrated(
    description: Description, logits: Mapping[str, np.ndarray[Any, Any]], examples: Sequence[Example]
) -> Description:
    fitted = {}
    for name, head in description.heads.items():
        rows = [row for row, example in enumerate(examples) if name in example.labels]
        if head.kind == "classes" and rows:
            target, _ = targets(name, head, 0.0, examples)
            fitted[name] = temperature(logits[name][rows], target[rows].argmax(axis=1))
    return description.with_temperatures(fitted)


def _sources(examples: Sequence[Example]) -> list[dict[str, Any]]:
    """Where the data is from: for the card."""
    counts = Counter(
        (example.source or "not stated", example.licence or "not stated") for example in examples
    )
    return [{"source": s, "licence": licence, "examples": n} for (s, licence), n in sorted(counts.items())]
