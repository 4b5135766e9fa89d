"""The unit: ids and counts into the document, by the runtime's own way of building it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contracts import Document
from services.runtime import (
    ConfigurationError,
    DependencyDown,
    Drop,
    Emit,
    ObjectStore,
    Resources,
    Settings,
    VocabularyCard,
    configure,
)
from services.tokenizer import END_OF_DOCUMENT, SERVICE, TokenizerConfig, Vocabulary
from services.tokenizer.ranks import format_ranks
from services.tokenizer.vocabulary import digest_of_file

TEXTS = ["河水向东流。", "Rivers run to the sea.", "if x:\n    y()\n", "<|endoftext|>"]


@pytest.fixture(scope="module")
def judge():
    return SERVICE.build(TokenizerConfig(keep=False), Resources(Settings()))


def test_sets_ids_and_count_and_keeps_the_text(judge) -> None:
    """A count that differs from the ids, ids in another byte order, a document without its end."""
    documents = [Document(id=str(number), text=text) for number, text in enumerate(TEXTS)]
    verdicts = judge(documents)
    vocabulary = Vocabulary.load()
    assert len(verdicts) == len(TEXTS)
    for verdict, number, text in zip(verdicts, range(9), TEXTS, strict=False):
        assert isinstance(verdict, Emit)
        document = verdict.document
        ids = np.frombuffer(document.token_ids, dtype="<u4")
        assert document.id == str(number)
        assert document.text == text
        assert document.num_tokens == len(ids)
        assert document.tokenizer == vocabulary.digest
        assert np.flatnonzero(ids == vocabulary.end_of_document).tolist() == [len(ids) - 1]
        assert vocabulary.decode(ids) == text
        expected = len(text.encode()) / (len(ids) - 1)
        assert document.features["bytes_per_token"] == pytest.approx(expected)


def test_judging_twice_changes_nothing(judge) -> None:
    """A redelivered document that gets a second end token."""
    first = judge([Document(text=TEXTS[0])])[0].document.SerializeToString(deterministic=True)
    again = judge([Document.FromString(first)])[0].document.SerializeToString(deterministic=True)
    assert again == first


def test_empty_document_is_dropped_for_a_declared_reason(judge) -> None:
    """A part full of end-of-document tokens; its neighbours must not move."""
    verdicts = judge([Document(text="a"), Document(), Document(text="b")])
    assert isinstance(verdicts[1], Drop)
    assert verdicts[1].reason in SERVICE.drop_reasons
    assert [verdict.document.text for verdict in verdicts[::2]] == ["a", "b"]


def test_empty_batch(judge) -> None:
    """A crash when every document of a batch was dropped before."""
    assert judge([]) == []


@pytest.fixture
def given(tmp_path):
    """The settings of a vocabulary of single bytes."""
    path = tmp_path / "bytes.tiktoken"
    path.write_bytes(format_ranks({bytes([byte]): byte for byte in range(256)}))
    return {"vocabulary": str(path), "end_of_document": "<end>"}


def test_uses_the_configured_vocabulary_and_leaves_it_in_the_store(tmp_path, given) -> None:
    """A setting that is read and not used; parts that nobody can decode once the file has moved."""
    resources = Resources(Settings(store_url=f"file://{tmp_path}/store"))
    config = configure("tokenizer", SERVICE.config, given)
    document = SERVICE.build(config, resources)([Document(text="ab")])[0].document
    assert np.frombuffer(document.token_ids, dtype="<u4").tolist() == [97, 98, 256]
    card = VocabularyCard.find(resources.store, document.tokenizer)
    assert (card.size, card.end_of_document, card.end_token) == (257, 256, "<end>")
    again = Vocabulary(card.content(resources.store, card.digest), card.end_token)
    assert (again.digest, again.decode([97, 98, 256])) == (document.tokenizer, "ab")


def test_a_card_without_its_file_is_not_left(tmp_path, given) -> None:
    """A kill between the two: the card says that the file is there."""

    class Full(ObjectStore):
        room = 1

        def put(self, key, value):
            if not self.room:
                raise DependencyDown(self.url, "no space left on device")
            self.room -= 1
            super().put(key, value)

    store = Full(f"file://{tmp_path}/store")
    vocabulary = Vocabulary.load(Path(given["vocabulary"]), "<end>")
    with pytest.raises(DependencyDown):
        vocabulary.card.keep(store, vocabulary.content)
    with pytest.raises(ConfigurationError, match=rf"vocabularies/{vocabulary.digest}.json is not in file://"):
        VocabularyCard.find(store, vocabulary.digest)
    store.room = 2
    vocabulary.card.keep(store, vocabulary.content)
    assert VocabularyCard.find(store, vocabulary.digest) == vocabulary.card
    vocabulary.card.keep(store, vocabulary.content)  # the store is full again: nothing is written twice


def test_apply_leaves_nothing_in_the_store(tmp_path) -> None:
    """A command without servers that writes into a bucket."""
    assert not configure("tokenizer", SERVICE.config, SERVICE.offline).keep


def test_the_digest_needs_no_engine_and_tells_vocabularies_apart(given) -> None:
    """Two processes that agree on a digest and not on the ids."""
    path = Path(given["vocabulary"])
    assert digest_of_file(path, "<end>") == Vocabulary.load(path, "<end>").digest
    assert digest_of_file(None, END_OF_DOCUMENT) == Vocabulary.load().digest
    assert (
        len({digest_of_file(path, "<end>"), digest_of_file(path, "<eod>"), digest_of_file(None, "<end>")})
        == 3
    )
    config = configure("tokenizer", SERVICE.config, given)
    assert SERVICE.agrees(config, Settings()) == {"vocabulary": digest_of_file(path, "<end>")}
    with pytest.raises(ConfigurationError, match="/nowhere cannot be used"):
        digest_of_file(Path("/nowhere"), "<end>")


def test_bad_settings_name_the_unit() -> None:
    """A stack trace for a typing error in the environment."""
    with pytest.raises(ConfigurationError, match=r"(?s)tokenizer.*end_of_document"):
        configure("tokenizer", SERVICE.config, {"end_of_document": ""})
    config = configure("tokenizer", SERVICE.config, {"vocabulary": "/nowhere/vocabulary"})
    with pytest.raises(ConfigurationError, match="/nowhere/vocabulary cannot be used"):
        SERVICE.build(config, Resources(Settings()))
