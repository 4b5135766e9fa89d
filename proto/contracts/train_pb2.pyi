from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class TrainEvent(_message.Message):
    __slots__ = ("run", "step", "at_ms", "kind", "loss", "gradient_norm", "bucket_loss", "parts", "documents", "detail", "number", "learning_rate", "tokens", "tokens_per_second", "recipe", "phase", "bucket_bits_per_byte", "bucket_tokens", "weights", "mfu", "wait_share", "checkpoint", "report")
    class BucketLossEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class BucketBitsPerByteEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class BucketTokensEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class WeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    RUN_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_NORM_FIELD_NUMBER: _ClassVar[int]
    BUCKET_LOSS_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    BUCKET_BITS_PER_BYTE_FIELD_NUMBER: _ClassVar[int]
    BUCKET_TOKENS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    MFU_FIELD_NUMBER: _ClassVar[int]
    WAIT_SHARE_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    run: str
    step: int
    at_ms: int
    kind: str
    loss: float
    gradient_norm: float
    bucket_loss: _containers.ScalarMap[str, float]
    parts: _containers.RepeatedScalarFieldContainer[str]
    documents: _containers.RepeatedScalarFieldContainer[int]
    detail: str
    number: int
    learning_rate: float
    tokens: int
    tokens_per_second: float
    recipe: str
    phase: str
    bucket_bits_per_byte: _containers.ScalarMap[str, float]
    bucket_tokens: _containers.ScalarMap[str, int]
    weights: _containers.ScalarMap[str, float]
    mfu: float
    wait_share: float
    checkpoint: int
    report: str
    def __init__(self, run: _Optional[str] = ..., step: _Optional[int] = ..., at_ms: _Optional[int] = ..., kind: _Optional[str] = ..., loss: _Optional[float] = ..., gradient_norm: _Optional[float] = ..., bucket_loss: _Optional[_Mapping[str, float]] = ..., parts: _Optional[_Iterable[str]] = ..., documents: _Optional[_Iterable[int]] = ..., detail: _Optional[str] = ..., number: _Optional[int] = ..., learning_rate: _Optional[float] = ..., tokens: _Optional[int] = ..., tokens_per_second: _Optional[float] = ..., recipe: _Optional[str] = ..., phase: _Optional[str] = ..., bucket_bits_per_byte: _Optional[_Mapping[str, float]] = ..., bucket_tokens: _Optional[_Mapping[str, int]] = ..., weights: _Optional[_Mapping[str, float]] = ..., mfu: _Optional[float] = ..., wait_share: _Optional[float] = ..., checkpoint: _Optional[int] = ..., report: _Optional[str] = ...) -> None: ...
