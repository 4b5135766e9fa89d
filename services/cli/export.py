"""`parts export`: packed parts as other trainers' readers take them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from services.cli.parts import Folder, wrong_parts
from services.local import interrupt
from services.local.store import store_in

app = typer.Typer()


@app.command()
def export(
    folder: Folder,
    form: Annotated[
        str,
        typer.Option(
            "--format", help="ds: datatrove and nanotron; mds: MosaicML streaming; or a package's own."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder that does not exist yet, or is empty.")],
    names: Annotated[list[str] | None, typer.Option("--part", help="Only this one; may be repeated.")] = None,
    vocabulary: Annotated[
        str, typer.Option("--vocabulary", help="Only parts of this one, by its digest.")
    ] = "",
) -> None:
    """Write parts in another format: each document once and whole, with its end token, without padding.

    Every part is checked before it is taken. The folder appears when all are in it, or not at all.
    """
    from services.sink.export import check_format, chosen
    from services.sink.export import export as export_parts

    check_format(form)
    interrupt.hold()  # what is half written is removed
    with wrong_parts():
        store = store_in(folder)
        done = export_parts(store, chosen(store, names or (), vocabulary), form, out)
    print(f"{done.parts} parts, {done.documents} documents, {done.tokens} tokens in {out}", file=sys.stderr)
