"""The rows of a Parquet file as records; numbered as in records.py."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from contracts import Document
from services.ingest import conversation
from services.ingest.document import SET_TEXT_FIELD, Maker, NotADocument
from services.ingest.found import Found
from services.ingest.records import Piece, piece_of, said
from services.ingest.streams import is_packed
from services.runtime import CorpusworksError, Unreadable


def rows(found: Found, stream: io.BufferedReader, maker: Maker, skip: int) -> Iterator[Piece]:
    """A record a row, one batch of rows in memory.

    Where a row group is damaged, the rest of it is one Unreadable that counts as all its rows, and
    reading goes on with the next group. A column that Python cannot hold comes as text or is left out.
    Raises OSError.
    """
    import pyarrow.parquet as pq

    try:
        if is_packed(stream):
            raise NotADocument("it is compressed as a whole; unpack it, Parquet is compressed inside")
        file = pq.ParquetFile(stream)
        columns = _columns(file.schema_arrow, maker, found.uri)
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # noqa: BLE001 - Arrow raises of all kinds
        _raise_if_disk(error)
        yield 1, Unreadable(f"{found.uri}#1", b"", f"{found.shown}: not a usable Parquet file: {said(error)}")
        return
    first = 1
    for index in range(file.num_row_groups):
        group = _RowGroup(found, maker, file, index, first)
        if skip < group.last:
            yield from group.rows(columns, skip)
        first = group.last + 1


@dataclass(frozen=True)
class _RowGroup:
    found: Found
    maker: Maker
    file: Any  # pyarrow.parquet.ParquetFile
    index: int
    first: int  # number of its first row in the file, from 1

    @property
    def last(self) -> int:
        num_rows: int = self.file.metadata.row_group(self.index).num_rows
        return self.first + num_rows - 1

    @property
    def _batch_rows(self) -> int:
        metadata, config = self.file.metadata.row_group(self.index), self.maker.config
        bytes_a_row = max(1, metadata.total_byte_size // max(1, metadata.num_rows))
        return max(1, min(config.chunk_documents, config.chunk_bytes // int(bytes_a_row)))

    def rows(self, columns: _Columns, skip: int) -> Iterator[Piece]:
        """All its rows; where a column cannot be decoded that no document needs, without such columns."""
        number = max(self.first - 1, skip)
        for names in (columns.usable, columns.needed):
            try:
                for reached, piece in self._rows(names, number):
                    yield reached, piece
                    number = reached
            except (MemoryError, RecursionError):
                raise
            except Exception as error:  # noqa: BLE001 - Arrow raises of all kinds
                _raise_if_disk(error)
                problem = error
            else:
                return
        shown = f"{self.found.shown}: rows {number + 1} to {self.last} are damaged"
        yield (
            self.last,
            Unreadable(f"{self.found.uri}#{number + 1}", b"", f"{shown}: {said(problem)}; write it anew"),
        )

    def _rows(self, columns: list[str], skip: int) -> Iterator[Piece]:
        number = self.first - 1
        for batch in self.file.iter_batches(
            self._batch_rows, row_groups=[self.index], columns=columns, use_threads=False
        ):
            if number + batch.num_rows <= skip:
                number += batch.num_rows
                yield number, None
                continue
            values = _by_name(batch)
            for index in range(max(0, skip - number), batch.num_rows):
                yield number + index + 1, self._piece(values, index, number + index + 1)
            number += batch.num_rows

    def _piece(self, values: dict[str, list[Any]], index: int, number: int) -> Document | Unreadable:
        record = {name: column[index] for name, column in values.items()}
        odd = {name: value for name, value in record.items() if isinstance(value, _Odd)}
        for name, value in odd.items():
            if name in (*self.maker.config.text_fields, "html"):
                problem = f"{self.found.shown}, row {number}, column {name}: {value.why}"
                return Unreadable(f"{self.found.uri}#{number}", b"", problem)
            del record[name]
        return piece_of(self.found, self.maker, number, record)


class _Odd(NamedTuple):
    """A cell that Python cannot hold, nor a text say."""

    why: str


def _by_name(batch: Any) -> dict[str, list[Any]]:
    """The columns of a batch as Python values; of two with one name, the first."""
    found: dict[str, list[Any]] = {}
    for index, name in enumerate(batch.schema.names):
        if name not in found:
            found[name] = _values(batch.column(index))
    return found


def _values(column: Any) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - nanoseconds, years above 9999, time zones that nobody knows …
        return [_value(cell) for cell in column]
    return values


def _value(cell: Any) -> Any:
    """What Python can hold of a cell: the value itself, its text, its fields that can be held, or _Odd."""
    import pyarrow as pa

    try:
        return cell.as_py()
    except UnicodeDecodeError as error:
        return _Odd(f"not UTF-8: {error}")
    except Exception as error:  # noqa: BLE001 - as above
        problem = said(error)
    if pa.types.is_struct(cell.type):
        fields = {cell.type.field(i).name: _value(cell[i]) for i in range(cell.type.num_fields)}
        return {name: value for name, value in fields.items() if not isinstance(value, _Odd)}
    try:
        if pa.types.is_timestamp(cell.type) and cell.type.tz:
            return (
                cell.cast(pa.timestamp(cell.type.unit)).cast(pa.string()).as_py() + "Z"
            )  # its zone may be none
        if pa.types.is_duration(cell.type):
            return f"{cell.value} {cell.type.unit}"
        return cell.cast(pa.string()).as_py()
    except Exception:  # noqa: BLE001 - as above
        return _Odd(problem)


class _Columns(NamedTuple):
    """Names. usable: all that a document can use; needed: those that decide what it is."""

    usable: list[str]
    needed: list[str]


def _columns(schema: Any, maker: Maker, uri: str) -> _Columns:
    """Raises NotADocument when there is no text among them."""
    import pyarrow as pa

    config = maker.config
    texts = {*config.text_fields, "html"}
    known = maker.preset_of(_names(schema), uri)
    texts |= {known[0].text} if known else set()
    usable = list(
        dict.fromkeys(f.name for f in schema if _is_usable(f.type) or f.name in conversation.FIELDS)
    )
    has_text = any(field.name in texts and not pa.types.is_nested(field.type) for field in schema)
    if not has_text and conversation.kind_of(dict.fromkeys(schema.names)) is None:
        shown = ", ".join(schema.names)[:1000]
        raise NotADocument(f"no text column among {shown}; {SET_TEXT_FIELD}")
    texts |= set() if has_text else conversation.FIELDS
    needed = texts | {*config.id_fields, "media_type"}
    return _Columns(usable, [name for name in usable if name in needed])


def _names(schema: Any) -> set[str]:
    """Of its columns, and of the fields inside `meta`."""
    import pyarrow as pa

    found = set(schema.names)
    kind = schema.field("meta").type if schema.names.count("meta") == 1 else None
    if kind is not None and pa.types.is_struct(kind):
        found |= {f"meta.{kind.field(index).name}" for index in range(kind.num_fields)}
    return found


def _is_usable(kind: Any) -> bool:
    import pyarrow as pa

    while isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    return not pa.types.is_nested(kind) or pa.types.is_struct(kind)


def _raise_if_disk(error: Exception) -> None:
    """Or the network. Arrow raises OSError for data that do not decode, too, but without an error number."""
    if isinstance(error, CorpusworksError) or (isinstance(error, OSError) and error.errno is not None):
        raise error
