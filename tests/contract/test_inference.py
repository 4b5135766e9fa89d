"""One contract, held by the stand-in in process and by a real Triton; then what only a server can do: be
away, be late, be full, be killed, serve something else.
"""

from __future__ import annotations

import json
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import grpc
import numpy as np
import onnxruntime
import pytest
from tritonclient.grpc import InferenceServerClient

from services.inference import Description, Encoder, InferenceConfig, Judged
from services.inference.encoder import IN_PROCESS
from services.inference.windows import piece_windows, pieces
from services.local.servers.triton import Triton
from services.runtime import ConfigurationError, DependencyDown
from tests import servers, tiny_model
from tests.gate import Gate

TEXTS = [
    "",
    " \n\t",
    "The ferry leaves at seven.",
    "渡口七点开船。",
    "def add(a, b):\n    return a + b",
    "[CLS] these names are text [SEP] [PAD]",
    "a long walk along the old canal, " * 40,
    "河上有桥，桥下有船，" * 90,
    "one word and no space: " + "z" * 30_000,
    "表格 | table | 12.5 % ☃ 🙂 \u200b end",
]


def many_texts(count: int) -> list[str]:
    """Of every length from nothing to far beyond three windows, half of them Chinese."""
    rng = random.Random(7)
    words = ["water", "7", "bridge", "old", "(see)", "stone", "under"]
    return [
        "".join(rng.choices("春江水月夜照人家山高，。", k=rng.choice([0, 3, 30, 150, 400])))
        if number % 2
        else " ".join(rng.choices(words, k=rng.choice([0, 1, 9, 40, 90, 900])))
        for number in range(count)
    ]


def reckoned(folder: Path, version: int, texts: Sequence[str]) -> dict[str, np.ndarray]:
    """What the model says by the plainest way: window by window, without batches and padding."""
    description = Description.read(folder.parent, folder.name)
    tokenizer, size = description.tokenizer(), description.window
    session = onnxruntime.InferenceSession(folder / str(version) / "model.onnx")
    rows: dict[str, list[np.ndarray]] = {name: [] for name in description.heads}
    for text in texts:
        parts = [tokenizer.encode(piece, add_special_tokens=False).ids for piece in pieces(text, size)]
        answers = []
        for window in piece_windows(parts, size):
            ids = np.array([[description.cls_id, *window, description.sep_id]])
            answers.append(session.run(list(rows), {"input_ids": ids, "attention_mask": np.ones_like(ids)}))
        for name, logits in zip(rows, zip(*answers, strict=True), strict=True):
            rows[name].append(np.mean(logits, axis=0)[0])
    return {name: np.array(found) for name, found in rows.items()}


def assert_same(judged: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    assert judged.keys() == expected.keys()
    for name, logits in expected.items():
        assert judged[name].shape == logits.shape
        assert judged[name].dtype == np.float32
        assert np.abs(judged[name] - logits).max() < 1e-3, name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder of the test's own, at version 1."""
    return tiny_model.make(tmp_path / "models")


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """For tests that leave it as it is; its models lie in `server.models[0]`."""
    repository = tmp_path_factory.mktemp("repository")
    tiny_model.make(repository)
    with servers.triton(tmp_path_factory.mktemp("triton"), repository) as server:
        yield server


@pytest.fixture
def server(folder: Path, tmp_path: Path) -> Iterator[Triton]:
    """A Triton of the test's own over `folder`."""
    with servers.triton(tmp_path / "triton", folder.parent) as server:
        yield server


class Place:
    """One of the two over a model folder, and how it is told that the folder has changed."""

    def __init__(self, url: str, folder: Path, refresh: Callable[[], object] = lambda: None) -> None:
        self.url, self.folder, self.refresh = url, folder, refresh

    def open(self, options: InferenceConfig | None = None, models: Path | None = None) -> Encoder:
        return Encoder.open(self.url, models or self.folder.parent, "judge", options)


@pytest.fixture(params=["in process", "triton"])
def place(request: pytest.FixtureRequest, folder: Path) -> Place:
    """One whose folder may be changed."""
    if request.param == "in process":
        return Place(IN_PROCESS, folder)
    server = request.getfixturevalue("server")
    return Place(server.url, folder, server.refresh)


@pytest.fixture(params=["in process", "triton"])
def shared_place(request: pytest.FixtureRequest, shared_server: Triton) -> Place:
    """One that stays as it is, since a start costs seconds."""
    url = IN_PROCESS if request.param == "in process" else shared_server.url
    return Place(url, shared_server.models[0] / "judge")


class TestContract:
    def test_a_thousand_documents_as_the_model_says(self, shared_place: Place) -> None:
        """Padding, buckets, order, windows and their mean: each mistake would be another number here."""
        texts = TEXTS + many_texts(1000 - len(TEXTS))
        encoder = shared_place.open()
        judged = encoder.judge(texts)
        encoder.close()
        assert judged.version == 1
        expected = reckoned(shared_place.folder, 1, texts)
        assert np.unique(expected["quality"].round(4)).size > 500  # or anything would be right
        assert_same(judged.logits, expected)

    @pytest.mark.parametrize(
        "options",
        [
            InferenceConfig(bucket=1, max_tokens=1, in_flight=1),
            InferenceConfig(bucket=1000, max_tokens=10**6, in_flight=50),
            InferenceConfig(bucket=7, max_tokens=100, in_flight=2),
        ],
    )
    def test_no_setting_changes_a_number(self, shared_place: Place, options: InferenceConfig) -> None:
        """Batches are a matter of speed only."""
        encoder = shared_place.open(options)
        assert_same(encoder.judge(TEXTS).logits, reckoned(shared_place.folder, 1, TEXTS))
        encoder.close()

    def test_nothing_to_judge(self, shared_place: Place) -> None:
        """An empty batch has an empty answer, and needs no server."""
        encoder = shared_place.open()
        assert {name: rows.shape for name, rows in encoder.judge([]).logits.items()} == {
            "category": (0, len(tiny_model.LABELS)),
            "quality": (0, 1),
        }
        assert encoder.judge(["", ""]).logits["quality"].shape == (2, 1)
        encoder.close()

    def test_a_text_that_is_no_text_harms_only_its_call(self, shared_place: Place) -> None:
        """The runtime finds the guilty document by running them alone."""
        encoder = shared_place.open()
        with pytest.raises((UnicodeError, TypeError)):
            encoder.judge(["good", "half a character: \ud800"])
        assert_same(encoder.judge(["good"]).logits, reckoned(shared_place.folder, 1, ["good"]))
        encoder.close()

    def test_a_version_is_switched_under_load(self, place: Place) -> None:
        """No call fails, every answer is wholly that of the version it names, and the new one takes over."""
        texts = TEXTS + many_texts(40)
        options = InferenceConfig(
            max_tokens=256, in_flight=2
        )  # many requests, so that a switch falls between
        expected = {1: reckoned(place.folder, 1, texts)}
        encoder = place.open(options)
        answers: list[Judged] = []
        problems: list[BaseException] = []
        over = threading.Event()

        def load() -> None:
            try:
                while not over.is_set():
                    answers.append(encoder.judge(texts))
            except BaseException as error:  # noqa: BLE001 - shown by the assertion
                problems.append(error)

        caller = threading.Thread(target=load)
        caller.start()
        try:
            for version in (1, 2, 3):
                if version > 1:
                    tiny_model.add_version(place.folder, version)
                    expected[version] = reckoned(place.folder, version, texts)
                    place.refresh()
                deadline = time.monotonic() + 20
                while not problems and (not answers or answers[-1].version < version):
                    assert time.monotonic() < deadline, "the new version never answered"
                    time.sleep(0.01)
        finally:
            over.set()
            caller.join()
            encoder.close()
        assert problems == []
        versions = [answer.version for answer in answers]
        assert set(versions) == {1, 2, 3}
        assert versions == sorted(versions)
        assert np.abs(expected[1]["quality"] - expected[2]["quality"]).max() > 0.01
        for answer in answers:
            assert_same(answer.logits, expected[answer.version])

    def test_a_broken_version_is_left_out(self, place: Place) -> None:
        """A bad roll-out leaves the version that works; a mended one is taken up."""
        encoder = place.open()
        assert encoder.judge(["a"]).version == 1
        broken = tiny_model.add_version(place.folder, 2)
        content = broken.read_bytes()
        broken.write_bytes(content[:1000])
        with nullcontext() if place.url == IN_PROCESS else pytest.raises(ConfigurationError):
            place.refresh()
        assert encoder.judge(["a"]).version == 1
        broken.unlink()
        broken.write_bytes(content)
        place.refresh()
        assert encoder.judge(["a"]).version == 2
        encoder.close()

    def test_a_version_is_taken_back(self, place: Place) -> None:
        """The way back from a bad model is to remove it."""
        tiny_model.add_version(place.folder, 2)
        place.refresh()
        encoder = place.open()
        assert encoder.judge(["a"]).version == 2
        shutil.rmtree(place.folder / "2")
        place.refresh()
        assert encoder.judge(["a"]).version == 1
        encoder.close()

    def test_a_version_with_other_heads_is_refused(self, shared_place: Place, tmp_path: Path) -> None:
        """Labels would be read off the wrong columns."""
        description = json.loads((shared_place.folder / "model.json").read_text())
        description["heads"]["category"]["labels"] = ["news", "web"]
        other = tmp_path / "other" / "judge"
        shutil.copytree(shared_place.folder, other)
        (other / "model.json").write_text(json.dumps(description))
        with pytest.raises(ConfigurationError, match="does not fit"):
            shared_place.open(models=other.parent).judge(["a"])

    def test_another_tokenizer_is_refused(self, shared_place: Place, tmp_path: Path) -> None:
        """Ids of another vocabulary give verdicts that look like verdicts."""
        other = tmp_path / "other" / "judge"
        shutil.copytree(shared_place.folder, other)
        (other / "tokenizer.json").write_text((shared_place.folder / "tokenizer.json").read_text() + "\n")
        if shared_place.url != IN_PROCESS:
            (other / "config.pbtxt").unlink()  # then only the server knows
        with pytest.raises(ConfigurationError, match=r"sha256 .*take both from one export"):
            shared_place.open(models=other.parent).judge(["a"])

    def test_a_model_that_is_nowhere(self, shared_place: Place) -> None:
        """The message names those that are there."""
        with pytest.raises(ConfigurationError, match=r"no model juge .*has judge"):
            Encoder.open(shared_place.url, shared_place.folder.parent, "juge")


class TestServer:
    def test_a_model_that_the_server_does_not_have(self, shared_server: Triton, tmp_path: Path) -> None:
        """A folder here is no model there."""
        tiny_model.make(tmp_path, "grader")
        with pytest.raises(ConfigurationError, match=r"has no model grader; it has: judge"):
            Encoder.open(shared_server.url, tmp_path, "grader").judge(["a"])

    def test_a_model_that_is_not_loaded_is_waited_for(self, server: Triton, folder: Path) -> None:
        """Between unload and load nothing may be dropped, and the process must not end."""
        encoder = Encoder.open(server.url, folder.parent, "judge", InferenceConfig(retries=1))
        assert encoder.judge(["a"]).version == 1
        with InferenceServerClient(server.url) as operator:
            operator.unload_model("judge")
            while operator.is_model_ready("judge"):
                time.sleep(0.01)
            for _ in range(2):  # with the old connection, and with a new one
                with pytest.raises(DependencyDown, match="triton"):
                    encoder.judge(["a"])
            operator.load_model("judge")
        assert encoder.judge(["a"]).version == 1
        encoder.close()

    def test_a_version_that_answers_something_else(self, server: Triton, folder: Path) -> None:
        """Triton serves what it can load; labels must not be read off columns that mean something else."""
        encoder = Encoder.open(server.url, folder.parent, "judge")
        encoder.judge(["a"])
        tiny_model.add_version(folder, 2, num_labels=9)
        server.refresh()
        with pytest.raises(ConfigurationError, match=r"version 2 of judge .*\(1, 9\) and not \(1, 6\)"):
            encoder.judge(["a"])
        shutil.rmtree(folder / "2")
        server.refresh()
        assert encoder.judge(["a"]).version == 1
        encoder.close()

    def test_nobody_listens(self, folder: Path) -> None:
        """Said at once, at every call; building the encoder needs no server."""
        encoder = Encoder.open("127.0.0.1:1", folder.parent, "judge")
        for _ in range(2):
            begun = time.monotonic()
            with pytest.raises(DependencyDown, match="triton does not answer: UNAVAILABLE"):
                encoder.judge(["a"])
            assert time.monotonic() - begun < 5

    def test_a_server_that_is_stopped_and_started(self, server: Triton, folder: Path) -> None:
        """The encoder that saw it go sees it come back."""
        encoder = Encoder.open(server.url, folder.parent, "judge")
        before = encoder.judge(TEXTS).logits
        server.stop()
        with pytest.raises(DependencyDown):
            encoder.judge(TEXTS)
        server.start()
        assert_same(encoder.judge(TEXTS).logits, before)
        encoder.close()

    def test_a_server_that_is_killed_under_load(self, server: Triton, folder: Path) -> None:
        """Every call gives the right numbers or DependencyDown, and it goes on by itself."""
        texts = TEXTS + many_texts(40)
        expected = reckoned(folder, 1, texts)
        options = InferenceConfig(max_tokens=128, backoff_s=0.01)
        encoder = Encoder.open(server.url, folder.parent, "judge", options)
        downs, deadline = 0, time.monotonic() + 30
        killer = threading.Timer(0.2, server.kill)
        killer.start()
        right_after = 0
        while right_after < 3:
            assert time.monotonic() < deadline
            try:
                assert_same(encoder.judge(texts).logits, expected)
                right_after += downs > 0
            except DependencyDown:
                downs += 1
                time.sleep(0.05)
        encoder.close()

    def test_a_late_answer(self, shared_server: Triton) -> None:
        """The deadline holds for waiting and tries together; then the runtime decides."""
        with Gate(shared_server.url) as gate:
            options = InferenceConfig(deadline_s=0.5, retries=100)
            encoder = Encoder.open(gate.url, shared_server.models[0], "judge", options)
            encoder.judge(["a"])
            gate.delay_s = 5.0
            begun = time.monotonic()
            with pytest.raises(DependencyDown, match="DEADLINE_EXCEEDED"):
                encoder.judge(["a"])
            assert 0.4 < time.monotonic() - begun < 4
            gate.delay_s, gate.refuse = 0.0, 10**6
            begun = time.monotonic()
            with pytest.raises(DependencyDown, match="the gate is shut"):
                encoder.judge(["a"])
            assert time.monotonic() - begun < 4
            gate.refuse = 0
            assert encoder.judge(["a"]).version == 1
            encoder.close()

    @pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL", "NOT_FOUND"])
    def test_a_hiccup_is_tried_again(self, shared_server: Triton, code: str) -> None:
        """A full queue or one lost instance costs a fraction of a second, and no batch of documents."""
        models = shared_server.models[0]
        with Gate(shared_server.url) as gate:
            options = InferenceConfig(backoff_s=0.01, max_tokens=256)
            encoder = Encoder.open(gate.url, models, "judge", options)
            gate.refuse, gate.code = 3, grpc.StatusCode[code]
            assert_same(encoder.judge(TEXTS).logits, reckoned(models / "judge", 1, TEXTS))
            assert gate.refuse == 0
            gate.refuse = 10**6
            with pytest.raises(DependencyDown, match=code):
                encoder.judge(TEXTS)
            gate.refuse = 0
            assert_same(encoder.judge(TEXTS).logits, reckoned(models / "judge", 1, TEXTS))
            encoder.close()

    def test_rows_that_the_server_refuses_are_the_documents_fault(self, shared_server: Triton) -> None:
        """Else one of them would stop the river for ever."""
        with Gate(shared_server.url) as gate:
            encoder = Encoder.open(gate.url, shared_server.models[0], "judge")
            gate.refuse, gate.code = 1, grpc.StatusCode.INVALID_ARGUMENT
            with pytest.raises(ValueError, match="triton refuses judge: the gate is shut"):
                encoder.judge(["a"])
            assert gate.tries == 1
            assert encoder.judge(["a"]).version == 1
            encoder.close()

    @pytest.mark.parametrize("bound", [1, 3])
    def test_no_more_than_the_bound_is_under_way(self, shared_server: Triton, bound: int) -> None:
        """A thousand documents at once would fill the server's memory, and be late together."""
        with Gate(shared_server.url) as gate:
            gate.delay_s = 0.01
            options = InferenceConfig(in_flight=bound, max_tokens=256)
            encoder = Encoder.open(gate.url, shared_server.models[0], "judge", options)
            encoder.judge(TEXTS + many_texts(200))
            encoder.close()
            assert gate.tries > 10 * bound
            assert gate.most == bound

    def test_a_request_is_as_large_as_the_server_takes(self, shared_server: Triton) -> None:
        """Each costs a millisecond and more, beside which a model as small as a judge is soon done."""
        texts = ["词" * 30 + str(number) for number in range(250)]  # of one length; the graph takes 16
        with Gate(shared_server.url) as gate:
            encoder = Encoder.open(gate.url, shared_server.models[0], "judge")
            logits = encoder.judge(texts).logits
            assert gate.tries == 1
            gate.max_rows = 100
            encoder.close()
            assert_same(encoder.judge(texts).logits, logits)
            assert gate.tries == 1 + 3
            encoder.close()

    def test_rows_beyond_what_the_server_takes(self, shared_server: Triton, tmp_path: Path) -> None:
        """Every full batch would be refused, and be taken for the documents' fault."""
        folder = tmp_path / "judge"
        shutil.copytree(shared_server.models[0] / "judge", folder)
        description = json.loads((folder / "model.json").read_text()) | {"max_batch_size": 2000}
        (folder / "model.json").write_text(json.dumps(description))
        with pytest.raises(ConfigurationError, match=r"does not fit .*2000"):
            Encoder.open(shared_server.url, tmp_path, "judge").judge(["a"])
