"""Golden messages: what was on the topics once must be read for ever.

`python -m tests.contract.golden` writes what is missing into proto/golden and never overwrites a message. To
add a field: add an example that has it (docs.raw.2, say) and run it; the older examples stay as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorSet
from google.protobuf.message import Message

import contracts
from contracts import (
    Agreement,
    ArchiveFile,
    Control,
    DedupRecord,
    Document,
    FirstStart,
    Flush,
    Forget,
    IngestProgress,
    Kin,
    MixerState,
    PartCatalogued,
    PartSealed,
    Pass,
    PoolState,
    Quarantine,
    RecipeChange,
    Redriven,
    Reference,
    Rejection,
    Removed,
    Retraction,
    Stretch,
    Tally,
    TrainEvent,
    archive_pb2,
    document_pb2,
    ledger_pb2,
    parts_pb2,
    river_pb2,
    train_pb2,
)

FOLDER = Path(__file__).parents[2] / "proto" / "golden"
DESCRIPTORS = FOLDER / "descriptors.bin"

TEXT = "潮水一天涨落两次。\nThe tide comes in twice a day.\n"
TOKENS = struct.pack("<5I", 17, 4021, 65535, 70001, 2)

_RAW = Document(
    id="tides.html",
    uid=0x0123456789ABCDEF,
    source="file:///harbour/tides.html#3",
    media_type="text/html",
    body=b"<p>\xb3\xb1\xcb\xae</p>",
    ingested_ms=1_764_000_000_123,
    metadata={"title": "潮水", "url": "https://example.org/tides", "licence": "CC0"},
)


def _document(base: Document, **fields: object) -> Document:
    found = Document()
    found.CopyFrom(base)
    found.MergeFrom(Document(**fields))  # type: ignore[arg-type]
    return found


_PARSED = _document(_RAW, text=TEXT, features={"parse.confidence": 0.875})
_PARSED.ClearField("body")
_CLEAN = _document(
    _PARSED,
    language="zh",
    language_confidence=0.75,
    format="prose",
    features={"rules.num_chars": 42, "rules.top_2gram": 0.0625},
)
_CLASSIFIED = _document(_CLEAN, category="encyclopedia")
_SCORED = _document(_CLASSIFIED, score=-1.5, rank=0.625)
_TOKENIZED = _document(_SCORED, token_ids=TOKENS, num_tokens=5, tokenizer="a3f5")
_ROUTED = _document(_TOKENIZED, bucket="zh")
_POOLED = _document(_ROUTED, cluster=0xFEDCBA9876543210)
_MIXED = _document(_POOLED, phase="stable", use=1)
_SLIM, _UNIQUE = _document(_POOLED), _document(_POOLED)  # from layout 3 of the messages on
_SLIM.ClearField("text")
_UNIQUE.ClearField("token_ids")
_LARGE = _document(
    _RAW,
    references=[Reference(field="body", key="bodies/0a/0a1b2c3d4e5f60718293a4b5c6d7e8f9", size=5_000_000)],
)
_LARGE.ClearField("body")
# Seen by units only; its numbers are taken all the same.
_POSITIONED = _document(_RAW)
_POSITIONED.position.topic = "docs.raw"
_POSITIONED.position.partition = 3
_POSITIONED.position.offset = 1 << 40
_POSITIONED.position.topic_id = "mYtOpIcIdAtKaFkA123456"
_POSITIONED.position.redriven = True

# <topic>.<number> -> message; {bucket} is written as it stands in topology.yaml, without the braces.
EXAMPLES: dict[str, Message] = {
    "docs.raw.1": _RAW,
    "docs.raw.2": _LARGE,
    "docs.raw.3": _POSITIONED,
    "docs.parsed.1": _PARSED,
    "docs.ruled.1": _CLEAN,
    "docs.clean.1": _CLEAN,
    "docs.clean.2": _document(
        _CLEAN,
        features={"repeated_share": 0.5},
        removed=[
            Removed(text="All rights are the harbour's.", at=36, host="example.org", documents=9, needed=4)
        ],
    ),
    "docs.classified.1": _CLASSIFIED,
    "docs.scored.1": _SCORED,
    "docs.scored.2": _document(_SCORED, calibration="6a6aed53fd4a"),
    "docs.tokenized.1": _TOKENIZED,
    "docs.routed.1": _ROUTED,
    "pool.bucket.1": _POOLED,
    "pool.bucket.2": _SLIM,
    "docs.unique.1": _UNIQUE,
    "docs.mixed.1": _MIXED,
    "docs.mixed.2": _document(_MIXED, recipe="9f86d081884c7d65"),
    "docs.mixed.3": _document(_MIXED, use=2, packing="related"),
    "docs.rejected.1": Rejection(
        document=_CLEAN,
        unit="rules",
        reason="too_short",
        measured=42,
        threshold=50,
        detail="42 characters; at least 50 are asked for",
        rejected_ms=1_764_000_001_000,
    ),
    "docs.ingested.1": IngestProgress(
        source="file:///harbour/log.jsonl",
        fingerprint="1048576-1764000000",
        num_records=70_000,
        complete=True,
    ),
    "docs.ingested.2": IngestProgress(
        source="file:///harbour/chart.png", fingerprint="99-1764000000", complete=True, skipped="an image"
    ),
    "docs.ingested.3": IngestProgress(began_ms=1_764_000_000_000, complete=True),
    "pool.control.1": Control(
        retraction=Retraction(uid=0x0123456789ABCDEF, superseded_by=0xFFFFFFFFFFFFFFFF, similarity=0.90625)
    ),
    "pool.control.2": Control(flush=Flush(run="1764000000000")),
    "pool.control.3": Control(quarantine=Quarantine(uid=0x0123456789ABCDEF, why="guilty of step 12,000")),
    "pool.control.4": Control(recipe=RecipeChange(text='{"buckets": {"zh": "true"}}')),
    "pool.control.5": Control(forget=Forget(uid=0x0123456789ABCDEF, why="asked for by its author")),
    "pool.control.6": Control(kin=Kin(key=0xFEDCBA9876543210, into=0x0123456789ABCDEF)),
    "pool.state.2": MixerState(
        recipe="9f86d081884c7d65",
        tokens={"code": 2_000, "en": 4_000, "zh": 1 << 40},
        base={"zh": 77},
        documents=12_345,
        consumed={"pool.zh": 77},
        layout=4,
        text='{"buckets": {"zh": "true"}}',
        phase="anneal",
        over=["stable"],
        pools={
            "zh": PoolState(
                begin=5,
                sorting=1,
                passes=[
                    Pass(
                        offset=1 << 40,
                        deferred=[17, 1 << 33],
                        stretches=[Stretch(start=5, where="rank > 0.5", max_uses=2)],
                    )
                ],
            )
        },
        recent=b"\0\1\2",
        gone=66_000,
    ),
    "shards.sealed.1": PartSealed(
        name="lane-001/part-000000012345",
        lane=1,
        first_offset=12_345,
        last_offset=23_456,
        phase="stable",
        num_documents=11_000,
        num_tokens=1 << 33,
        num_sequences=2_048,
        sequence_length=4_096,
        bucket_tokens={"en": 3_000, "zh": 5_000},
        sha256={"bin": "00" * 32, "idx": "11" * 32, "jsonl": "22" * 32},
        sealed_by="size",
        sealed_ms=1_764_000_002_000,
        packing="best_fit",
        tokenizer="a3f5",
        layout=2,
    ),
    "shards.sealed.2": PartSealed(
        name="lane-001/part-001-0a1b2c3d-000000012345-000000023456",
        lane=1,
        first_offset=12_345,
        last_offset=23_456,
        recipe="9f86d081884c7d65",
        numbered=True,
    ),
    "shards.sealed.3": PartSealed(
        name="lane-001/part-001-0a1b2c3d-000000012345-000000023456",
        lane=1,
        packing="related, shuffled",
        tokenizer="6a6aed53fd4a",
        layout=4,
    ),
    "shards.catalog.1": PartCatalogued(
        sequence=20_000,
        name="lane-001/part-001-0a1b2c3d-000000012345-000000023456",
        lane=1,
        phase="stable",
        recipe="9f86d081884c7d65",
        tokens=1 << 33,
        sha256={"bin": "00" * 32, "idx": "11" * 32, "jsonl": "22" * 32},
        segment=19_998,
        reached={"lane-000/part-000-0a1b2c3d": 99, "lane-001/part-001-0a1b2c3d": 23_456},
    ),
    "river.tally.1": Tally(
        entries=[
            Tally.Entry(outcome=Tally.CAME, uids=[0x0123456789ABCDEF, 0xFFFFFFFFFFFFFFFF]),
            Tally.Entry(
                outcome=Tally.DROPPED,
                unit="rules",
                reason="too_short",
                uids=[17],
                groups=[
                    Tally.Group(
                        language="zh",
                        category="news",
                        format="prose",
                        bucket="zh",
                        ranked=True,
                        documents=1,
                        tokens=1 << 33,
                    )
                ],
            ),
            Tally.Entry(outcome=Tally.UNREADABLE, unit="ingest", number=3),
            Tally.Entry(
                outcome=Tally.ANNOUNCED,
                part="lane-001/part-001-0a1b2c3d-000000012345-000000023456",
                number=11_000,
            ),
        ]
    ),
    "river.agreed.1": Agreement(name="lanes", value="2", agreed_ms=1_764_000_000_000),
    "river.starts.1": FirstStart(
        group="parse", topic="docs.raw", topic_id="mYtOpIcIdAtKaFkA123456", partitions=[0, 1, 3], at_ms=1
    ),
    "dlq.redriven.1": Redriven(topic="docs.raw.dlq", partition=2, offset=40, at_ms=1_764_000_000_000),
    "dedup.log.1": DedupRecord(
        layout=2,
        uid=0x0123456789ABCDEF,
        entry=bytes(range(63)),
        bands=bytes(range(72)),
        exact=0xFEDCBA9876543210,
        rare=b"abcdef",
        sketch=bytes(64),
    ),
    "dedup.log.2": DedupRecord(layout=2, uid=0x0123456789ABCDEF, killer=17, retracted=True),
    "dedup.log.3": DedupRecord(layout=3, uid=0x0123456789ABCDEF, cluster=0xFEDCBA9876543210),
    "dedup.log.4": DedupRecord(layout=4, uid=0x0123456789ABCDEF, cluster=0xFEDCBA9876543210, number=300),
    "dedup.log.5": DedupRecord(
        layout=6, uid=0x0123456789ABCDEF, cluster=17, number=3, merged=[0xFEDCBA9876543210, 17, 3]
    ),
    "dedup.log.6": DedupRecord(
        layout=8, uid=0x0123456789ABCDEF, bands=bytes(range(72)), late_bands=3, rare=b"abcdef", late_rare=1
    ),
    "archive.documents.1": ArchiveFile(
        table="documents",
        day="2026-11-26",
        name="documents/day=2026-11-26/pool.zh-0a1b2c3d-001-000000000100-000000000199",
        topic="pool.zh",
        topic_id="mYtOpIcIdAtKaFkA123456",
        partition=1,
        first_offset=100,
        last_offset=199,
        rows=99,
        bytes=1 << 24,
        min_uid=0x0123456789ABCDEF,
        max_uid=0xFEDCBA9876543210,
        layout=1,
    ),
    "archive.drops.1": ArchiveFile(
        table="drops",
        day="2026-11-26",
        name="drops/day=2026-11-26/docs.rejected-0a1b2c3d-003-000000000007-000000000007",
        topic="docs.rejected",
        partition=3,
        first_offset=7,
        last_offset=7,
        rows=1,
        bytes=4096,
        layout=1,
    ),
    "archive.uses.1": ArchiveFile(
        table="uses",
        day="2026-11-26",
        name="uses/day=2026-11-26/shards.sealed-0a1b2c3d-001-000000000007-000000000009",
        topic="shards.sealed",
        topic_id="mYtOpIcIdAtKaFkA123456",
        partition=1,
        first_offset=7,
        last_offset=9,
        rows=12_000,
        bytes=1 << 20,
        min_uid=0x0123456789ABCDEF,
        max_uid=0xFEDCBA9876543210,
        layout=1,
    ),
    "archive.flush.1": Flush(run="1764000000000"),
    "archive.uses.flush.1": Flush(run="1764000000000"),
    "train.events.1": TrainEvent(
        run="first",
        step=40_000,
        at_ms=1_764_000_003_000,
        kind="skip",
        loss=11.5,
        gradient_norm=250.25,
        bucket_loss={"code": 1.25, "zh": 14.5},
        parts=["lane-001/part-000000012345"],
        documents=[0x0123456789ABCDEF, 1],
        detail="7 sigma over the last 128 steps",
    ),
    "train.events.2": TrainEvent(
        run="first",
        step=40_500,
        at_ms=1_764_000_004_000,
        kind="step",
        number=812,
        loss=2.5,
        gradient_norm=0.75,
        learning_rate=0.0003,
        tokens=10_616_832_000,
        tokens_per_second=412_000.5,
        recipe="9f86d081884c7d65",
        phase="stable",
        bucket_loss={"code": 1.25, "zh": 3.5},
        bucket_bits_per_byte={"code": 0.5, "zh": 1.0625},
        bucket_tokens={"code": 4_000_000_000, "zh": 6_616_832_000},
        weights={"code": 0.4, "zh": 0.6},
        mfu=0.41,
        wait_share=0.002,
        checkpoint=40_000,
        report="train/first/spikes/step-000040000.json",
    ),
}


def path(name: str) -> Path:
    """Where a golden message lies."""
    return FOLDER / f"{name}.bin"


def descriptors() -> FileDescriptorSet:
    """The contracts as they are now."""
    found = FileDescriptorSet()
    for module in (archive_pb2, document_pb2, ledger_pb2, parts_pb2, river_pb2, train_pb2):
        module.DESCRIPTOR.CopyToProto(found.file.add())
    assert {name for name, _ in messages(found)} >= {f"corpusworks.v1.{name}" for name in contracts.__all__}
    return found


def messages(files: FileDescriptorSet) -> Iterator[tuple[str, DescriptorProto]]:
    """Every message by its full name, those inside others too."""

    def walk(prefix: str, found: DescriptorProto) -> Iterator[tuple[str, DescriptorProto]]:
        name = f"{prefix}.{found.name}"
        yield name, found
        for inner in found.nested_type:
            yield from walk(name, inner)

    for file in files.file:
        for message in file.message_type:
            yield from walk(file.package, message)


def breaches(before: FileDescriptorSet, after: FileDescriptorSet) -> list[str]:
    """What of an older contract the newer one breaks.

    A field keeps its number, name and type, or goes and leaves its number reserved for ever.
    """
    found: list[str] = []
    now = dict(messages(after))
    for name, old in messages(before):
        new = now.get(name)
        if new is None:
            found.append(f"{name} is gone")
            continue
        fields = {field.number: field for field in new.field}
        for field in old.field:
            kept = fields.get(field.number)
            if kept is None:
                if not _reserved(new, field.number):
                    found.append(f"{name}.{field.name} is gone and {field.number} is not reserved")
            elif _kind(kept) != _kind(field):
                found.append(f"{name}: {field.number} was {_kind(field)}, is {_kind(kept)}")
        for span in old.reserved_range:
            for number in range(span.start, min(span.end, span.start + 1000)):
                if not _reserved(new, number):
                    found.append(f"{name}: {number} was reserved and is not any more")
    return found


def _kind(field: FieldDescriptorProto) -> tuple[object, ...]:
    return (field.name, field.type, field.label, field.type_name, field.proto3_optional)


def _reserved(message: DescriptorProto, number: int) -> bool:
    return any(span.start <= number < span.end for span in message.reserved_range)


def main() -> None:
    """Write what is missing."""
    FOLDER.mkdir(exist_ok=True)
    for name, message in EXAMPLES.items():
        if not path(name).exists():
            path(name).write_bytes(message.SerializeToString(deterministic=True))
            print("written:", path(name).name)
    now = descriptors()
    if DESCRIPTORS.exists():
        broken = breaches(FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()), now)
        if broken:
            raise SystemExit("not written, the contract is broken:\n  " + "\n  ".join(broken))
    DESCRIPTORS.write_bytes(now.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
