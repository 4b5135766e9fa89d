"""python -m trainer.bert.default gather|records|whole|junk|encoder|onward: what train and calibrate read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, help=__doc__)
# 2.5 M weights: under 10 MB in fp32. Two layers of 128 judge a window of 128 tokens in a few milliseconds.
SHAPE: dict[str, Any] = {"vocabulary": 16_000, "width": 128, "layers": 2, "heads": 4, "inner": 512}
MAX_LENGTH = 128


@app.command()
def gather(
    clones: Annotated[Path, typer.Argument(help="Folder of git clones, OWNER+NAME.")],
    out: Annotated[Path, typer.Argument(help="JSONL to write.")],
) -> None:
    """Public texts out of clones."""
    from trainer.bert.default import sources

    with out.open("w", encoding="utf-8") as file:
        for record in sources.gather(clones):
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


@app.command()
def records(
    data: Annotated[Path, typer.Argument(help="Folder of the labelled sets.")],
    gathered: Annotated[Path, typer.Argument(help="What gather wrote.")],
    out: Annotated[Path, typer.Argument(help="Folder for train.jsonl, transfer.jsonl, away.jsonl, data.md.")],
) -> None:
    """Training and test files."""
    from trainer.bert.default.records import write

    write(data, gathered, out)


@app.command()
def whole(
    data: Annotated[Path, typer.Argument(help="Folder of the labelled sets.")],
    gathered: Annotated[Path, typer.Argument(help="What gather wrote; passed over where it is not there.")],
    out: Annotated[Path, typer.Argument(help="Folder for permitted.jsonl and other.jsonl.")],
) -> None:
    """All texts as they came, for `corpusworks judge calibrate`."""
    from trainer.bert.default.records import whole as write_whole

    write_whole(data, gathered, out)


@app.command()
def junk(
    data: Annotated[Path, typer.Argument(help="Folder of the labelled sets.")],
    clones: Annotated[Path, typer.Argument(help="Folder of git clones, OWNER+NAME.")],
    gathered: Annotated[Path, typer.Argument(help="What gather wrote; passed over where it is not there.")],
    out: Annotated[Path, typer.Argument(help="Folder for junk.jsonl and good.jsonl.")],
) -> None:
    """What teaches the head `junk` (`judge head`), and sets its limits (`judge junk`)."""
    from trainer.bert.default.spam import write as write_junk

    write_junk(data, clones, gathered, out)


@app.command()
def encoder(
    teacher: Annotated[Path, typer.Argument(help="multilingual-e5-small as a transformers folder.")],
    train: Annotated[Path, typer.Argument(help="train.jsonl")],
    out: Annotated[Path, typer.Argument(help="Folder for the small encoder.")],
) -> None:
    """The encoder to train: the teacher's words, new layers."""
    from trainer.bert.data import records as read
    from trainer.bert.default.encoder import build
    from trainer.bert.recipe import EncoderConfig

    texts = [record["text"] for _, record in read(train) if record["split"] == "train"]
    build(teacher, texts, out, EncoderConfig(**SHAPE), MAX_LENGTH)


@app.command()
def onward(
    model: Annotated[Path, typer.Argument(help="A judge in a repository, as exported in fp32.")],
    out: Annotated[Path, typer.Argument(help="Folder for its encoder.")],
) -> None:
    """The encoder to train: the one of a judge that there is."""
    from trainer.bert.default.onward import restore
    from trainer.bert.recipe import EncoderConfig

    restore(model, out, EncoderConfig(**SHAPE))


if __name__ == "__main__":
    app()
