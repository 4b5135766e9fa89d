"""The judgement: what repeats in documents that came before goes, and the document goes on without it.

A stream can't look ahead: the first documents with a sentence have passed when it is known to be repeated,
and keep it, but for those that come in one batch with what makes it known. Of n documents of a host with a
line of its frame about host_documents-1 keep it, or its share of the host, whatever n is; `sentences
rebuild --from` counts the documents of another river first, so that a second run over them finds all.
(With `learn` off, or each document would count twice.)

No document is dropped here. What is left of one is judged by who comes behind, as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import translate
from urllib.parse import urlsplit

import xxhash

from contracts import Document
from services.runtime import Count, Emit, Verdict, state
from services.sentences.config import SentencesConfig
from services.sentences.keys import Keys, host_key, keys_of
from services.sentences.split import pieces
from services.sentences.table import Seen, Table
from services.sentences.taken import Mark, repeated, share, take_out, whole_text

SHARE, COPY = "repeated_share", "repeated_copy"  # features
REMOVED, FORGOTTEN = "sentences_removed", "sentences_forgotten"  # of metrics.COUNTED

_MOST = 1_000_000  # characters that are looked at, as the rules do: a document's time stays bounded
_MOST_RECORDED = 400_000  # bytes that are cut: a message must hold them beside the text
_FORMATS = frozenset({"prose", "markdown"})
_LANGUAGES = frozenset({"zh", "en"})


class Judge:
    """The judge of the unit: a call to the table for each shard and some hundred documents."""

    def __init__(self, table: Table, marks: state.Marks, config: SentencesConfig) -> None:
        self._table = table
        self._marks = marks
        self._config = config
        self._chosen = chosen(config.of)

    def __call__(self, documents: Sequence[Document]) -> list[Verdict]:
        """One verdict for each document, all Emit. Raises DependencyDown."""
        read = {n: read_of(each, self._config) for n, each in enumerate(documents) if self._chosen(each)}
        hosts = {n: host_of(documents[n]) for n in read}
        seen = [seen_in(documents[n], self._config, keys) for n, keys in read.items()]
        counts = self._table.count(seen) if seen else {}
        verdicts: list[Verdict] = []
        for number, document in enumerate(documents):
            counted: list[Count] = []
            if number in read:
                counted = _judge(document, read[number], hosts[number], counts, self._config)
            verdicts.append(Emit(document, counted=counted))
        if forgotten := self._table.forgotten():
            last = verdicts[-1]
            assert isinstance(last, Emit)
            verdicts[-1] = Emit(last.document, counted=[*last.counted, Count(FORGOTTEN, (), forgotten)])
        return verdicts

    def begin(self, offsets: Mapping[state.Place, int]) -> None:
        """See Marks: before the first judgement. Raises ConfigurationError when Redis has forgotten."""
        self._marks.begin(offsets)

    def reached(self, offsets: Mapping[state.Place, int]) -> None:
        """What lies below these offsets was counted; returns when that is on disk. Raises DependencyDown."""
        self._marks.reached(offsets)
        self._marks.sync()

    def committed(self, offsets: Mapping[state.Place, int]) -> None:
        """Kafka has committed these offsets. Raises DependencyDown."""
        self._marks.commit(offsets)


def pass_on(documents: Sequence[Document]) -> list[Verdict]:
    """The judge of a unit that is off."""
    return [Emit(document) for document in documents]


def chosen(patterns: Sequence[str]) -> Callable[[Document], bool]:
    """Whether a document is prose of a host, or a source, that a pattern names."""
    named = re.compile("|".join(map(translate, patterns)) or r"(?!)", re.IGNORECASE).match

    def is_chosen(document: Document) -> bool:
        return document.format in _FORMATS and named(host_of(document)) is not None

    return is_chosen


def read_of(document: Document, config: SentencesConfig) -> Keys:
    """The keys of a document, of the text as it came."""
    text = whole_text(document)[:_MOST]
    return keys_of(
        text,
        pieces(text, markdown=document.format == "markdown"),
        host_of(document),
        line=config.min_line,
        sentence=config.min_sentence,
        together=config.min_span,
    )


def seen_in(document: Document, config: SentencesConfig, keys: Keys | None = None) -> Seen:
    """What is counted of a document. keys: as read_of has them."""
    keys = keys or read_of(document, config)
    place = document.position
    address = document.metadata.get("url") or f"{document.uid:016x}"
    return Seen(
        keys.all() | {host_key(host_of(document))},
        (place.topic_id, place.partition) if place.topic_id else None,
        place.offset,
        xxhash.xxh3_64_intdigest(address.encode("utf-8", "surrogatepass")) & 0xFF,
        look=place.redriven or not config.learn,  # most redriven have been counted, and one less is no harm
    )


def host_of(document: Document) -> str:
    """With whom it was published: the host of its url, else its file of records, else its folder."""
    url = next((v for k, v in document.metadata.items() if k.lower() == "url"), "") or document.source
    if url.startswith(("http://", "https://")):
        try:
            host = urlsplit(url).hostname or ""
        except ValueError:
            host = ""
        return host.removeprefix("www.")
    file, record, _ = document.source.rpartition("#")
    return file if record else document.source.rpartition("/")[0]


def _judge(
    document: Document, keys: Keys, host: str, counts: Mapping[int, int], config: SentencesConfig
) -> list[Count]:
    """Take out what is repeated."""
    marks = repeated(keys, counts, host, counts[host_key(host)], config)
    part = share(keys, marks)
    if not part:
        return []
    document.features[SHARE] = part
    if part > config.copy_share:
        document.features[COPY] = 1.0
        return []
    take_out(document, keys.sentences, marks, _MOST_RECORDED)
    language = document.language if document.language in _LANGUAGES else "other"
    return [
        Count(REMOVED, (by, language), number)
        for by, number in (("host", _of(marks, True)), ("span", _of(marks, False)))
        if number
    ]


def _of(marks: Sequence[Mark | None], by_host: bool) -> int:
    return sum(1 for mark in marks if mark is not None and bool(mark.host) is by_host)
