"""`rules`: what the rules say of a document, and what other thresholds would do to the archive."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.archive.asked import Asked
from services.cli.archived import archive_in
from services.cli.audit import AsJson, Folder
from services.cli.exits import EXIT_WRONG, fail
from services.cli.rows import print_rows
from services.runtime import ConfigurationError, Drop, Reject, Resources, configure, load_settings

if TYPE_CHECKING:
    from contracts import Document
    from services.rules import RulesConfig
    from services.rules.tune import Known
    from services.runtime import ObjectStore, Verdict

app = typer.Typer(no_args_is_help=True, help="Try the rules, and what other thresholds would do.")

_HEAD = 100  # characters of a sample's text


@app.command("test")
def rules_test(
    paths: Annotated[list[str], typer.Argument(metavar="FILE…", help="Documents, as `run` reads them.")],
    as_json: AsJson = False,
) -> None:
    """Each measure of each document, the bound that is held against it, and the verdict."""
    from services.cli.documents import read
    from services.cli.options import topology_of
    from services.runtime.apply import judged

    settings = load_settings()
    config = _config()
    number = 0
    for document, verdict in judged(
        ["parse", "rules"], read(paths, settings), Resources(settings), topology_of(settings)
    ):
        number += 1
        told, measures = _verdict(verdict), list(_measures(document, config))
        if as_json:
            row = {
                "id": document.id,
                "source": document.source,
                "verdict": told,
                "language": document.language,
                "format": document.format,
                "text": document.text,
            }
            print(json.dumps(row | {"measures": measures}, ensure_ascii=False))
            continue
        print(f"{document.source} ({document.id}): {told}")
        if document.format:  # else the rules have not seen it
            print(f"{document.language} ({document.language_confidence:.2f}), {document.format}")
            columns = ["measure", "value", "bound", "from", "drops"]
            print_rows(columns, map(_short, measures), as_json=False, as_csv=False)
    if not number:
        fail("no document could be read; `run` reads the same", EXIT_WRONG)


@app.command("tune")
def rules_tune(
    folder: Folder,
    settings: Annotated[
        list[str], typer.Option("--set", help="A bound: max_menu_line_share=0.5; as often as wanted.")
    ],
    number: Annotated[int, typer.Option("-n", min=0, help="So many samples of each kind of change.")] = 5,
    as_json: AsJson = False,
) -> None:
    """How many archived documents other thresholds would drop or keep, by language, with samples."""
    from services.rules.tune import changed, changes

    try:
        config = changed(_config(), dict(map(_setting, settings)))
    except ValueError as error:
        raise ConfigurationError(f"--set: {error}") from error
    store = archive_in(folder)
    seen, moved = Counter[str](), Counter[tuple[str, str, str]]()
    samples: dict[tuple[str, str, str], list[str]] = {}
    for change in changes(config, _known(store, seen)):
        document = change.document
        what = (document.language, "dropped" if change.reason else "kept", change.reason or document.reason)
        moved[what] += 1
        if moved[what] <= number:
            samples.setdefault(what, []).append(document.uid)
    columns = ["language", "would be", "rule", "documents", "of", "share", "samples"]
    rows = [
        {
            "language": what[0], "would be": what[1], "rule": what[2], "documents": number_of,
            "of": seen[what[0]], "share": number_of / seen[what[0]],
            "samples": " ".join(samples.get(what, [])),
        }
        for what, number_of in sorted(moved.items(), key=lambda item: (-item[1], item[0]))
    ]  # fmt: skip
    print_rows(columns, rows, as_json=as_json, as_csv=False)
    for what, uids in samples.items() if not as_json else ():
        for uid, text in _texts(store, what[1], uids):
            print(f"{' '.join(what)}  {uid}  {text}")
    if not rows:
        print(f"nothing would change for {seen.total()} documents", file=sys.stderr)


def _config() -> RulesConfig:
    from services.rules import RulesConfig

    config: RulesConfig = configure("rules", RulesConfig, load_settings().units.get("rules", {}))
    return config


def _verdict(verdict: Verdict) -> str:
    if isinstance(verdict, Drop):
        return f"dropped: {verdict.reason} ({verdict.detail})"
    return f"cannot be processed: {verdict.error}" if isinstance(verdict, Reject) else "kept"


def _measures(document: Document, config: RulesConfig) -> Iterator[dict[str, Any]]:
    """A row for each measure and bound, those that drop first and those without a bound last.

    "from" is where the bound is set.
    """
    return iter(
        sorted(_rows(document, config), key=lambda row: (not row["drops"], not row["from"], row["measure"]))
    )


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """For a screen."""
    sign = "≥" if row["bound"] == "at least" else "≤"
    bound = "off" if row["threshold"] is None else f"{sign} {row['threshold']:.4g}"
    return row | {"bound": row["bound"] and bound, "from": row["from"].removeprefix("units.rules.")}


def _rows(document: Document, config: RulesConfig) -> Iterator[dict[str, Any]]:
    """A bound that is off has no threshold: JSON knows no infinity."""
    from services.rules.table import bind

    bounds = bind(config, document.language, document.format) if document.format else ()
    features = dict(document.features)
    for name, value in features.items():
        judging = [bound for bound in bounds if bound.rule.measure == name]
        if not judging:
            yield {"measure": name, "value": value, "bound": "", "threshold": None, "from": "", "drops": ""}
        for bound in judging:
            sign = "at least" if bound.is_minimum else "at most"
            place = f"units.rules.{bound.rule.bound}" + (
                "" if bound.rule.item is None else f"[{bound.rule.item}]"
            )
            drops = bound.rule.reason if bound.passed_by(features) else ""
            threshold = bound.threshold_of(features)
            is_off = threshold == (0 if bound.is_minimum else inf)
            yield {
                "measure": name, "value": value, "bound": sign, "threshold": None if is_off else threshold,
                "from": place, "drops": drops,
            }  # fmt: skip


def _setting(told: str) -> tuple[str, float]:
    """As `rules test` names a bound, or as every other command does."""
    name, _, value = told.partition("=")
    try:
        return name.strip().removeprefix("units.").removeprefix("rules."), float(value)
    except ValueError:
        raise ValueError(f"{told!r} is not NAME=NUMBER") from None


def _known(store: ObjectStore, seen: Counter[str]) -> Iterator[Known]:
    """What the rules judged, of the archive, each document once; seen: how many of each language.

    One that was judged again, or dropped behind the rules, has several rows: that it was kept counts.
    """
    from services.archive.query import Damaged, rows
    from services.archive.tables import TABLES
    from services.rules.tune import Known

    columns = ["uid", "language", "format", "features"]
    before = set[str]()
    try:
        for table, more in (("documents", []), ("drops", ["unit", "reason"])):
            for row in rows(store, TABLES[table], Asked(), [*columns, *more]):
                features = dict(row["features"] or ())
                if not row["format"] or not features or row["uid"] in before:
                    continue
                before.add(row["uid"])
                seen[row["language"] or "und"] += 1
                reason = row["reason"] if row.get("unit") == "rules" else ""
                yield Known(row["uid"], row["language"] or "und", row["format"], reason, features)
    except Damaged as error:
        fail(error, EXIT_WRONG)


def _texts(store: ObjectStore, fate: str, uids: list[str]) -> Iterator[tuple[str, str]]:
    """How the texts of the samples begin."""
    from services.archive.query import rows
    from services.archive.tables import TABLES

    for uid in uids:
        for table in ("documents", "drops") if fate == "dropped" else ("drops",):
            for row in rows(store, TABLES[table], Asked({"uid": uid}), ["text"]):
                yield uid, " ".join((row["text"] or "").split())[:_HEAD]
                break
