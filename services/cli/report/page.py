"""`report.html`: one file, no script, nothing from elsewhere; each picture with its command."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from services.cli.report import charts
from services.cli.report.survey import Survey

_STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin: 2rem 0 .3rem }
code { font: 12.5px monospace; opacity: .8 } svg { max-width: 100%; height: auto }
table { border-collapse: collapse; font-size: .9rem }
td, th { padding: .15rem .8rem .15rem 0; text-align: left }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums } .bad { color: #c0392b; font-weight: 600 }
"""
_MOST_ROWS = 15  # of a picture or table; the rest is one row
_UNKNOWN = "unknown"
# Units in the order of the river, by which the flow is drawn.
_STAGES = ("parse", "rules", "classifier", "scorer", "tokenizer", "router")


def page(place: str, found: Survey, runs: Sequence[Mapping[str, Any]], biased: Sequence[str] = ()) -> str:
    """The whole file. place: the folder, as commands take it; runs: their reports, the last one last.

    biased: a line for each rule that drops a language too much.
    """
    name = shlex.quote(place)
    body = [
        f"<h1>{escape(place)}</h1>",
        *_warnings(runs, name),
        *_bias(biased, name),
        *_runs(runs),
        *_flow(found, runs, name),
        *_drops(found, name),
        *_mix(found, runs, name),
        *_duplicates(found, name),
        *_lengths(found, name),
        *_sources(found, name),
        *_processes(runs, name),
    ]
    head = f'<meta charset="utf-8"><title>Report of {escape(place)}</title><style>{_STYLE}</style>'
    return (
        f'<!doctype html><html lang="en"><head>{head}</head><body>\n' + "\n".join(body) + "\n</body></html>\n"
    )


def flow(found: Survey, letters: int) -> dict[str, dict[str, int]]:
    """What is left after each stage, and what it took. letters: that died wherever."""
    by_unit = Counter[str]()
    for (unit, _), number in found.dropped(duplicates=False).items():
        by_unit[unit] += number
    copies = sum(n for (unit, _), n in found.dropped(duplicates=True).items() if unit == "dedup")
    left = found.num_kept + copies + by_unit.total()
    rows = {"read": {"goes on": left, "dead": letters}}
    for unit in (*_STAGES, *sorted(set(by_unit) - set(_STAGES))):
        if by_unit[unit]:
            left -= by_unit[unit]
            rows[f"after {unit}"] = {"goes on": left, "dropped": by_unit[unit]}
    rows["after dedup"] = {"goes on": left - copies, "dropped": copies}
    return rows


def _warnings(runs: Sequence[Mapping[str, Any]], name: str) -> Iterator[str]:
    for run in runs[-1:]:
        if run.get("unaccounted"):
            yield f'<p class="bad">{run["unaccounted"]} documents are unaccounted for.</p>'
            yield _command(f"corpusworks reconcile --out {name}")
        lost = [*run.get("lost_sources", ()), *run.get("mostly_dead", {})]
        if lost or run.get("too_many_dead"):
            said = ", ".join(escape(path) for path in lost[:_MOST_ROWS]) or "more than may be"
            yield f'<p class="bad">{run["dead_letters"]} dead letters: {said}</p>'
            yield _table(("why", "letters"), list(run.get("dead_letters_by_reason", {}).items()))
            yield _command(f"corpusworks audit list {name} --table letters")


def _bias(biased: Sequence[str], name: str) -> Iterator[str]:
    yield from (f'<p class="bad">{escape(said)}</p>' for said in biased)
    if biased:
        yield _command(f"corpusworks audit bias {name} --by language")


def _runs(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    names = ("documents_in", "kept", "duplicates", "dead_letters", "tokens", "seconds")
    rows = [
        (run.get("run", ""), run.get("ended", ""), *(run.get(name, "") for name in names)) for run in runs
    ]
    yield "<h2>Runs</h2>"
    yield _table(("run", "ended", *(name.replace("_", " ") for name in names)), rows[-_MOST_ROWS:])


def _flow(found: Survey, runs: Sequence[Mapping[str, Any]], name: str) -> Iterator[str]:
    letters = sum(run.get("dead_letters", 0) for run in runs)
    picture = charts.bars("Flow by stage", flow(found, letters), said="goes on")
    yield from _picture("Flow by stage: documents of all runs that go on", picture.svg())
    yield _command(f"corpusworks audit count {name} --by unit")


def _drops(found: Survey, name: str) -> Iterator[str]:
    rows: dict[str, Counter[str]] = {}
    for drop in found.drops:
        if drop["unit"] not in {"dedup", "mixer"}:
            key = f"{drop['unit']}: {drop['reason']}"
            rows.setdefault(key, Counter())[drop["language"] or _UNKNOWN] += drop["rows"]
    if rows:
        picture = charts.bars("Drops by reason and language", _largest(rows))
        yield from _picture("Drops by reason and language", picture.svg())
        yield _command(f"corpusworks audit count {name} --by unit,reason,language")


def _mix(found: Survey, runs: Sequence[Mapping[str, Any]], name: str) -> Iterator[str]:
    targets = _targets(runs)
    if found.windows:
        picture = charts.mix("Mix by phase", found.windows, targets)
        yield from _picture("Mix by phase over the tokens, dashed: its target", picture.svg())
        rows = [
            (
                phase,
                bucket,
                number,
                f"{number / tokens.total():.1%}",
                _share(targets.get(phase, {}).get(bucket)),
            )
            for phase, tokens in found.by_phase().items()
            for bucket, number in tokens.most_common()
        ]
        yield _table(("phase", "bucket", "tokens", "share", "target"), rows)
        yield _command(f"corpusworks ledger summary --out {name}")


def _duplicates(found: Survey, name: str) -> Iterator[str]:
    rows = {
        reason: {"documents": number} for (_, reason), number in found.dropped(duplicates=True).most_common()
    }
    if rows:
        yield from _picture("Duplicates", charts.bars("Duplicates", rows).svg())
        yield _command(f"corpusworks audit count {name} --by unit,reason")


def _lengths(found: Survey, name: str) -> Iterator[str]:
    if found.lengths:
        powers = range(min(found.lengths), max(found.lengths) + 1)
        values = {f"{1 << power:,}": found.lengths.get(power, 0) for power in powers}
        yield from _picture("Documents by tokens, from", charts.columns("Lengths", values).svg())
        yield _command(f"corpusworks audit list {name} --table documents --json --limit 0")


def _sources(found: Survey, name: str) -> Iterator[str]:
    rows = {source.file: {"kept": source.kept, "dropped": source.dropped} for source in found.sources}
    if rows:
        picture = charts.bars("Sources", _largest({name: Counter(row) for name, row in rows.items()}))
        yield from _picture("Sources", picture.svg())
        yield _command(f"corpusworks audit count {name} --table documents --by file --tokens")


def _processes(runs: Sequence[Mapping[str, Any]], name: str) -> Iterator[str]:
    for run in runs[-1:]:
        spent, memory = run.get("cpu_seconds", {}), run.get("memory_bytes", {})
        rows = [(stage, seconds, _megabytes(memory.get(stage))) for stage, seconds in spent.items()]
        together = round(sum(spent.values()), 2), _megabytes(run.get("memory_bytes_together"))
        yield "<h2>What the last run used</h2>"
        yield _table(("process", "CPU seconds", "MB of memory at most"), [*rows, ("all together", *together)])
        yield _command(f"corpusworks report {name} --run {run.get('run', '')} --json")


def _megabytes(num_bytes: int | None) -> object:
    return round(num_bytes / 1e6) if num_bytes else ""


def _targets(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """By phase, of the last run whose recipe has it."""
    found: dict[str, dict[str, float]] = {}
    for run in runs:
        for phase in run.get("phases", ()):
            shares = {bucket: each["target"] for bucket, each in phase["mix"].items()}
            if all(share is not None for share in shares.values()):
                found[phase["phase"]] = shares
    return found


def _largest(rows: Mapping[str, Counter[str]]) -> dict[str, Counter[str]]:
    ordered = sorted(rows.items(), key=lambda item: -item[1].total())
    shown, rest = dict(ordered[:_MOST_ROWS]), ordered[_MOST_ROWS:]
    if rest:
        shown[f"{len(rest)} more"] = sum((row for _, row in rest), Counter[str]())
    return shown


def _picture(title: str, svg: str) -> Iterator[str]:
    yield f"<h2>{escape(title)}</h2>"
    yield svg


def _command(line: str) -> str:
    return f"<p><code>{escape(line)}</code></p>"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    def cell(value: object, tag: str = "td") -> str:
        number = isinstance(value, (int, float))
        said = f"{value:,}" if number else escape(str(value))
        return f'<{tag} class="n">{said}</{tag}>' if number else f"<{tag}>{said}</{tag}>"

    head = "".join(cell(name, "th") for name in names)
    lines = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{lines}</table>"
