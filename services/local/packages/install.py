"""`python -m services.local.packages.install`: fetch Kafka's jars and Triton's wheels, prepare their start.

A step of `make setup`. Nothing is downloaded at run time. A second call checks and returns. `--kafka`,
`--triton`: one of the two alone; `--s3`: the S3 server, which one machine does not need. `--lock` resolves
all of them anew.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from services.local import interrupt


def main(arguments: list[str]) -> int:
    """0 when everything that is needed is in place, 1 with a message that says what to do."""
    from services.local.packages import jars, wheels
    from services.local.servers import s3
    from services.runtime import CorpusworksError

    try:
        if arguments == ["--lock"]:
            jars.KAFKA.resolve()
            s3.JARS.resolve()
            wheels.lock()
            return 0
        wanted = arguments or ["--kafka", "--triton"]
        if "--s3" in wanted:
            s3.JARS.fetch(lambda name: print(f"  {name}", flush=True))
        if "--kafka" in wanted:
            kafka()
    except CorpusworksError as error:
        print(f"install: {error}", file=sys.stderr)
        return 1
    if "--triton" in wanted:
        print(triton(), flush=True)
    return 0


def kafka() -> None:
    """Fetch Kafka and prepare its start. Raises ConfigurationError."""
    from services.local.packages import jars, programs

    begun = time.monotonic()
    jars.KAFKA.fetch(lambda name: print(f"  {name}", flush=True))
    programs.kafka_jars()
    train()
    print(f"Kafka is in {jars.KAFKA.folder()} ({time.monotonic() - begun:.0f} s)", flush=True)


def triton() -> str:
    """Fetch Triton and try it once; what there is to say. The judges work without it too."""
    from services.local.packages import wheels
    from services.local.servers.triton import try_out
    from services.runtime import ConfigurationError, CorpusworksError

    begun = time.monotonic()
    try:
        if (reason := wheels.unsupported()) is not None:
            raise ConfigurationError(reason)
        wheels.fetch()
        if not wheels.runs():
            try_out()
    except CorpusworksError as error:
        return f"No local Triton, the judges run inside the services instead: {error}"
    return f"Triton is in {wheels.folder()} ({time.monotonic() - begun:.0f} s)"


def train() -> None:
    """Start the broker once with the packaged Java, ask it what a river asks, and stop it: Java then writes
    down the classes that it loaded.

    A start then takes half the CPU; and what it formatted spares a new folder another start of Java. Only a
    help: where it cannot be done, Kafka starts without.
    """
    from services.local.packages import jars, programs
    from services.local.packages.rehearsal import rehearse
    from services.local.servers.kafka import KafkaServer, aot_cache, first_records
    from services.runtime import load_settings

    java = programs.java()
    if java != programs.packaged_java() or (programs.java_version(java) or 0) < 25:
        return
    if aot_cache().exists() and first_records().exists():
        return
    for stale in jars.KAFKA.folder().glob("*.aot"):
        stale.unlink()
    with TemporaryDirectory(dir=jars.KAFKA.folder()) as scratch:
        written = Path(scratch) / "start.aot"
        with KafkaServer(Path(scratch) / "kafka", train=written) as server:
            settings = load_settings()
            reached = settings.kafka.model_copy(update=server.access)
            rehearse(settings.model_copy(update={"kafka": reached}))
            formatted = server.folder / "data" / first_records().name
            shutil.copyfile(formatted, Path(scratch) / formatted.name)
        shutil.move(Path(scratch) / formatted.name, first_records())
        if written.exists():
            shutil.move(written, aot_cache())


if __name__ == "__main__":
    interrupt.take()  # before anything that takes long to import
    try:
        sys.exit(main(sys.argv[1:]))
    except interrupt.Interrupted:
        interrupt.leave()
