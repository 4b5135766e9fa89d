"""`audit bias`, `audit sample`, `audit reinstate`: who is dropped too much, what it was, and back it goes."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.media_types import HTML
from services.archive.asked import Asked
from services.cli.audit import AsJson, Folder
from services.cli.exits import EXIT_WRONG, fail
from services.cli.rows import print_rows
from services.local.store import store_in
from services.runtime import WAIVER, ConfigurationError, ObjectStore, grant, load_settings

if TYPE_CHECKING:
    from services.archive.bias import Share
    from services.mixer.picture import Shape

app = typer.Typer()

Rule = Annotated[
    str, typer.Option("--rule", help="Why it was dropped, as `audit count --by unit,reason` has it.")
]
Unit = Annotated[str, typer.Option(help="Who dropped it.")]
Language = Annotated[str, typer.Option("--lang", "--language", help="zh, en, …")]
Name = Annotated[str, typer.Option("--id", help="The name its owner gave it.")]
Uid = Annotated[str, typer.Option(help="16 hex digits.")]
Number = Annotated[int, typer.Option("-n", min=1, help="So many, by chance.")]
Seed = Annotated[int, typer.Option(help="Another one: other drops.")]

_SAMPLED = (
    "uid", "id", "source", "unit", "reason", "measured", "threshold", "detail", "language", "format",
    "category", "media_type", "metadata", "body", "text",
)  # fmt: skip


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
    from services.archive.bias import BOUND, GROUPS, LEAST_DROPS, LEAST_JUDGED, bias
    from services.archive.query import Damaged
    from services.cli.options import topology_of

    if by and by not in GROUPS:
        raise ConfigurationError(f"--by {by}: there are {', '.join(GROUPS)}")
    units = list(topology_of(load_settings()).services)
    try:
        found = [
            share
            for dimension in ([by] if by else GROUPS)
            for share in bias(store_in(folder), units, dimension, _applies)
            if every or (share.drops >= LEAST_DROPS and share.judged >= LEAST_JUDGED)
        ]
    except Damaged as error:
        fail(error, EXIT_WRONG)
    if picture is not None:
        _picture_of(found, picture)
    rows = [_row(share) for share in found]
    print_rows(_BIAS, [row if as_json else _short(row) for row in rows], as_json=as_json, as_csv=False)
    if biased := [share for share in found if share.is_biased]:
        print(
            f"{len(biased)} above {BOUND:g}: `audit sample --rule {biased[0].reason}` shows why",
            file=sys.stderr,
        )
        raise typer.Exit(EXIT_WRONG)


@app.command("sample")
def audit_sample(
    folder: Folder,
    *,
    rule: Rule = "",
    unit: Unit = "",
    language: Language = "",
    number: Number = 20,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Drops by chance: what was measured, the threshold, the text as it was received and as it was judged."""
    found, number_of = _sampled(store_in(folder), number, seed, unit=unit, reason=rule, language=language)
    for row in found:
        if row["body"] is not None:
            row["body"] = (
                row["body"].decode(errors="replace") if isinstance(row["body"], bytes) else row["body"]
            )
        print(json.dumps(row, ensure_ascii=False, default=str) if as_json else _page(row))
    told = f"{len(found)} of {number_of} drops" if found else "nothing was dropped that is like this"
    print(told, file=sys.stderr)


@app.command("reinstate")
def audit_reinstate(
    folder: Folder,
    *,
    rule: Rule = "",
    language: Language = "",
    name: Name = "",
    uid: Uid = "",
    why: Annotated[str, typer.Option(help="For those who come after.")],
    to: Annotated[Path, typer.Option(help="New JSONL file for `run` or `import`, which the rules let pass.")],
    labels: Annotated[
        Path | None, typer.Option(help="Appended to: the same as good text for `judge train`.")
    ] = None,
    number: Number = 1000,
    seed: Seed = 0,
) -> None:
    """Drops of the rules, or of the scorer as junk, that were wrong, as documents with a waiver, and as
    examples for the judges.
    """
    if not (rule or name or uid):
        raise ConfigurationError("say which drops: --rule, --id or --uid")
    if to.exists():
        raise ConfigurationError(f"{to} is there already: name a new file")
    store = store_in(folder)
    unit = "scorer" if rule == _JUNK else "rules"
    asked = {"unit": unit, "reason": rule, "language": language, "id": name, "uid": uid.lower()}
    sampled, number_of = _sampled(store, number, seed, **asked)
    # One that was judged again has several drops.
    found = list({row["uid"]: row for row in sampled if row["text"]}.values())
    if not found:
        raise ConfigurationError(
            f"the {unit} dropped no text that is like this: `audit list --unit {unit}` has them"
        )
    with to.open("x", encoding="utf-8") as documents:
        for row in found:
            record = _record(row, grant(store, row["text"], {row["reason"]}, why))
            documents.write(json.dumps(record, ensure_ascii=False) + "\n")
    if labels is not None:
        with labels.open("a", encoding="utf-8") as examples:
            for row in found:
                example = {
                    "text": row["text"],
                    **({"junk": 0} if rule == _JUNK else {"quality": 1.0}),
                    "lang": row["language"],
                    "source": f"waived: {why}",
                }
                examples.write(json.dumps(example, ensure_ascii=False) + "\n")
    some = f" of {number_of} (-n for more)" if number_of > len(found) else ""
    print(
        f"{len(found)} documents{some} in {to}; they go back with: corpusworks run {to} --out …\n"
        "The rules let them pass; the judges and dedup judge them as any other.",
        file=sys.stderr,
    )


def _record(row: dict[str, Any], waiver: str) -> dict[str, Any]:
    """As `run` reads it: with what was known of the document, and of a text its kind."""
    kind = row["media_type"] or ""
    is_text = kind.startswith("text/") and not kind.startswith(HTML)
    said = {
        "id": f"{row['id']}#reinstated",
        "text": row["text"],
        WAIVER: waiver,
        "reinstated": row["source"],
        **({"media_type": kind} if is_text else {}),
    }
    return said | {name: value for name, value in row["metadata"] or () if name not in {*said, "html"}}


def _sampled(store: ObjectStore, number: int, seed: int, **equal: str) -> tuple[list[dict[str, Any]], int]:
    """Drops that are like this, each as likely as any other (reservoir), in order; and how many there are."""
    from services.archive.query import Damaged, rows
    from services.archive.tables import TABLES

    rng, kept, seen = random.Random(seed), list[tuple[int, dict[str, Any]]](), 0
    asked = Asked({name: value for name, value in equal.items() if value})
    try:
        for seen, row in enumerate(rows(store, TABLES["drops"], asked, _SAMPLED), start=1):
            if len(kept) < number:
                kept.append((seen, row))
            elif (place := rng.randrange(seen)) < number:
                kept[place] = (seen, row)
    except Damaged as error:
        fail(error, EXIT_WRONG)
    return [row for _, row in sorted(kept, key=lambda each: each[0])], seen


_JUNK = "junk"  # the one reason of the scorer's that a person can waive: a rank is no fault
_BIAS = ("unit", "reason", "group", "drops", "judged", "ratio", "from", "to", "verdict")


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


def _page(row: dict[str, Any]) -> str:
    """A drop for a person to read."""
    bound = "" if row["threshold"] is None else f" against {row['threshold']:g}"
    measured = "" if row["measured"] is None else f", measured {row['measured']:.4g}{bound}"
    head = (
        f"── {row['uid']}  {row['unit']}: {row['reason']}{measured}\n"
        f"   {row['detail'] or ''}\n   {row['language'] or 'und'} {row['format'] or ''}  {row['source']}"
    )
    received = f"\n── as received\n{row['body']}" if row["body"] else ""
    return f"{head}{received}\n── as judged\n{row['text'] or ''}\n"


_WIDTH, _BAR, _LEFT = 900, 18, 330
_MOST = 4.0  # ratio at the right edge


def _picture_of(found: list[Share], path: Path) -> None:
    from services.archive.bias import BOUND
    from services.mixer.picture import Line, Picture, Text, block

    scale = (_WIDTH - _LEFT - 70) / _MOST
    height = 60 + _BAR * max(1, len(found)) + 20
    shapes: list[Shape] = [Text((16, 28), "Drops of each rule by group, against the whole", size=16)]
    for number, share in enumerate(found):
        y = 50 + _BAR * number
        length = scale * min(share.ratio, _MOST)
        colour = "#D55E00" if share.is_biased else "#0072B2"
        shapes += [
            Text((_LEFT - 8, y + 12), f"{share.unit} {share.reason}: {share.group}", "end"),
            block(_LEFT, y + 2, max(length, 0.5), _BAR - 5, colour),
            Text((_LEFT + length + 6, y + 12), f"{share.ratio:.2f}"),
        ]
    for ratio, dash in ((1.0, 0.0), (BOUND, 4.0)):
        shapes.append(
            Line((_LEFT + scale * ratio, 44), (_LEFT + scale * ratio, height - 14), "faint", 1.0, dash)
        )
    Picture("Drops of each rule by group", _WIDTH, height, shapes).write(path)
    print(f"{path} written", file=sys.stderr)
