"""`report`: what a folder holds and what its runs did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from services.cli.exits import EXIT_WRONG, fail
from services.cli.options import AsJson
from services.local import reports
from services.local.origin import origin
from services.runtime import ConfigurationError, DependencyDown, meant_path

app = typer.Typer()


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Folder given to run or up.")],
    run: Annotated[
        int | None, typer.Option("--run", min=1, help="That run alone, as it was reported when it ended.")
    ] = None,
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="The page with pictures, written there.")
    ] = None,
) -> None:
    """What the folder holds from all its runs, by the archive: numbers, or a page; no server is needed."""
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is no folder{meant_path(folder)}")
    if run is not None:
        _show_run(folder, run, as_json=as_json)
        return
    from services.archive.query import Damaged

    try:
        text, row = _made(folder)
    except Damaged as error:
        fail(error, EXIT_WRONG)
    if html is not None:
        _write(html, text)
    if as_json:
        print(json.dumps(row, ensure_ascii=False))
    else:
        _show(row, origin(folder))


def write_page(out: Path, console: Console) -> None:
    """Beside report.json, at the end of a run. What cannot be made is said, and the run stands."""
    from services.archive.query import Damaged
    from services.cli.bias import too_much
    from services.local.store import store_in

    try:
        for said in too_much(store_in(str(out))):
            console.print(
                f"[yellow]{said}[/yellow]; corpusworks audit bias {out}", soft_wrap=True, highlight=False
            )
        _write(out / reports.PAGE, _made(out)[0])
    except (ConfigurationError, Damaged, DependencyDown) as error:
        console.print(f"no {reports.PAGE}: {error}", soft_wrap=True, highlight=False)
    else:
        console.print(f"with pictures: {out / reports.PAGE}", soft_wrap=True)


def _made(folder: Path) -> tuple[str, dict[str, Any]]:
    """The page, and the numbers. Raises ConfigurationError, DependencyDown, Damaged."""
    from services.cli.archived import archive_in
    from services.cli.bias import too_much
    from services.cli.report.page import page
    from services.cli.report.survey import survey

    store = archive_in(str(folder))
    found = survey(store)
    runs = [each for number in reports.numbers(folder) if (each := reports.read(folder, number))]
    told = [{name: run[name] for name in ("run", "ended", "documents_in", "kept")} for run in runs]
    return page(str(folder), found, runs, too_much(store)), found.row | {"runs": told}


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}") from error


def _show_run(folder: Path, number: int, *, as_json: bool) -> None:
    from services.local.screen import show_report

    found = reports.read(folder, number)
    if found is None:
        known = ", ".join(map(str, reports.numbers(folder))) or "none"
        fail(f"no report of a run {number} in {folder}; there are: {known}", EXIT_WRONG)
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        show_report(found, folder, Console())


def _show(row: dict[str, Any], mixed_from: Path | None) -> None:
    came = f"documents of {mixed_from}" if mixed_from else f"{row['kept']:,} documents went to the pools"
    print(f"{came}; {row['tokens']:,} tokens in parts")
    for phase in row["phases"]:
        total = sum(phase["tokens"].values())
        shares = "  ".join(f"{bucket} {n / total:.0%}" for bucket, n in phase["tokens"].items() if total)
        print(f"phase {phase['phase']}: {total:,} tokens; mix: {shares}")
    print(f"{sum(drop['rows'] for drop in row['drops']):,} dropped: corpusworks audit count --by unit,reason")
    for run in row["runs"]:
        print(f"run {run['run']}, {run['ended']}: {run['documents_in']:,} documents, {run['kept']:,} kept")
