from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PartRecord(_message.Message):
    __slots__ = ("id", "uid", "source", "bucket", "category", "language", "format", "rank", "phase", "use", "cluster", "spans", "num_tokens", "position", "url", "licence", "title", "recipe", "tokenizer")
    class Position(_message.Message):
        __slots__ = ("lane", "offset")
        LANE_FIELD_NUMBER: _ClassVar[int]
        OFFSET_FIELD_NUMBER: _ClassVar[int]
        lane: int
        offset: int
        def __init__(self, lane: _Optional[int] = ..., offset: _Optional[int] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    USE_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    SPANS_FIELD_NUMBER: _ClassVar[int]
    NUM_TOKENS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_FIELD_NUMBER: _ClassVar[int]
    id: str
    uid: int
    source: str
    bucket: str
    category: str
    language: str
    format: str
    rank: float
    phase: str
    use: int
    cluster: int
    spans: _containers.RepeatedCompositeFieldContainer[Span]
    num_tokens: int
    position: PartRecord.Position
    url: str
    licence: str
    title: str
    recipe: str
    tokenizer: str
    def __init__(self, id: _Optional[str] = ..., uid: _Optional[int] = ..., source: _Optional[str] = ..., bucket: _Optional[str] = ..., category: _Optional[str] = ..., language: _Optional[str] = ..., format: _Optional[str] = ..., rank: _Optional[float] = ..., phase: _Optional[str] = ..., use: _Optional[int] = ..., cluster: _Optional[int] = ..., spans: _Optional[_Iterable[_Union[Span, _Mapping]]] = ..., num_tokens: _Optional[int] = ..., position: _Optional[_Union[PartRecord.Position, _Mapping]] = ..., url: _Optional[str] = ..., licence: _Optional[str] = ..., title: _Optional[str] = ..., recipe: _Optional[str] = ..., tokenizer: _Optional[str] = ...) -> None: ...

class Span(_message.Message):
    __slots__ = ("start", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: int
    end: int
    def __init__(self, start: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class PartSealed(_message.Message):
    __slots__ = ("name", "lane", "first_offset", "last_offset", "phase", "num_documents", "num_tokens", "num_sequences", "sequence_length", "bucket_tokens", "sha256", "sealed_by", "sealed_ms", "packing", "tokenizer", "layout", "recipe", "numbered")
    class BucketTokensEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class Sha256Entry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    LANE_FIELD_NUMBER: _ClassVar[int]
    FIRST_OFFSET_FIELD_NUMBER: _ClassVar[int]
    LAST_OFFSET_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    NUM_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    NUM_TOKENS_FIELD_NUMBER: _ClassVar[int]
    NUM_SEQUENCES_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    BUCKET_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SEALED_BY_FIELD_NUMBER: _ClassVar[int]
    SEALED_MS_FIELD_NUMBER: _ClassVar[int]
    PACKING_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    NUMBERED_FIELD_NUMBER: _ClassVar[int]
    name: str
    lane: int
    first_offset: int
    last_offset: int
    phase: str
    num_documents: int
    num_tokens: int
    num_sequences: int
    sequence_length: int
    bucket_tokens: _containers.ScalarMap[str, int]
    sha256: _containers.ScalarMap[str, str]
    sealed_by: str
    sealed_ms: int
    packing: str
    tokenizer: str
    layout: int
    recipe: str
    numbered: bool
    def __init__(self, name: _Optional[str] = ..., lane: _Optional[int] = ..., first_offset: _Optional[int] = ..., last_offset: _Optional[int] = ..., phase: _Optional[str] = ..., num_documents: _Optional[int] = ..., num_tokens: _Optional[int] = ..., num_sequences: _Optional[int] = ..., sequence_length: _Optional[int] = ..., bucket_tokens: _Optional[_Mapping[str, int]] = ..., sha256: _Optional[_Mapping[str, str]] = ..., sealed_by: _Optional[str] = ..., sealed_ms: _Optional[int] = ..., packing: _Optional[str] = ..., tokenizer: _Optional[str] = ..., layout: _Optional[int] = ..., recipe: _Optional[str] = ..., numbered: _Optional[bool] = ...) -> None: ...

class PartCatalogued(_message.Message):
    __slots__ = ("sequence", "name", "lane", "phase", "recipe", "tokens", "sha256", "segment", "reached")
    class Sha256Entry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ReachedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LANE_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    REACHED_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    name: str
    lane: int
    phase: str
    recipe: str
    tokens: int
    sha256: _containers.ScalarMap[str, str]
    segment: int
    reached: _containers.ScalarMap[str, int]
    def __init__(self, sequence: _Optional[int] = ..., name: _Optional[str] = ..., lane: _Optional[int] = ..., phase: _Optional[str] = ..., recipe: _Optional[str] = ..., tokens: _Optional[int] = ..., sha256: _Optional[_Mapping[str, str]] = ..., segment: _Optional[int] = ..., reached: _Optional[_Mapping[str, int]] = ...) -> None: ...
