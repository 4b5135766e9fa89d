from contracts import document_pb2 as _document_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Rejection(_message.Message):
    __slots__ = ("document", "unit", "reason", "measured", "threshold", "detail", "rejected_ms")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MEASURED_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    REJECTED_MS_FIELD_NUMBER: _ClassVar[int]
    document: _document_pb2.Document
    unit: str
    reason: str
    measured: float
    threshold: float
    detail: str
    rejected_ms: int
    def __init__(self, document: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., unit: _Optional[str] = ..., reason: _Optional[str] = ..., measured: _Optional[float] = ..., threshold: _Optional[float] = ..., detail: _Optional[str] = ..., rejected_ms: _Optional[int] = ...) -> None: ...

class Control(_message.Message):
    __slots__ = ("retraction", "flush", "quarantine", "recipe", "forget", "kin")
    RETRACTION_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    QUARANTINE_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    FORGET_FIELD_NUMBER: _ClassVar[int]
    KIN_FIELD_NUMBER: _ClassVar[int]
    retraction: Retraction
    flush: Flush
    quarantine: Quarantine
    recipe: RecipeChange
    forget: Forget
    kin: Kin
    def __init__(self, retraction: _Optional[_Union[Retraction, _Mapping]] = ..., flush: _Optional[_Union[Flush, _Mapping]] = ..., quarantine: _Optional[_Union[Quarantine, _Mapping]] = ..., recipe: _Optional[_Union[RecipeChange, _Mapping]] = ..., forget: _Optional[_Union[Forget, _Mapping]] = ..., kin: _Optional[_Union[Kin, _Mapping]] = ...) -> None: ...

class Kin(_message.Message):
    __slots__ = ("key", "into")
    KEY_FIELD_NUMBER: _ClassVar[int]
    INTO_FIELD_NUMBER: _ClassVar[int]
    key: int
    into: int
    def __init__(self, key: _Optional[int] = ..., into: _Optional[int] = ...) -> None: ...

class Retraction(_message.Message):
    __slots__ = ("uid", "superseded_by", "similarity")
    UID_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDED_BY_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    uid: int
    superseded_by: int
    similarity: float
    def __init__(self, uid: _Optional[int] = ..., superseded_by: _Optional[int] = ..., similarity: _Optional[float] = ...) -> None: ...

class Flush(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: str
    def __init__(self, run: _Optional[str] = ...) -> None: ...

class Quarantine(_message.Message):
    __slots__ = ("uid", "why")
    UID_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    uid: int
    why: str
    def __init__(self, uid: _Optional[int] = ..., why: _Optional[str] = ...) -> None: ...

class Forget(_message.Message):
    __slots__ = ("uid", "why")
    UID_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    uid: int
    why: str
    def __init__(self, uid: _Optional[int] = ..., why: _Optional[str] = ...) -> None: ...

class RecipeChange(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class MixerState(_message.Message):
    __slots__ = ("recipe", "tokens", "documents", "consumed", "layout", "text", "phase", "over", "pools", "recent", "gone", "base")
    class TokensEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class ConsumedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class PoolsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: PoolState
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[PoolState, _Mapping]] = ...) -> None: ...
    class BaseEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    CONSUMED_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    OVER_FIELD_NUMBER: _ClassVar[int]
    POOLS_FIELD_NUMBER: _ClassVar[int]
    RECENT_FIELD_NUMBER: _ClassVar[int]
    GONE_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    recipe: str
    tokens: _containers.ScalarMap[str, int]
    documents: int
    consumed: _containers.ScalarMap[str, int]
    layout: int
    text: str
    phase: str
    over: _containers.RepeatedScalarFieldContainer[str]
    pools: _containers.MessageMap[str, PoolState]
    recent: bytes
    gone: int
    base: _containers.ScalarMap[str, int]
    def __init__(self, recipe: _Optional[str] = ..., tokens: _Optional[_Mapping[str, int]] = ..., documents: _Optional[int] = ..., consumed: _Optional[_Mapping[str, int]] = ..., layout: _Optional[int] = ..., text: _Optional[str] = ..., phase: _Optional[str] = ..., over: _Optional[_Iterable[str]] = ..., pools: _Optional[_Mapping[str, PoolState]] = ..., recent: _Optional[bytes] = ..., gone: _Optional[int] = ..., base: _Optional[_Mapping[str, int]] = ...) -> None: ...

class PoolState(_message.Message):
    __slots__ = ("begin", "sorting", "passes")
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    SORTING_FIELD_NUMBER: _ClassVar[int]
    PASSES_FIELD_NUMBER: _ClassVar[int]
    begin: int
    sorting: int
    passes: _containers.RepeatedCompositeFieldContainer[Pass]
    def __init__(self, begin: _Optional[int] = ..., sorting: _Optional[int] = ..., passes: _Optional[_Iterable[_Union[Pass, _Mapping]]] = ...) -> None: ...

class Pass(_message.Message):
    __slots__ = ("offset", "deferred", "stretches")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DEFERRED_FIELD_NUMBER: _ClassVar[int]
    STRETCHES_FIELD_NUMBER: _ClassVar[int]
    offset: int
    deferred: _containers.RepeatedScalarFieldContainer[int]
    stretches: _containers.RepeatedCompositeFieldContainer[Stretch]
    def __init__(self, offset: _Optional[int] = ..., deferred: _Optional[_Iterable[int]] = ..., stretches: _Optional[_Iterable[_Union[Stretch, _Mapping]]] = ...) -> None: ...

class Stretch(_message.Message):
    __slots__ = ("start", "where", "max_uses")
    START_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    MAX_USES_FIELD_NUMBER: _ClassVar[int]
    start: int
    where: str
    max_uses: int
    def __init__(self, start: _Optional[int] = ..., where: _Optional[str] = ..., max_uses: _Optional[int] = ...) -> None: ...

class IngestProgress(_message.Message):
    __slots__ = ("source", "fingerprint", "num_records", "complete", "skipped", "began_ms")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    NUM_RECORDS_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    BEGAN_MS_FIELD_NUMBER: _ClassVar[int]
    source: str
    fingerprint: str
    num_records: int
    complete: bool
    skipped: str
    began_ms: int
    def __init__(self, source: _Optional[str] = ..., fingerprint: _Optional[str] = ..., num_records: _Optional[int] = ..., complete: _Optional[bool] = ..., skipped: _Optional[str] = ..., began_ms: _Optional[int] = ...) -> None: ...

class Agreement(_message.Message):
    __slots__ = ("name", "value", "agreed_ms")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    AGREED_MS_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    agreed_ms: int
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ..., agreed_ms: _Optional[int] = ...) -> None: ...

class FirstStart(_message.Message):
    __slots__ = ("group", "topic", "topic_id", "partitions", "at_ms")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    group: str
    topic: str
    topic_id: str
    partitions: _containers.RepeatedScalarFieldContainer[int]
    at_ms: int
    def __init__(self, group: _Optional[str] = ..., topic: _Optional[str] = ..., topic_id: _Optional[str] = ..., partitions: _Optional[_Iterable[int]] = ..., at_ms: _Optional[int] = ...) -> None: ...

class Redriven(_message.Message):
    __slots__ = ("topic", "partition", "offset", "at_ms")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    topic: str
    partition: int
    offset: int
    at_ms: int
    def __init__(self, topic: _Optional[str] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ..., at_ms: _Optional[int] = ...) -> None: ...

class DedupRecord(_message.Message):
    __slots__ = ("layout", "uid", "entry", "bands", "exact", "rare", "sketch", "killer", "retracted", "cluster", "number", "merged", "late_bands", "late_rare")
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    BANDS_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    RARE_FIELD_NUMBER: _ClassVar[int]
    SKETCH_FIELD_NUMBER: _ClassVar[int]
    KILLER_FIELD_NUMBER: _ClassVar[int]
    RETRACTED_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    MERGED_FIELD_NUMBER: _ClassVar[int]
    LATE_BANDS_FIELD_NUMBER: _ClassVar[int]
    LATE_RARE_FIELD_NUMBER: _ClassVar[int]
    layout: int
    uid: int
    entry: bytes
    bands: bytes
    exact: int
    rare: bytes
    sketch: bytes
    killer: int
    retracted: bool
    cluster: int
    number: int
    merged: _containers.RepeatedScalarFieldContainer[int]
    late_bands: int
    late_rare: int
    def __init__(self, layout: _Optional[int] = ..., uid: _Optional[int] = ..., entry: _Optional[bytes] = ..., bands: _Optional[bytes] = ..., exact: _Optional[int] = ..., rare: _Optional[bytes] = ..., sketch: _Optional[bytes] = ..., killer: _Optional[int] = ..., retracted: _Optional[bool] = ..., cluster: _Optional[int] = ..., number: _Optional[int] = ..., merged: _Optional[_Iterable[int]] = ..., late_bands: _Optional[int] = ..., late_rare: _Optional[int] = ...) -> None: ...
