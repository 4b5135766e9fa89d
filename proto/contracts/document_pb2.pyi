from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Document(_message.Message):
    __slots__ = ("id", "uid", "source", "media_type", "body", "text", "ingested_ms", "metadata", "language", "language_confidence", "format", "category", "features", "score", "rank", "calibration", "cluster", "token_ids", "num_tokens", "bucket", "phase", "use", "tokenizer", "recipe", "packing", "position", "references", "removed")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class FeaturesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    INGESTED_MS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    NUM_TOKENS_FIELD_NUMBER: _ClassVar[int]
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    USE_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    PACKING_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    id: str
    uid: int
    source: str
    media_type: str
    body: bytes
    text: str
    ingested_ms: int
    metadata: _containers.ScalarMap[str, str]
    language: str
    language_confidence: float
    format: str
    category: str
    features: _containers.ScalarMap[str, float]
    score: float
    rank: float
    calibration: str
    cluster: int
    token_ids: bytes
    num_tokens: int
    bucket: str
    phase: str
    use: int
    tokenizer: str
    recipe: str
    packing: str
    position: Position
    references: _containers.RepeatedCompositeFieldContainer[Reference]
    removed: _containers.RepeatedCompositeFieldContainer[Removed]
    def __init__(self, id: _Optional[str] = ..., uid: _Optional[int] = ..., source: _Optional[str] = ..., media_type: _Optional[str] = ..., body: _Optional[bytes] = ..., text: _Optional[str] = ..., ingested_ms: _Optional[int] = ..., metadata: _Optional[_Mapping[str, str]] = ..., language: _Optional[str] = ..., language_confidence: _Optional[float] = ..., format: _Optional[str] = ..., category: _Optional[str] = ..., features: _Optional[_Mapping[str, float]] = ..., score: _Optional[float] = ..., rank: _Optional[float] = ..., calibration: _Optional[str] = ..., cluster: _Optional[int] = ..., token_ids: _Optional[bytes] = ..., num_tokens: _Optional[int] = ..., bucket: _Optional[str] = ..., phase: _Optional[str] = ..., use: _Optional[int] = ..., tokenizer: _Optional[str] = ..., recipe: _Optional[str] = ..., packing: _Optional[str] = ..., position: _Optional[_Union[Position, _Mapping]] = ..., references: _Optional[_Iterable[_Union[Reference, _Mapping]]] = ..., removed: _Optional[_Iterable[_Union[Removed, _Mapping]]] = ...) -> None: ...

class Documents(_message.Message):
    __slots__ = ("documents",)
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    documents: _containers.RepeatedCompositeFieldContainer[Document]
    def __init__(self, documents: _Optional[_Iterable[_Union[Document, _Mapping]]] = ...) -> None: ...

class Position(_message.Message):
    __slots__ = ("topic", "partition", "offset", "topic_id", "redriven")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    REDRIVEN_FIELD_NUMBER: _ClassVar[int]
    topic: str
    partition: int
    offset: int
    topic_id: str
    redriven: bool
    def __init__(self, topic: _Optional[str] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ..., topic_id: _Optional[str] = ..., redriven: _Optional[bool] = ...) -> None: ...

class Reference(_message.Message):
    __slots__ = ("field", "key", "size")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    field: str
    key: str
    size: int
    def __init__(self, field: _Optional[str] = ..., key: _Optional[str] = ..., size: _Optional[int] = ...) -> None: ...

class Removed(_message.Message):
    __slots__ = ("text", "at", "host", "documents", "needed")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    NEEDED_FIELD_NUMBER: _ClassVar[int]
    text: str
    at: int
    host: str
    documents: int
    needed: int
    def __init__(self, text: _Optional[str] = ..., at: _Optional[int] = ..., host: _Optional[str] = ..., documents: _Optional[int] = ..., needed: _Optional[int] = ...) -> None: ...
