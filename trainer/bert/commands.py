"""`corpusworks judge`: train, evaluate, export, label. Exit code 2: something the user can mend."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

EXIT_USAGE = 2
KEYS = ("CORPUSWORKS_JUDGE_KEY", "OPENAI_API_KEY")

app = typer.Typer(no_args_is_help=True, help="Train, measure and export the encoders that judge documents.")

Data = Annotated[list[Path], typer.Argument(help="Labelled JSONL files (.gz).")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]


@app.command()
def train(
    *,
    data: Data,
    recipe: Annotated[Path, typer.Option("--recipe", help="What to learn and how (YAML).")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; the same command goes on in it.")],
    texts: Annotated[
        list[Path] | None, typer.Option("--texts", help="More texts, without labels, to pre-train on.")
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Of the model.")] = "judge",
    device: Device = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what OUT holds of an earlier run.")] = False,
) -> None:
    """Train an encoder on labelled texts; report what it is worth on the held-out part."""
    with _errors():
        from trainer.bert.recipe import Recipe
        from trainer.bert.train import train as run_train

        chosen = Recipe.load(recipe)
        run_train(chosen, data, out, unlabelled=texts or [], name=name, device=device, fresh=fresh, log=_log)
        print((out / "report.md").read_text(encoding="utf-8"))


@app.command()
def evaluate(
    *,
    model: Annotated[Path, typer.Argument(help="OUT of train, or a model's folder in a repository.")],
    data: Data,
    recipe: Annotated[
        Path | None,
        typer.Option("--recipe", help="How to read the labels; default: fields named as the heads."),
    ] = None,
    part: Annotated[
        Literal["train", "validation", "test", "whole"],
        typer.Option("--part", help="Of the data, as training would split it."),
    ] = "whole",
    version: Annotated[
        int | None, typer.Option("--version", help="In a repository; default: latest.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for report and pictures.")] = None,
    device: Device = "auto",
) -> None:
    """Measure a model on labelled texts."""
    with _errors():
        from trainer.bert.evaluate import evaluate as run_evaluate
        from trainer.bert.recipe import Recipe, SplitConfig
        from trainer.bert.report import markdown, write

        chosen = Recipe.load(recipe) if recipe else None
        heads = chosen.heads if chosen else None
        split = chosen.split if chosen else SplitConfig()
        only = None if part == "whole" else part
        report = run_evaluate(
            model, data, heads=heads, split=split, part=only, version=version, device=device
        )
        if out is not None:
            write(report, out)
        print(markdown(report))


@app.command()
def export(
    *,
    run: Annotated[Path, typer.Argument(help="OUT of train.")],
    repository: Annotated[Path, typer.Option("--repository", help="Triton model repository.")],
    precision: Annotated[Literal["fp32", "int8"], typer.Option("--precision")] = "int8",
    name: Annotated[str | None, typer.Option("--name", help="Other than the run's.")] = None,
    max_batch_size: Annotated[int, typer.Option("--max-batch-size", min=1, help="Rows of a request.")] = 64,
    notes: Annotated[
        Path | None, typer.Option("--notes", help="Markdown for the card: purpose, known weaknesses.")
    ] = None,
    accept_drift: Annotated[
        bool,
        typer.Option("--accept-drift", help="Write it though it judges otherwise than the version before."),
    ] = False,
) -> None:
    """Add the model to a Triton repository as a new version, with config and card."""
    with _errors():
        from trainer.bert.export import export as run_export
        from trainer.bert.run import Run

        text = _read(notes) if notes else ""
        written = run_export(
            Run(run),
            repository,
            precision=precision,
            name=name,
            max_batch_size=max_batch_size,
            notes=text,
            accept_drift=accept_drift,
            log=_log,
        )
        print(written)


@app.command()
def head(
    *,
    model: Annotated[Path, typer.Argument(help="A model's folder in a repository (REPOSITORY/NAME).")],
    data: Data,
    name: Annotated[
        str, typer.Option("--name", help="Of the head and of the records' field, 0 or 1.")
    ] = "junk",
) -> None:
    """Teach an exported model one more score, of words alone; all that it says already stays as it is."""
    with _errors():
        from trainer.bert.head import teach

        for row in teach(model, name, data, _log):
            print(json.dumps(row._asdict(), ensure_ascii=False))


@app.command()
def label(
    *,
    data: Annotated[list[Path], typer.Argument(help='JSONL files of records with "text".')],
    out: Annotated[Path, typer.Option("--out", help="JSONL that is appended to; records in it are skipped.")],
    url: Annotated[
        str, typer.Option("--url", envvar="CORPUSWORKS_JUDGE_URL", help="OpenAI-compatible, with /v1.")
    ],
    model: Annotated[str, typer.Option("--model", envvar="CORPUSWORKS_JUDGE_MODEL", help="To ask.")],
    prompt: Annotated[
        Path | None, typer.Option("--prompt", help="Template with {text} and {answer}; default: our own.")
    ] = None,
    categories: Annotated[str, typer.Option("--categories", help="Ask for one of these too: a,b,c.")] = "",
    concurrency: Annotated[int, typer.Option("--concurrency", help="Requests at once.")] = 8,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds for an answer.")] = 120.0,
    retries: Annotated[int, typer.Option("--retries", help="Of a request that was not taken.")] = 6,
) -> None:
    """Ask a language model for scores 0..5; its key comes from CORPUSWORKS_JUDGE_KEY or OPENAI_API_KEY."""
    with _errors():
        from trainer.bert.errors import JudgeError
        from trainer.bert.label import LabelConfig
        from trainer.bert.label import label as run_label

        settings: dict[str, Any] = {"concurrency": concurrency, "timeout_s": timeout, "retries": retries}
        settings |= {"categories": tuple(filter(None, map(str.strip, categories.split(","))))}
        settings |= {"key": next((os.environ[name] for name in KEYS if os.environ.get(name)), None)}
        if prompt is not None:
            settings["prompt"] = _read(prompt)
        try:
            config = LabelConfig(url, model, **settings)
        except ValueError as error:
            raise JudgeError(str(error)) from error
        counts = run_label(data, out, config, _log)
        row = {"labelled": counts.labelled, "bad": counts.bad, "skipped": counts.skipped}
        print(json.dumps(row | {"out": str(out)}))


def _read(path: Path) -> str:
    from trainer.bert.errors import JudgeError

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise JudgeError(f"{path} cannot be read: {error}") from error


def _log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


@contextmanager
def _errors() -> Iterator[None]:
    """What the user can mend, as one line and exit code 2."""
    from trainer.bert.errors import JudgeError

    try:
        yield
    except JudgeError as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(("trainer", "contracts")):
            raise
        _fail(f"{error.name} is not installed: pip install 'corpusworks[judge]'")


def _fail(message: str) -> None:
    _log(f"corpusworks: {message}")
    raise typer.Exit(EXIT_USAGE)
