"""`audit sample`, `audit reinstate`: what was dropped, and back it goes."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.media_types import HTML
from services.archive.asked import Asked
from services.cli.archived import archive_in
from services.cli.audit import AsJson, Folder
from services.cli.exits import EXIT_WRONG, fail
from services.runtime import ConfigurationError, ObjectStore

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

_WAIVING = ("rules", "scorer")  # units that a waiver holds for
_JUNK = "junk"  # a drop whose label teaches another head


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
    found, number_of = _sampled(archive_in(folder), number, seed, unit=unit, reason=rule, language=language)
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
    to: Annotated[Path, typer.Option(help="New JSONL file for `run` or `import`.")],
    labels: Annotated[
        Path | None, typer.Option(help="Appended to: the same as good text for `judge train`.")
    ] = None,
    number: Number = 1000,
    seed: Seed = 0,
) -> None:
    """Drops of the rules and the judge that were wrong, as documents with a waiver, and as examples."""
    from services.rules.waivers import BY_JUDGE, grant

    if not (rule or name or uid):
        raise ConfigurationError("say which drops: --rule, --id or --uid")
    if not why.strip():
        raise ConfigurationError("--why is empty: say what was wrong about the drop")
    if to.exists():
        raise ConfigurationError(f"{to} is there already: name a new file")
    if not to.absolute().parent.is_dir():
        raise ConfigurationError(f"{to.parent} is no folder: make it, or name another file")
    store = archive_in(folder)
    asked = {"reason": rule, "language": language, "id": name, "uid": uid.lower()}
    sampled, number_of = _sampled(store, number, seed, among=_WAIVING, **asked)
    # One that was judged again has several drops.
    found = list({row["uid"]: row for row in sampled if row["text"]}.values())
    if not found:
        raise ConfigurationError(_why_none(store, asked))
    examples = _examples(found, labels, why) if labels is not None else []
    records = [_record(row, grant(store, row["text"], {row["reason"], BY_JUDGE}, why)) for row in found]
    _write(to, "x", records)
    if labels is not None:
        _write(labels, "a", examples)
    some = f" of {number_of} (-n for more)" if number_of > len(found) else ""
    print(
        f"{len(found)} documents{some} in {to}; they go back with: corpusworks run {to} --out …\n"
        "These rules and the judge let them pass; dedup judges them as any other.",
        file=sys.stderr,
    )


def _why_none(store: ObjectStore, asked: dict[str, str]) -> str:
    others, number_of = _sampled(store, 1, 0, **asked)
    if not others:
        return "nothing was dropped that is like this: `audit count --by unit,reason` says what was"
    unit, reason = others[0]["unit"], others[0]["reason"]
    if unit in _WAIVING:
        return f"the archive has no text of what {unit} dropped like this ({reason})"
    return (
        f"{unit} dropped {number_of} like this ({reason}), and a waiver is for what the rules or the judge "
        f"dropped; `rejudge --unit {unit}` has them judged again by other settings"
    )


def _examples(found: list[dict[str, Any]], labels: Path, why: str) -> list[dict[str, Any]]:
    """Good texts, as `judge train` reads them, that the file does not have yet."""
    try:
        with labels.open(encoding="utf-8") as lines:
            known = {json.loads(line)["text"] for line in lines if line.strip()}
    except FileNotFoundError:
        known = set()
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{labels}: not every line is a record with a text; name another") from error
    source, new = f"waived: {why}", {row["text"]: row for row in found if row["text"] not in known}
    return [
        {
            "text": text,
            **({"junk": 0} if row["reason"] == _JUNK else {"quality": 1.0}),
            "lang": row["language"],
            "source": source,
        }
        for text, row in new.items()
    ]


def _write(path: Path, mode: str, records: list[dict[str, Any]]) -> None:
    try:
        with path.open(mode, encoding="utf-8") as file:
            file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error


def _record(row: dict[str, Any], waiver: str) -> dict[str, Any]:
    """As `run` reads it: with what was known of the document, and of a text its kind."""
    from services.rules.waivers import NAME

    kind = row["media_type"] or ""
    is_text = kind.startswith("text/") and not kind.startswith(HTML)
    said = {
        "id": f"{row['id']}#reinstated",
        "text": row["text"],
        NAME: waiver,
        "reinstated": row["source"],
        **({"media_type": kind} if is_text else {}),
    }
    return said | {name: value for name, value in row["metadata"] or () if name not in {*said, "html"}}


def _sampled(
    store: ObjectStore, number: int, seed: int, *, among: Collection[str] = (), **equal: str
) -> tuple[list[dict[str, Any]], int]:
    """Drops that are like this, each as likely as any other (reservoir), in order; and how many there are.

    among: units that dropped them; none: any.
    """
    from services.archive.query import Damaged, rows
    from services.archive.tables import TABLES

    rng, kept, seen = random.Random(seed), list[tuple[int, dict[str, Any]]](), 0
    asked = Asked({name: value for name, value in equal.items() if value})
    try:
        dropped = rows(store, TABLES["drops"], asked, _SAMPLED)
        for seen, row in enumerate((row for row in dropped if not among or row["unit"] in among), start=1):
            if len(kept) < number:
                kept.append((seen, row))
            elif (place := rng.randrange(seen)) < number:
                kept[place] = (seen, row)
    except Damaged as error:
        fail(error, EXIT_WRONG)
    return [row for _, row in sorted(kept, key=lambda each: each[0])], seen


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
