"""Examples of every command, which `--help` shows; a test holds them to what the commands take."""

from __future__ import annotations

from collections.abc import Mapping

import typer

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "run": (
        "corpusworks run ~/papers notes.jsonl.gz --out corpus",
        "corpusworks run ~/more --out corpus --set rules.min_words=20",
        "corpusworks run --out corpus",
    ),
    "up": (
        "corpusworks up --out corpus --upload 8000 --train 125m",
        "corpusworks up --out corpus --crawl https://example.com/",
    ),
    "mix": ("corpusworks mix --from corpus --recipe en-heavy --out en",),
    "rejudge": (
        "corpusworks rejudge --out corpus --unit rules --reason repeated_lines --dry-run",
        "corpusworks rejudge --out corpus --unit rules --reason too_short --set rules.min_words=20",
    ),
    "import": (
        "corpusworks import ~/more --out corpus",
        "corpusworks import hf://datasets/HuggingFaceFW/fineweb --wait 60",
    ),
    "serve": ("corpusworks serve rules", "corpusworks serve tokenizer router dedup --workers 4"),
    "topics": ("corpusworks topics --wait 60",),
    "apply": ("corpusworks apply parse rules < in.jsonl", "corpusworks apply rules --set rules.min_words=20"),
    "server": ("corpusworks server kafka --folder state",),
    "launch": ("corpusworks launch --set launcher.run=first",),
    "status": ("corpusworks status --out corpus",),
    "trace": (
        "corpusworks trace notes/7.md --out corpus",
        "corpusworks trace 00f3a1b2c3d4e5f6 --out corpus --all-topics",
    ),
    "reconcile": ("corpusworks reconcile --out corpus", "corpusworks reconcile --out corpus --thorough"),
    "report": ("corpusworks report corpus", "corpusworks report corpus --run 2 --html run-2.html"),
    "export": (
        "corpusworks export corpus --to zh.parquet --language zh",
        "corpusworks export corpus --to drops.jsonl.gz --table drops --unit rules",
    ),
    "plan": ("corpusworks plan --documents 1e9", "corpusworks plan --documents 1e8 --from corpus"),
    "doctor": ("corpusworks doctor",),
    "train": ("corpusworks train --out corpus", "corpusworks train --out corpus --config 125m --run first"),
    "parts list": ("corpusworks parts list corpus",),
    "parts verify": ("corpusworks parts verify corpus",),
    "parts decode": ("corpusworks parts decode corpus",),
    "parts show": ("corpusworks parts show corpus lane-000/part-000-755e10bb-000000000000-000000009451",),
    "parts export": ("corpusworks parts export corpus --format ds --out ds",),
    "parts adopt": ("corpusworks parts adopt --out corpus",),
    "config check": ("corpusworks config check --set rules.min_words=20",),
    "config show": ("corpusworks config show --changed", "corpusworks config show rules"),
    "archive compact": ("corpusworks archive compact corpus",),
    "audit count": ("corpusworks audit count corpus --by reason,language --unit rules",),
    "audit list": ("corpusworks audit list corpus --reason near_duplicate --with-text --json",),
    "audit files": ("corpusworks audit files corpus --table documents",),
    "audit show": ("corpusworks audit show corpus https://example.com/well.html --original",),
    "audit bias": ("corpusworks audit bias corpus --by language",),
    "audit sample": ("corpusworks audit sample corpus --rule repeated_lines --lang zh -n 20",),
    "audit reinstate": (
        "corpusworks audit reinstate corpus --rule menu --lang zh --why 'a poem' --to poems.jsonl",
    ),
    "rules test": ("corpusworks rules test page.html", "corpusworks rules test notes.jsonl --json"),
    "rules tune": ("corpusworks rules tune corpus --set max_menu_line_share=0.5",),
    "crawl add": ("corpusworks crawl add https://example.com/ --out corpus",),
    "crawl status": ("corpusworks crawl status --out corpus",),
    "crawl pause": ("corpusworks crawl pause --out corpus",),
    "crawl resume": ("corpusworks crawl resume --out corpus",),
    "crawl host": ("corpusworks crawl host example.com --delay 5 --out corpus",),
    "dlq list": ("corpusworks dlq list --out corpus",),
    "dlq show": ("corpusworks dlq show docs.raw.dlq/0/17 --out corpus",),
    "dlq redrive": ("corpusworks dlq redrive docs.raw.dlq/0/17 --out corpus",),
    "judge train": ("corpusworks judge train labelled.jsonl --recipe recipe.yaml --out run",),
    "judge evaluate": ("corpusworks judge evaluate run labelled.jsonl",),
    "judge export": ("corpusworks judge export run --repository models",),
    "judge label": (
        "corpusworks judge label texts.jsonl --out labelled.jsonl --url http://judge/v1 --model qwen",
    ),
    "judge refresh": ("corpusworks judge refresh --out corpus",),
    "judge kinds": ("corpusworks judge kinds pages.jsonl --to models/judge/page_kinds.json",),
    "judge head": ("corpusworks judge head models/judge junk.jsonl --name junk",),
    "judge junk": ("corpusworks judge junk good.jsonl --to models/judge/junk.json",),
    "judge calibrate": ("corpusworks judge calibrate --out corpus --to calibration.json",),
    "ledger doc": ("corpusworks ledger doc notes/7.md --out corpus",),
    "ledger summary": ("corpusworks ledger summary --out corpus",),
    "ledger step": ("corpusworks ledger step 100 --run first --out corpus --text",),
    "dedup cool": ("corpusworks dedup cool --out corpus --set dedup.cold_after_days=90",),
    "dedup explain": ("corpusworks dedup explain notes/7.md --out corpus",),
    "dedup plan": (
        "corpusworks dedup plan --documents 2.5e10 --thresholds 0.75,0.8",
        "corpusworks dedup plan --documents 1e9 --from corpus --tokens-needed 1e7",
        "corpusworks dedup plan --documents 1e10 --hot 1e8",
    ),
    "dedup rebuild": ("corpusworks dedup rebuild --out corpus",),
    "dedup status": ("corpusworks dedup status --out corpus",),
    "sentences rebuild": (
        "corpusworks sentences rebuild --out corpus",
        "corpusworks sentences rebuild --out second --from first --set sentences.of='[\"*\"]'",
    ),
    "sentences status": ("corpusworks sentences status --out corpus",),
    "recipe list": ("corpusworks recipe list",),
    "recipe check": ("corpusworks recipe check mine.yaml",),
    "recipe simulate": ("corpusworks recipe simulate mine.yaml --supply zh=4e9,en=4e9,code=1e9",),
    "recipe plot": ("corpusworks recipe plot mine.yaml --from corpus --out mix.svg",),
    "recipe apply": ("corpusworks recipe apply mine.yaml --out corpus",),
    "offsets list": ("corpusworks offsets list --out corpus",),
    "offsets mend": ("corpusworks offsets mend --out corpus",),
    "pool quarantine": ("corpusworks pool quarantine 00f3a1b2c3d4e5f6 --why 'a poem' --out corpus",),
    "pool forget": ("corpusworks pool forget 00f3a1b2c3d4e5f6 --why 'asked for' --out corpus",),
    "pool retokenize": ("corpusworks pool retokenize --out corpus --set tokenizer.vocabulary=law",),
    "retention show": ("corpusworks retention show --out corpus",),
    "retention apply": ("corpusworks retention apply --out corpus",),
    "tokenizer train": ("corpusworks tokenizer train ~/papers --size 49152 --out mine.tiktoken",),
    "tokenizer extend": ("corpusworks tokenizer extend tokenizer.json ~/law --tokens 4096 --out law",),
    "tokenizer convert": ("corpusworks tokenizer convert default --out tokenizer.json",),
    "tokenizer report": ("corpusworks tokenizer report default ~/law-held-out",),
}


def show(app: typer.Typer, before: str = "") -> None:
    """Put the examples behind the help of every command of an app and its groups."""
    for group in app.registered_groups:
        if group.typer_instance is not None:
            show(group.typer_instance, f"{before}{group.name} " if group.name else before)
    for command in app.registered_commands:
        name = str(command.name or getattr(command.callback, "__name__", ""))
        if found := EXAMPLES.get(before + name):
            command.epilog = "\n\n".join(["For example:", *found])
