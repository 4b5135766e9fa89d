"""`corpusworks`: the one command. Exit codes: 0 done, 1 something is wrong with the documents or the parts,
2 something is wrong with the settings, 3 a process could not be kept running, 130 interrupted.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts import Document
from services.mixer.recipe import Recipe, bucket_names
from services.runtime import (
    ConfigurationError,
    CorpusworksError,
    DeadLetterFlood,
    Resources,
    Settings,
    configure,
    load_settings,
)
from services.runtime.replicas import serve_replicas
from services.runtime.serve import EXIT_CONFIGURATION, EXIT_FLOOD, serve
from services.runtime.topology import Topology
from trainer.bert.commands import app as judge

EXIT_WRONG = 1
EXIT_FAILED = 3
EXIT_INTERRUPTED = 130

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__.split("\n")[0]
)
parts = typer.Typer(no_args_is_help=True, help="Look at packed parts; no server is needed.")
app.add_typer(parts, name="parts")
app.add_typer(judge, name="judge")

Out = Annotated[
    Path | None, typer.Option("--out", help="Folder given to run or up; default: the configured servers.")
]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", help="Buckets, weights and phases (YAML).")]
Units = Annotated[list[str], typer.Argument(help="Units in the order of the river.")]


@app.command()
def run(
    paths: Annotated[list[str], typer.Argument(help="Files and folders of documents.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for parts, report and state.")],
    recipe: RecipeFile = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what OUT holds from earlier runs.")] = False,
) -> None:
    """Documents in, packed parts out, on this machine; what is in OUT already is not done again."""
    from rich.console import Console

    from services.local.run import run as run_job
    from services.local.screen import show_report

    console = Console()
    job = _job(paths, out, recipe)  # a mistake in it must not cost what OUT holds
    if fresh:
        _forget(out)
    found = run_job(job, console)
    show_report(found, out, console)
    if found["unaccounted"]:
        raise typer.Exit(EXIT_WRONG)


@app.command()
def up(
    out: Annotated[Path, typer.Option("--out", help="Folder for parts and state.")],
    paths: Annotated[list[str] | None, typer.Argument(help="Files and folders to begin with.")] = None,
    recipe: RecipeFile = None,
) -> None:
    """Keep a river running on this machine until Ctrl-C."""
    from rich.console import Console

    from services.local.run import up as keep_up

    keep_up(_job(paths or [], out, recipe), Console())


@app.command("import")
def import_(paths: Annotated[list[str], typer.Argument(help="Files and folders of documents.")]) -> None:
    """Read documents into the configured river; goes on where it was, ends when all is published."""
    settings = load_settings()
    ingest = settings.units.get("ingest", {}) | {"paths": tuple(paths)}
    settings = settings.model_copy(update={"units": settings.units | {"ingest": ingest}})
    if not serve(["ingest"], settings, _topology(settings)):
        raise typer.Exit(EXIT_INTERRUPTED)


@app.command("serve")
def serve_(
    units: Units,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes, each with a consumer.")] = 1,
) -> None:
    """Run services in this process, against the servers that the environment names."""
    settings = load_settings()
    if workers > 1:
        raise typer.Exit(serve_replicas(units, workers, settings))
    if "sink" in units:
        settings = _told_of_vocabulary(settings)
    serve(units, settings, _topology(settings))


@app.command()
def topics() -> None:
    """Make the topics of the river on the configured Kafka; those that are there stay as they are."""
    from services.runtime.kafka import Admin

    settings = load_settings()
    with Admin(settings) as admin:
        admin.create_topics(_topology(settings).topics().values())


@app.command("apply")
def apply_(units: Units) -> None:
    """Units without a broker: lines {"id", "text"} or {"id", "path"} in, a verdict a line out."""
    from services.runtime.apply import apply

    settings = load_settings()
    resources = Resources(settings)

    def open_file(path: str) -> Document:
        return _document_of(path, resources)

    for line in apply(units, sys.stdin, resources, _topology(settings), open_file):
        sys.stdout.write(line + "\n")


@app.command()
def status(out: Out = None) -> None:
    """What waits where, and what there is."""
    from rich.console import Console

    from services.ledger.status import status as status_of
    from services.local.run import attached
    from services.local.screen import show_status

    with attached(out) as settings:
        show_status(status_of(settings, _topology(settings)), Console())


@app.command()
def trace(
    document: Annotated[str, typer.Argument(help="Its id, or its uid (16 hex digits).")], out: Out = None
) -> None:
    """Everything the river knows of one document, a line for each place it was seen."""
    from services.ledger import trace as trace_document
    from services.local.run import attached

    with attached(out) as settings:
        found = trace_document(settings, _topology(settings), document)
    for sighting in found:
        row = {"at_ms": sighting.at_ms, "topic": sighting.topic, "partition": sighting.partition}
        print(json.dumps(row | {"offset": sighting.offset} | sighting.what, ensure_ascii=False))
    if not found:
        _fail(f"no document {document!r} in the topics or the parts", EXIT_WRONG)


@app.command()
def reconcile(out: Out = None) -> None:
    """Prove that every document ingested is accounted for; exit 1 with the ids that are not."""
    from services.ledger import reconcile as reconcile_account
    from services.ledger import take_account
    from services.local.run import attached

    with attached(out) as settings:
        account = take_account(settings, _topology(settings))
    found = reconcile_account(account)
    for kind, uids in (("missing", found.missing), ("twice", found.twice)):
        for uid, name in uids.items():
            print(json.dumps({kind: name, "uid": f"{uid:016x}"}, ensure_ascii=False))
    in_parts = len({uid for uid, _, _ in account.parts})
    print(
        f"{len(account.raw)} documents: {in_parts} in parts, {len(account.waiting)} waiting, "
        f"{len(account.in_flight)} in flight, {len(account.rejected)} rejected, "
        f"{len(account.dead)} dead letters; {len(found.missing)} missing, {len(found.twice)} twice",
        file=sys.stderr,
    )
    if found:
        raise typer.Exit(EXIT_WRONG)


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


Folder = Annotated[Path, typer.Argument(help="Folder given to run or up, or a store's folder.")]


@parts.command("list")
def parts_list(folder: Folder) -> None:
    """A line for each part."""
    from services.sink.parts import list_parts

    for part in list_parts(_store(folder)):
        row = {
            "part": part.name,
            "phase": part.phase,
            "documents": part.num_documents,
            "tokens": part.num_tokens,
        }
        row |= {"sequences": part.num_sequences, "sequence_length": part.sequence_length}
        print(
            json.dumps(
                row | {"buckets": dict(part.bucket_tokens), "sealed_by": part.sealed_by}, ensure_ascii=False
            )
        )


@parts.command("verify")
def parts_verify(folder: Folder) -> None:
    """Check every part against its announcement; exit 1 with what is wrong."""
    from services.sink.parts import list_parts, verify

    store = _store(folder)
    problems = verify(store)
    for problem in problems:
        print(problem)
    print(f"{len(list_parts(store))} parts, {len(problems)} problems", file=sys.stderr)
    if problems:
        raise typer.Exit(EXIT_WRONG)


@parts.command("decode")
def parts_decode(
    folder: Folder,
    vocabulary: Annotated[Path | None, typer.Option("--vocabulary", help="If it is not the default.")] = None,
) -> None:
    """The documents in the parts as text, a JSON line each."""
    from services.sink.parts import documents
    from services.tokenizer import Vocabulary

    known = Vocabulary.load(vocabulary)
    for part, record, tokens in documents(_store(folder)):
        row = {"id": record.id, "source": record.source, "text": known.decode(tokens[:-1]), "part": part.name}
        print(json.dumps(row | {"tokens": record.num_tokens}, ensure_ascii=False))


def _job(paths: Sequence[str], out: Path, recipe: Path | None) -> Any:
    from services.ingest.walk import check
    from services.local.run import Job

    check(paths)
    if recipe is not None:
        import os

        os.environ["CORPUSWORKS_RECIPE"] = str(recipe.absolute())
    settings = load_settings()
    weights = Recipe.load(settings.recipe).phases[0].weights
    total = sum(weights.values())
    targets = {bucket: weight / total for bucket, weight in weights.items()}
    return Job([str(Path(p).absolute()) for p in paths], out, _topology(settings), targets)


def _told_of_vocabulary(settings: Settings) -> Settings:
    """What the sink has to know of the tokenizer's vocabulary; what the user set for the sink stands."""
    from services.tokenizer import TokenizerConfig, Vocabulary

    chosen = configure("tokenizer", TokenizerConfig, settings.units.get("tokenizer", {}))
    known = Vocabulary.load(chosen.vocabulary, chosen.end_of_document)
    sink = {
        "tokenizer": known.digest,
        "pad_token": known.end_of_document,
        "dtype": "uint16" if known.size <= 1 << 16 else "int32",
    }
    sink |= settings.units.get("sink", {})
    return settings.model_copy(update={"units": settings.units | {"sink": sink}})


def _topology(settings: Settings) -> Topology:
    return Topology.load(settings.topology, bucket_names(settings.recipe))


def _store(folder: Path) -> Any:
    from services.runtime import ObjectStore

    root = folder.parent if folder.name == "parts" else folder
    if not (root / "parts").is_dir():
        raise ConfigurationError(f"{folder} holds no parts: give the folder that `run` was given as --out")
    return ObjectStore(root.absolute().as_uri())


def _forget(out: Path) -> None:
    """Remove what a river left in OUT, and nothing else."""
    import shutil

    from services.local.folder import FolderLock
    from services.local.run import REPORT, STATE

    if not (out / STATE).is_dir():
        return
    FolderLock(out / STATE).release()  # raises when it is in use
    for name in (STATE, "parts", "bodies"):
        shutil.rmtree(out / name, ignore_errors=True)
    (out / REPORT).unlink(missing_ok=True)


def _document_of(path: str, resources: Resources) -> Document:
    """The first document of a file, as ingest reads it. Raises ValueError when it cannot be read."""
    from services.ingest import SERVICE, IngestConfig

    for read in SERVICE.build(IngestConfig(paths=(path,)), resources)({}):
        for piece in read.unreadable:
            raise ValueError(piece.error)
        for document in read.documents:
            return document
    raise ValueError(f"{path} holds no document")


@judge.command()
def refresh(
    out: Annotated[Path, typer.Option(help="the folder of the river that runs")],
) -> None:
    """Switch a running river to the newest versions in its model folders, without a pause."""
    from services.local.run import refresh_judges

    for model, version in refresh_judges(out).items():
        print(f"{model}: version {version}")


def _fail(message: object, code: int) -> None:
    print(f"corpusworks: {message}", file=sys.stderr)
    sys.exit(code)


@contextmanager
def _errors() -> Iterator[None]:
    """Every expected failure as one line and an exit code."""
    from services.runtime import DependencyDown

    try:
        yield
    except ConfigurationError as error:
        _fail(error, EXIT_CONFIGURATION)
    except DeadLetterFlood as error:
        _fail(error, EXIT_FLOOD)
    except (CorpusworksError, DependencyDown) as error:
        _fail(error, EXIT_FAILED)
    except _Interrupted:
        _fail("interrupted; the same command goes on from here", EXIT_INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has seen enough


class _Interrupted(BaseException):
    """Ctrl-C or SIGTERM: everything that was started is stopped on the way out."""


def _interrupt(_number: int, _frame: object) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C would leave things behind
    raise _Interrupted


def main() -> None:
    """Entry of the console script."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # it tells of every retry
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)  # a service installs its own
    with _errors():
        app()


if __name__ == "__main__":
    main()
