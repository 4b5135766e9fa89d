from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Tally(_message.Message):
    __slots__ = ("entries",)
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNKNOWN: _ClassVar[Tally.Outcome]
        CAME: _ClassVar[Tally.Outcome]
        DROPPED: _ClassVar[Tally.Outcome]
        DEAD: _ClassVar[Tally.Outcome]
        UNREADABLE: _ClassVar[Tally.Outcome]
        REVIVED: _ClassVar[Tally.Outcome]
        PART: _ClassVar[Tally.Outcome]
        AGAIN: _ClassVar[Tally.Outcome]
        LEFT_AGAIN: _ClassVar[Tally.Outcome]
        ASIDE: _ClassVar[Tally.Outcome]
        RESUMED: _ClassVar[Tally.Outcome]
        ANNOUNCED: _ClassVar[Tally.Outcome]
    UNKNOWN: Tally.Outcome
    CAME: Tally.Outcome
    DROPPED: Tally.Outcome
    DEAD: Tally.Outcome
    UNREADABLE: Tally.Outcome
    REVIVED: Tally.Outcome
    PART: Tally.Outcome
    AGAIN: Tally.Outcome
    LEFT_AGAIN: Tally.Outcome
    ASIDE: Tally.Outcome
    RESUMED: Tally.Outcome
    ANNOUNCED: Tally.Outcome
    class Group(_message.Message):
        __slots__ = ("language", "category", "format", "bucket", "ranked", "documents", "tokens")
        LANGUAGE_FIELD_NUMBER: _ClassVar[int]
        CATEGORY_FIELD_NUMBER: _ClassVar[int]
        FORMAT_FIELD_NUMBER: _ClassVar[int]
        BUCKET_FIELD_NUMBER: _ClassVar[int]
        RANKED_FIELD_NUMBER: _ClassVar[int]
        DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
        TOKENS_FIELD_NUMBER: _ClassVar[int]
        language: str
        category: str
        format: str
        bucket: str
        ranked: bool
        documents: int
        tokens: int
        def __init__(self, language: _Optional[str] = ..., category: _Optional[str] = ..., format: _Optional[str] = ..., bucket: _Optional[str] = ..., ranked: _Optional[bool] = ..., documents: _Optional[int] = ..., tokens: _Optional[int] = ...) -> None: ...
    class Entry(_message.Message):
        __slots__ = ("outcome", "unit", "reason", "part", "uids", "number", "groups")
        OUTCOME_FIELD_NUMBER: _ClassVar[int]
        UNIT_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        PART_FIELD_NUMBER: _ClassVar[int]
        UIDS_FIELD_NUMBER: _ClassVar[int]
        NUMBER_FIELD_NUMBER: _ClassVar[int]
        GROUPS_FIELD_NUMBER: _ClassVar[int]
        outcome: Tally.Outcome
        unit: str
        reason: str
        part: str
        uids: _containers.RepeatedScalarFieldContainer[int]
        number: int
        groups: _containers.RepeatedCompositeFieldContainer[Tally.Group]
        def __init__(self, outcome: _Optional[_Union[Tally.Outcome, str]] = ..., unit: _Optional[str] = ..., reason: _Optional[str] = ..., part: _Optional[str] = ..., uids: _Optional[_Iterable[int]] = ..., number: _Optional[int] = ..., groups: _Optional[_Iterable[_Union[Tally.Group, _Mapping]]] = ...) -> None: ...
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[Tally.Entry]
    def __init__(self, entries: _Optional[_Iterable[_Union[Tally.Entry, _Mapping]]] = ...) -> None: ...
