"""All commands together."""

from __future__ import annotations

import typer

import services.cli
from services.cli import (
    adopt,
    archive,
    ask,
    audit,
    bias,
    config,
    crawl,
    dedup,
    dlq,
    doctor,
    document,
    export,
    judge,
    launch,
    ledger,
    likeness,
    mix,
    offsets,
    part,
    parts,
    plan,
    pool,
    recipe,
    reinstate,
    rejudge,
    retention,
    rules,
    run,
    sentences,
    serve,
    server,
    take,
    tokenizer,
    train,
)
from services.cli.named import complete
from services.cli.report import command as report

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=" ".join((services.cli.__doc__ or "").split("\n\n", maxsplit=1)[0].split()),
)
for group in (run, mix, rejudge, serve, server, launch, ask, report, take, plan, doctor, train):
    app.add_typer(group.app)
audit.app.add_typer(document.app)
dedup.app.add_typer(likeness.app)
for group in (part, export, adopt):
    parts.app.add_typer(group.app)
app.add_typer(parts.app, name="parts")
app.add_typer(config.app, name="config")
app.add_typer(archive.app, name="archive")
audit.app.add_typer(bias.app)
audit.app.add_typer(reinstate.app)
app.add_typer(audit.app, name="audit")
app.add_typer(dlq.app, name="dlq")
app.add_typer(judge.app, name="judge")
app.add_typer(ledger.app, name="ledger")
app.add_typer(crawl.app, name="crawl")
app.add_typer(dedup.app, name="dedup")
app.add_typer(sentences.app, name="sentences")
app.add_typer(recipe.app, name="recipe")
app.add_typer(offsets.app, name="offsets")
app.add_typer(pool.app, name="pool")
app.add_typer(retention.app, name="retention")
app.add_typer(rules.app, name="rules")
app.add_typer(tokenizer.app, name="tokenizer")

command = complete(app)
