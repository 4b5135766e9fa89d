"""`audit bias`: whom the rules drop more than others; as a table, a picture, a word at the end of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.archived import archive_in
from services.cli.audit import AsJson, Folder
from services.cli.exits import EXIT_WRONG, fail
from services.cli.rows import print_rows
from services.runtime import ConfigurationError, ObjectStore, load_settings

if TYPE_CHECKING:
    from services.archive.bias import Share
    from services.mixer.picture import Shape

app = typer.Typer()

_BIAS = ("unit", "reason", "group", "drops", "judged", "ratio", "from", "to", "verdict")


@app.command("bias")
def audit_bias(
    folder: Folder,
    *,
    by: Annotated[str, typer.Option(help="language, format or category; left out: all three.")] = "",
    picture: Annotated[
        Path | None, typer.Option(help="Ratios as bars: .svg, or .png (needs Pillow).")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Groups too small to tell as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Each rule's share of drops in each group against its share in the whole; exit 1 where one is biased.

    The ratio lies between `from` and `to`, and is no bias where it may be 1.
    """
    from services.archive.bias import BOUND, GROUPS, LEAST_DROPS, LEAST_JUDGED
    from services.archive.query import Damaged

    if by and by not in GROUPS:
        raise ConfigurationError(f"--by {by}: there are {', '.join(GROUPS)}")
    store = archive_in(folder)
    try:
        found = [
            share
            for dimension in ([by] if by else GROUPS)
            for share in _shares(store, dimension)
            if every or (share.drops >= LEAST_DROPS and share.judged >= LEAST_JUDGED)
        ]
    except Damaged as error:
        fail(error, EXIT_WRONG)
    if picture is not None:
        _picture_of(found, picture)
    rows = [_row(share) for share in found]
    print_rows(_BIAS, [row if as_json else _short(row) for row in rows], as_json=as_json, as_csv=False)
    if not found:
        told = f"no rule has {LEAST_DROPS} drops in a group of {LEAST_JUDGED}; --all shows smaller ones"
        print(told, file=sys.stderr)
    if biased := [share for share in found if share.is_biased]:
        print(
            f"{len(biased)} above {BOUND:g}: `audit sample --rule {biased[0].reason}` shows why",
            file=sys.stderr,
        )
        raise typer.Exit(EXIT_WRONG)


def too_much(store: ObjectStore) -> list[str]:
    """A line for each rule that drops a language too much. Raises DependencyDown, Damaged."""
    return [
        f"{share.unit}: {share.reason} dropped {share.drops:,} of {share.judged:,} documents in {share.group}"
        f", {share.ratio:.2f} × the share of all"
        for share in _shares(store, "language")
        if share.is_biased
    ]


def _shares(store: ObjectStore, by: str) -> list[Share]:
    from services.archive.bias import bias
    from services.cli.options import topology_of

    return bias(store, list(topology_of(load_settings()).services), by, _applies)


def _applies(unit: str, reason: str, by: str, group: str) -> bool:
    """Whether a rule of the table can drop a group; every other reason can drop any."""
    from services.rules.table import RULES, group_of

    rules = [rule for rule in RULES if rule.reason == reason] if unit == "rules" else []
    if not rules or by == "category":
        return True
    if by == "format":
        return any(group in rule.formats for rule in rules)
    return any(rule.group in group_of(group) for rule in rules)


def _row(share: Share) -> dict[str, Any]:
    told = ("unit", "reason", "by", "group", "drops", "judged", "share", "whole", "ratio")
    low, high = share.between
    more = {"from": low, "to": high, "verdict": "BIASED" if share.is_biased else ""}
    return {name: getattr(share, name) for name in told} | more


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """For a screen of 80 columns."""
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in row.items()}


_WIDTH, _BAR, _LEFT, _RIGHT = 900, 18, 330, 70  # pixels; names stand left of the bars, numbers right
_MOST = 4.0  # ratio at the right edge


def _picture_of(found: list[Share], path: Path) -> None:
    """A bar for each ratio, red where biased, and a line between what numbers chance leaves it."""
    from services.archive.bias import BOUND
    from services.mixer.picture import Line, Picture, Text, block

    def across(ratio: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(ratio, _MOST) / _MOST

    foot = 50 + _BAR * max(1, len(found))
    shapes: list[Shape] = [Text((16, 28), "Drops of each rule by group, against the whole", size=16)]
    for ratio, dash, said in ((1.0, 0.0, "1: as the whole"), (BOUND, 4.0, f"{BOUND:g}: the most")):
        shapes += [
            Line((across(ratio), 44), (across(ratio), foot + 4), "faint", 1.0, dash),
            Text((across(ratio), foot + 18), said, "end" if ratio <= 1 else "start"),
        ]
    if not found:
        shapes.append(Text((_LEFT - 8, 62), "too few drops to tell", "end"))
    for number, share in enumerate(found):
        y = 50 + _BAR * number
        low, high = share.between
        colour = "#D55E00" if share.is_biased else "#0072B2"
        shapes += [
            Text((_LEFT - 8, y + 12), f"{share.unit} {share.reason}: {share.group}", "end"),
            block(_LEFT, y + 2, max(across(share.ratio) - _LEFT, 0.5), _BAR - 5, colour),
            Line((across(low), y + 8), (across(high), y + 8), "ink", 1.0),
            Text((_WIDTH - 8, y + 12), f"{share.ratio:.2f}", "end"),
        ]
    Picture("Drops of each rule by group", _WIDTH, foot + 30, shapes).write(path)
    print(f"{path} written", file=sys.stderr)
