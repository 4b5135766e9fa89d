"""`judge junk`: a table of good documents' limits; and junk in the archive: counted, sampled, put back."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts import Document, Flush, Rejection
from services.archive.asked import Asked
from services.archive.query import count
from services.archive.tables import TABLES
from services.cli.app import app
from services.runtime import ObjectStore
from services.scorer import Limits
from services.scorer.junk import Group
from tests import tiny_model
from tests.unit.archive.rows import lane


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A judge whose quality is called junk too, by the network's own name."""
    import onnx
    from onnx import helper

    folder = tiny_model.make(tmp_path / "models")
    path = folder / "1" / "model.onnx"
    network = onnx.load(str(path))
    network.graph.node.append(helper.make_node("Identity", ["quality"], ["junk"]))
    network.graph.output.append(helper.make_tensor_value_info("junk", onnx.TensorProto.FLOAT, ["batch", 1]))
    onnx.save(network, str(path))
    told = json.loads((folder / "model.json").read_text())
    told["heads"]["junk"] = {"kind": "score"}
    (folder / "model.json").write_text(json.dumps(told))
    return tmp_path / "models"


def test_good_documents_make_the_table_and_junk_does_not(models: Path, tmp_path: Path) -> None:
    """Prevents junk among the labelled texts from raising the limits that are to find it."""
    draw = random.Random(5)
    words = ("lamp", "keeper", "stairs", "ships", "harbour", "night", "slept", "burned", "home", "again")
    texts = tmp_path / "texts.jsonl"
    with texts.open("w") as file:
        for number in range(160):
            row = {"id": str(number), "text": " ".join(draw.choices(words, k=40)) + f" {number}."}
            file.write(json.dumps(row | ({"junk": 1} if number >= 130 else {})) + "\n")
    made = tmp_path / "junk.json"
    there = [f"--set={unit}.models={models}" for unit in ("classifier", "scorer")]
    shown = run("judge", "junk", texts, "--to", made, *there)
    table = Limits.load(made)
    assert table.groups[Group("en")].documents == 130
    assert "130" in shown or sum(limit.documents for g, limit in table.groups.items() if g.category) <= 130
    done = CliRunner().invoke(app, ["judge", "junk", str(texts), "--least", "131", *there])
    assert done.exit_code != 0
    assert "no language has 131 good documents" in str(done.exception)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    store = ObjectStore((tmp_path / "out").as_uri())
    store.put("parts/river.json", b"{}")
    drops, documents = lane(store, "drops"), lane(store)
    for number in range(6):
        document = Document(
            uid=(number + 1) << 40, id=f"d{number}", source="file:///in/x", text=f"Letter {number}.",
            language="en", category="email", format="prose",
        )  # fmt: skip
        if number < 5:
            document.features["junk"] = float(number == 0)
        if number == 1:
            drops.put(
                "docs.rejected",
                Rejection(
                    document=document,
                    unit="scorer",
                    reason="junk",
                    measured=2.5,
                    threshold=1.5,
                    rejected_ms=1,
                ),
            )
        else:
            documents.put("pool.en", document)
    for each in (drops, documents):
        each.put("archive.flush", Flush())
        each.run()
    return tmp_path / "out"


def test_the_archive_counts_what_is_past_the_limit(out: Path) -> None:
    """Prevents a report-only head that nobody can ask about."""
    rows = count(ObjectStore(out.as_uri()), TABLES["documents"], Asked(), ["junk", "language", "category"])
    assert {(row["junk"], row["category"]): row["rows"] for row in rows} == {
        ("yes", "email"): 1,
        ("no", "email"): 3,
        (None, "email"): 1,
    }


def test_junk_that_is_none_goes_back(out: Path, tmp_path: Path) -> None:
    """Prevents a drop of the scorer's from having no way back; its label teaches the head junk."""
    shown = run("audit", "sample", out, "--rule", "junk")
    assert "scorer: junk, measured 2.5 against 1.5" in shown
    to, labels = tmp_path / "back.jsonl", tmp_path / "labels.jsonl"
    run("audit", "reinstate", out, "--rule", "junk", "--why", "a letter", "--to", to, "--labels", labels)
    assert json.loads(to.read_text())["text"] == "Letter 1."
    assert json.loads(labels.read_text()) == {
        "text": "Letter 1.", "junk": 0, "lang": "en", "source": "waived: a letter",
    }  # fmt: skip
