"""`dedup explain`, `dedup plan`: why one document stays or drops, and what other thresholds would mean."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.exits import EXIT_WRONG, fail
from services.cli.options import AsJson, Out
from services.runtime import ConfigurationError, ObjectStore, Settings, configure

if TYPE_CHECKING:
    from rich.text import Text

    from services.dedup import DedupConfig
    from services.dedup.explain import Candidate, Explained

app = typer.Typer()

_UNIT = "dedup"


@app.command()
def explain(
    document: Annotated[
        str, typer.Argument(help="Its id, uid, source, path (or the end of it), URL or title.")
    ],
    *,
    out: Out = None,
    most: Annotated[int, typer.Option("--most", min=1, help="So many others, the likest.")] = 10,
    characters: Annotated[
        int, typer.Option("--characters", min=0, help="So many of both texts side by side; 0: none.")
    ] = 800,
    as_json: AsJson = False,
) -> None:
    """Whom a document meets in the index, how alike they are, what follows; both texts side by side."""
    from services.archive.tables import document_of
    from services.dedup.explain import explain_in
    from services.local.run import attached
    from services.local.store import store_in

    with attached(out) as settings:
        config = _config(settings)
        store = store_in(str(out) if out else settings.store_url)
        row = named(store, document)
        said = explain_in(settings, config, document_of(row))
        others = {each.uid: _archived(store, f"{each.uid:016x}") for each in said.candidates[:most]}
    if as_json:
        print(json.dumps(_told(said, row, others, config), ensure_ascii=False))
        return
    _print(said, row, others, config, characters)


def _config(settings: Settings) -> DedupConfig:
    from services.dedup import DedupConfig

    made: DedupConfig = configure(_UNIT, DedupConfig, settings.units.get(_UNIT, {}))
    return made


def named(store: ObjectStore, name: str) -> dict[str, Any]:
    """What the archive has of the first document of that name, with its text; exits where it has none."""
    from services.archive.named import uids
    from services.archive.query import Damaged

    try:
        found = uids(store, name)
    except Damaged as error:
        fail(error, EXIT_WRONG)
    row = next((row for uid in found if (row := _archived(store, uid)) is not None), None)
    if row is None:
        said = "by id, uid, source, path, URL or title"
        fail(f"no document {name!r} in the archive with its text, {said}", EXIT_WRONG)
    if len(found) > 1:
        print(f"{len(found)} documents of that name; this is {row['id']}", file=sys.stderr)
    return row


def _archived(store: ObjectStore, uid: str) -> dict[str, Any] | None:
    """What the archive has of it, with its text."""
    from services.archive.lookup import find
    from services.archive.query import Damaged
    from services.archive.tables import DOCUMENTS, DROPS

    try:
        rows = [row for table in (DOCUMENTS, DROPS) for row in find(store, table, uid, [*table.columns])]
    except Damaged as error:
        fail(error, EXIT_WRONG)
    return next((row for row in rows if row["text"]), None)


def _compared(row: dict[str, Any], config: DedupConfig) -> str:
    from services.archive.tables import document_of
    from services.dedup.normal import compared

    return compared(document_of(row), fold_script=config.fold_script).text


def _exact(one: dict[str, Any], other: dict[str, Any] | None, config: DedupConfig) -> float | None:
    from services.dedup.explain import jaccard

    return None if other is None else jaccard(_compared(one, config), _compared(other, config))


def _told(
    said: Explained, row: dict[str, Any], others: dict[int, dict[str, Any] | None], config: DedupConfig
) -> dict[str, Any]:
    rows = [
        {
            "uid": f"{each.uid:016x}",
            "id": (others[each.uid] or {}).get("id"),
            "likeness": each.likeness,
            "exact": _exact(row, others[each.uid], config),
            "threshold": each.threshold,
            "bands": each.bands,
            "near": each.near,
            "better": each.better,
            "namespace": each.namespace or None,
            "dropped": each.death is not None,
        }
        for each in said.candidates
        if each.uid in others
    ]
    return {
        "uid": f"{said.uid:016x}",
        "id": row["id"],
        "indexed": said.known,
        "standing": said.order[0],
        "threshold": said.threshold,
        "reference": said.reference or None,
        "dropped_for": f"{said.death.killer:016x}" if said.death else None,
        "lives": f"{said.lives:016x}",
        "no_longer_kept": said.crowd,
        "cold": said.cold._asdict() if said.cold else None,
        "candidates": rows,
    }


def _print(
    said: Explained,
    row: dict[str, Any],
    others: dict[int, dict[str, Any] | None],
    config: DedupConfig,
    characters: int,
) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for line in _decision(said, row):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    if not said.candidates:
        return
    screen = Table("uid", "id", "likeness", "exact", "threshold", "bands", "decision")
    for each in said.candidates:
        if each.uid in others:
            exact = _exact(row, others[each.uid], config)
            name = (others[each.uid] or {}).get("id") or ""
            measured = "" if exact is None else f"{exact:.3f}"
            bands = str(each.bands) if each.bands else "the same text, or by rare keys"
            cells = (f"{each.likeness:.3f}", measured, f"{each.threshold:.3g}", bands, _verdict(said, each))
            screen.add_row(f"{each.uid:016x}", name, *cells)
    console.print(screen)
    shown = next((each for each in said.candidates if said.death and each.uid == said.death.killer), None)
    shown = shown or said.candidates[0]
    other = others.get(shown.uid)
    if other is None or not characters:
        return
    one, two = _compared(row, config), _compared(other, config)
    texts = Table(f"{said.uid:016x}", f"{shown.uid:016x}", title="as they are compared; ⟦what one has alone⟧")
    texts.add_row(_marked(one, two, characters), _marked(two, one, characters))
    console.print(texts)


def _decision(said: Explained, row: dict[str, Any]) -> Iterator[str]:
    from services.dedup.cold import COLD

    known = "" if said.known else ", not in the index"
    yield (
        f"{row['id']} (uid {said.uid:016x}{known}): standing {said.order[0]:.3g}, "
        f"threshold {said.threshold:.3g}"
    )
    if not said.known:
        gone = ", or has gone to the cold tier" if said.cold and said.cold.duplicate else ""
        yield f"It would be judged anew{gone}."
    elif said.reference:
        yield f"It is of namespace {said.reference}, to be compared with: it drops as a reference."
    elif said.death is None:
        yield "It stays: no better near-duplicate of it came in."
    elif said.death.killer == COLD:
        yield "It dropped for a document of the cold tier, of which no more is known."
    else:
        how = "was taken back" if said.death.went_on else "dropped"
        instead = "" if said.lives == said.death.killer else f"; uid {said.lives:016x} stands for both"
        abroad = next((each.namespace for each in said.candidates if each.uid == said.death.killer), "")
        why = f"of namespace {abroad}" if abroad else "better"
        yield f"It {how} for uid {said.death.killer:016x}, which is {why}{instead}."
    met = f"It meets {len(said.candidates)} in its bands"
    yield f"{met}, which no longer keep {said.crowd} more." if said.crowd else f"{met}."
    if said.cold:
        yield f"{said.cold.hits} of its keys are in the cold tier, where {said.cold.needed} are enough."


def _verdict(said: Explained, each: Candidate) -> str:
    if not each.near:
        return "another text"
    gone = ", dropped itself" if each.death else ""
    if each.namespace:
        return f"near, of namespace {each.namespace}, {'before' if each.better else 'behind'} it{gone}"
    return f"near, {'better' if each.better else 'worse'}{gone}"


def _marked(one: str, other: str, characters: int) -> Text:
    from rich.text import Text

    from services.dedup.explain import shared

    made = Text()
    for piece, both in shared(one[:characters], other):
        made.append(piece if both else f"⟦{piece}⟧", style="" if both else "bold red")
    return made


@app.command("plan")
def dedup_plan(
    *,
    documents: Annotated[float, typer.Option("--documents", min=1, help="In all, as 2.5e10.")],
    thresholds: Annotated[
        str, typer.Option("--thresholds", help="With commas between them.")
    ] = "0.7,0.75,0.8,0.85,0.9",
    river: Annotated[
        str | None,
        typer.Option("--from", help="Folder or store of a corpus: the tokens that each leaves of it."),
    ] = None,
    tokens_needed: Annotated[
        float | None,
        typer.Option("--tokens-needed", min=1, help="Of that corpus: the threshold that leaves them."),
    ] = None,
    hot: Annotated[
        float | None,
        typer.Option("--hot", min=0, help="So many stay in the full index; the others go to the cold tier."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What thresholds find and leave, by the bands that are set; bytes and core hours of such an index."""
    from services.dedup.namespaces import looked_in
    from services.dedup.plan import cold_of, index_of, least_for, s_curve, threshold_of, tokens_left
    from services.runtime import load_settings

    if tokens_needed is not None and river is None:
        raise ConfigurationError("--tokens-needed is measured on a corpus: give one with --from")
    config, asked = _config(load_settings()), _thresholds(thresholds)
    seen = _seen(river) if river else {}
    left = tokens_left(seen, asked) if river else [None] * len(asked)
    rows = [threshold_of(each, config, tokens) for each, tokens in zip(asked, left, strict=True)]
    warm = documents if hot is None else min(hot, documents)
    index, cold = index_of(warm, config), cold_of(documents - warm, config)
    curve = {f"{step / 20:.2f}": s_curve(step / 20, config) for step in range(8, 20)}
    least = least_for(seen, tokens_needed) if tokens_needed else None
    if as_json:
        told = {"index": asdict(index), "s_curve": curve, "thresholds": [asdict(row) for row in rows]}
        told |= {"cold": asdict(cold)} if cold else {}
        print(json.dumps(told | ({"threshold_for_tokens": least} if tokens_needed else {}), indent=1))
        return
    print(f"{config.bands} bands of {config.rows} rows; two documents meet, by their likeness:")
    print("  " + "  ".join(f"{likeness} {chance:.3g}" for likeness, chance in curve.items()))
    for row in rows:
        tokens = "" if row.tokens is None else f"; leaves {row.tokens:,.0f} tokens"
        print(
            f"threshold {row.threshold:.3g}: finds {row.recall:.1%} of the pairs above it, takes "
            f"{row.false:.2%} of those .02 to .1 below for copies{tokens}"
        )
    print(
        f"{index.documents:,.0f} documents: {index.strangers:.2g} strangers met by chance a document, "
        f"{index.bytes / 1e9:,.1f} GB of Redis, {index.core_hours:,.0f} core hours"
    )
    if cold:
        finds = ", ".join(f"{alike} {chance:.2g}" for alike, chance in cold.finds.items())
        print(
            f"{cold.documents:,.0f} in the cold tier: {cold.bytes / 1e9:,.2f} GB of Redis, up to twice that "
            f"while it grows; finds, by likeness, {finds}; drops an unrelated document with a chance "
            f"of {cold.false:.1g}"
        )
    for name, others in looked_in(config.namespaces).items():
        print(
            f"a document of {name} is also looked up in {', '.join(others)}: {len(others)} more calls a batch"
        )
    if tokens_needed:
        said = f"a threshold of {least:.2f}" if least is not None else "no threshold"
        print(f"{said} leaves {tokens_needed:,.0f} tokens of what is in {river}")


def _thresholds(said: str) -> list[float]:
    try:
        found = [float(each) for each in said.split(",")]
    except ValueError as error:
        raise ConfigurationError(f"--thresholds: {error}") from error
    for each in found:
        if not 0.5 <= each <= 1:
            raise ConfigurationError(f"--thresholds: a similarity from 0.5 to 1 is needed, not {each:g}")
    return found


def _seen(river: str) -> dict[float, int]:
    """Tokens by likeness. Exact copies drop at every threshold, and are left out."""
    from services.archive.asked import Asked
    from services.archive.query import Damaged, rows
    from services.archive.tables import DOCUMENTS, DROPS
    from services.dedup.plan import tokens_by_likeness
    from services.local.store import store_in

    store = store_in(river)
    near = Asked(equal={"unit": _UNIT, "reason": "near_duplicate"})
    try:
        return tokens_by_likeness(
            rows(store, DROPS, near, ["num_tokens", "measured", "threshold", "detail"]),
            rows(store, DOCUMENTS, Asked(), ["uid", "num_tokens", "features"]),
        )
    except Damaged as error:
        fail(error, EXIT_WRONG)
