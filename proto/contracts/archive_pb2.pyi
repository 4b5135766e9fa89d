from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class ArchiveFile(_message.Message):
    __slots__ = ("table", "day", "name", "topic", "topic_id", "partition", "first_offset", "last_offset", "rows", "bytes", "min_uid", "max_uid", "layout")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    DAY_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    TOPIC_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    FIRST_OFFSET_FIELD_NUMBER: _ClassVar[int]
    LAST_OFFSET_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    MIN_UID_FIELD_NUMBER: _ClassVar[int]
    MAX_UID_FIELD_NUMBER: _ClassVar[int]
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    table: str
    day: str
    name: str
    topic: str
    topic_id: str
    partition: int
    first_offset: int
    last_offset: int
    rows: int
    bytes: int
    min_uid: int
    max_uid: int
    layout: int
    def __init__(self, table: _Optional[str] = ..., day: _Optional[str] = ..., name: _Optional[str] = ..., topic: _Optional[str] = ..., topic_id: _Optional[str] = ..., partition: _Optional[int] = ..., first_offset: _Optional[int] = ..., last_offset: _Optional[int] = ..., rows: _Optional[int] = ..., bytes: _Optional[int] = ..., min_uid: _Optional[int] = ..., max_uid: _Optional[int] = ..., layout: _Optional[int] = ...) -> None: ...
