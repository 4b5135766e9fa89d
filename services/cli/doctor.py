"""`doctor`: what is found, what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli.exits import EXIT_WRONG

app = typer.Typer()


@app.command()
def doctor(
    out: Annotated[Path, typer.Option("--out", help="Where the output would go.")] = Path("."),
) -> None:
    """What is found, what is missing, what to install."""
    from services.local.doctor import check

    findings = check(out)
    for finding in findings:
        verdict = "ok" if finding.ok else "MISSING" if finding.required else "note"
        print(f"{verdict:8} {finding.name}: {finding.found}")
        if not finding.ok:
            print(f"         {finding.advice}")
    if not all(finding.ok for finding in findings if finding.required):
        raise typer.Exit(EXIT_WRONG)
