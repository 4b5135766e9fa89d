"""What an installed package adds is there for who runs, measures, drops and exports: docs/example."""

from __future__ import annotations

import ensurepip
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.runtime import ConfigurationError, Format, ObjectStore, Unit, extension
from services.runtime.topology import DEFAULT, Topology
from services.sink.export import check_format, chosen, export
from services.sink.parts import documents
from tests.e2e.commands import ROOT, environment
from tests.unit.sink.packed import pack

EXAMPLE = ROOT / "docs" / "example"
CELLS = [
    {"cell_type": "markdown", "source": ["# Tides\n", "\n", "The keeper of the lighthouse writes the tides "
     "into his book every evening, and the harbour asks him for them when the fishermen are out at sea."]},
    {"cell_type": "code", "source": ["print(1)"], "outputs": [{"text": "a thousand lines"}]},
]  # fmt: skip
PLAIN = "The ferry comes at seven in the morning, when the fog has gone and the gulls are back at the pier. "


def _pip() -> list[str]:
    """Python's own, which a virtual environment may lack."""
    bundled = sorted((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    return [sys.executable, str(bundled[-1] / "pip")] if bundled else [sys.executable, "-m", "pip"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder to which pip installed the example."""
    target = tmp_path_factory.mktemp("installed")
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--target", str(target)]
    source = tmp_path_factory.mktemp("source")
    for path in EXAMPLE.rglob("*.*"):
        if path.suffix in {".toml", ".py"} and "build" not in path.parts:
            copy = source / path.relative_to(EXAMPLE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    done = subprocess.run(
        [*_pip(), "install", *options, str(source)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def beside(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """It is installed for this process, and not any more."""
    monkeypatch.syspath_prepend(str(installed))
    extension._loaded.cache_clear()
    yield
    extension._loaded.cache_clear()


def _topology(folder: Path) -> Path:
    """As docs/extending.md has it."""
    table = yaml.safe_load(DEFAULT.read_text())
    table["services"]["stubs"] = {"run": "stubs", "input": "docs.clean", "output": "docs.checked"}
    table["services"]["classifier"]["input"] = "docs.checked"
    table["topics"]["docs.checked"] = {"holds": "Document", "by": "partitions", "keep": "7d"}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(table))
    return path


def _applied(folder: Path, installed: Path, *paths: Path, **settings: str) -> list[dict[str, Any]]:
    given = "".join(json.dumps({"id": path.name, "path": str(path)}) + "\n" for path in paths)
    variables = environment({"CORPUSWORKS_TOPOLOGY": str(_topology(folder)), **settings})
    variables["PYTHONPATH"] = os.pathsep.join([variables["PYTHONPATH"], str(installed)])
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "apply", "parse", "rules", "stubs"],
        input=given, env=variables, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_format_an_extractor_a_rule_and_a_unit(tmp_path: Path, installed: Path) -> None:
    """Prevents: an entry point that is documented and that nobody asks for."""
    table, notebook = tmp_path / "a.tsv", tmp_path / "b.ipynb"
    table.write_text(f"id\ttext\ttitle\nrow-1\t{PLAIN * 4}\tFerries\n")
    notebook.write_text(json.dumps({"cells": CELLS}))
    loud, stub = tmp_path / "loud.txt", tmp_path / "stub.txt"
    loud.write_text(PLAIN.upper() * 4)
    stub.write_text(PLAIN * 4 + "{{stub}}")
    found: Mapping[str, Any] = {
        row["id"]: row for row in _applied(tmp_path, installed, table, notebook, loud, stub)
    }
    rows = json.dumps(found)
    assert PLAIN.strip() in found["a.tsv"]["text"], rows
    assert found["b.ipynb"]["text"].endswith("```\nprint(1)\n```"), rows
    assert "thousand" not in found["b.ipynb"]["text"]
    assert found["loud.txt"]["reason"] == "shouting", rows
    assert found["stub.txt"]["reason"] == "stub", rows


@pytest.mark.usefixtures("beside")
def test_an_exporter(tmp_path: Path) -> None:
    store = ObjectStore((tmp_path / "store").as_uri())
    pack(store, [[5, 3], [9]], vocabulary_size=60_000)
    done = export(store, chosen(store), "lines", tmp_path / "out")
    assert done.documents == 3
    lines = [json.loads(line) for path in sorted((tmp_path / "out").iterdir()) for line in path.open()]
    assert [row["tokens"] for row in lines] == [found.tokens.tolist() for found in documents(store)]
    with pytest.raises(ConfigurationError, match="there are: ds, mds, lines"):
        check_format("words")


@pytest.mark.usefixtures("beside")
def test_a_topology_names_a_unit_by_its_entry_point(tmp_path: Path) -> None:
    unit = Topology.load(_topology(tmp_path), ["zh"]).service("stubs").definition
    assert isinstance(unit, Unit)
    assert unit.drop_reasons == {"stub"}


def test_a_unit_that_no_package_adds_is_told(tmp_path: Path) -> None:
    extension._loaded.cache_clear()
    with pytest.raises(ConfigurationError, match=r"no package adds 'stubs' to corpusworks\.units"):
        Topology.load(_topology(tmp_path), ["zh"]).service("stubs").definition  # noqa: B018


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("a = gone:IT", "a of wrong cannot be imported"),
        ("a = json:loads", "a is a function and no Format"),
    ],
)
def test_a_wrong_package_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    """Prevents: a traceback out of another's package, or a format that is silently not there."""
    folder = tmp_path / "wrong-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: wrong\nVersion: 1\n")
    (folder / "entry_points.txt").write_text(f"[corpusworks.formats]\n{said}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    extension._loaded.cache_clear()
    try:
        with pytest.raises(ConfigurationError, match=told):
            extension.added(extension.FORMATS, Format)
    finally:
        extension._loaded.cache_clear()
