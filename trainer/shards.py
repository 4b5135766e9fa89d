"""The tensors of a checkpoint as files of the store, by torch.distributed.checkpoint (DCP).

In a folder they are written where they belong and read from there. For S3 each rank writes its own into a
temporary folder and sends them whole; reading asks for those ranges that the rank needs, so that a resume on
other ranks moves no byte twice.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Generator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch.distributed as dist
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemBase, FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import async_save

from trainer.errors import CheckpointError

if TYPE_CHECKING:
    from trainer.data.store import Store

# One process alone is no mistake; DCP says it on its own thread, so no block of ours can be round it.
warnings.filterwarnings("ignore", message="torch.distributed is disabled")

_READ_AHEAD = 8 << 20  # bytes: tensors are read in order, and a request takes about as long as 8 MB


class Writing(NamedTuple):
    """A rank's part of a checkpoint that is being written. folder: where; temporary or the store's own."""

    folder: Path
    temporary: bool
    done: Future[Any]

    def send(self, store: Store, key: str, rank: int) -> dict[str, int]:
        """Wait, then bring this rank's files into the store; their names and bytes.

        Raises whatever went wrong, on every rank if it did on one.
        """
        try:
            self.done.result()
            mine = {
                each.name: each.stat().st_size for each in self.folder.iterdir() if _is_of(each.name, rank)
            }
            if self.temporary:
                for name in mine:
                    store.put(f"{key}/{name}", self.folder / name)
            return mine
        finally:
            if self.temporary:
                shutil.rmtree(self.folder, ignore_errors=True)


def write(
    state: Mapping[str, Any], store: Store, key: str, group: dist.ProcessGroup | None, temporary: str
) -> Writing:
    """Copy the tensors into host memory and begin to write them; collective. temporary: a folder, or empty.

    DCP makes the folder, on its thread: where one rank cannot, all hear of it.
    """
    folder = Path(temporary or tempfile.gettempdir()) / f"corpusworks-{uuid.uuid4().hex}"
    if store.folder:
        folder = store.folder / key
    done = async_save(dict(state), storage_writer=FileSystemWriter(folder), process_group=group)
    return Writing(folder, store.folder is None, cast("Future[Any]", done))


def read(
    state: dict[str, Any], store: Store, key: str, sizes: Mapping[str, int], group: dist.ProcessGroup | None
) -> None:
    """Fill `state` in place; collective, or in this process alone (group None). Raises CheckpointError."""
    reader = FileSystemReader(store.folder / key if store.folder else key)
    if not store.folder:
        objects = {f"{key}/{name}": size for name, size in sizes.items()}
        reader.fs = _Objects(store, objects)  # type: ignore[assignment] # declared as the class, used as the base
        reader.path = key
    try:
        load(state, storage_reader=reader, process_group=group, no_dist=group is None)
    except Exception as error:
        raise CheckpointError(f"{key} in {store.url} cannot be read: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """One line: what lies under DCP's report of it."""
    lowest = _lowest(error)
    if isinstance(lowest, OSError) and lowest.strerror:
        return f"{lowest.strerror}: {lowest.filename}" if lowest.filename else lowest.strerror
    return " ".join(str(lowest).split())[:300] or type(lowest).__name__


def _lowest(error: BaseException) -> BaseException:
    """What it began with. PyTorch's writer of files fails on its own account where a write has failed
    ("unexpected pos"): the system's error is then only its context.
    """
    if isinstance(error, CheckpointException) and error.failures:
        return _lowest(next(iter(error.failures.values()))[0])
    below = error.__cause__ or (error.__context__ if isinstance(error, RuntimeError) else None)
    return error if below is None else _lowest(below)


def _is_of(name: str, rank: int) -> bool:
    """DCP names a rank's files __RANK_…; the first one writes what is known of all, too."""
    return name.startswith(f"__{rank}_") or (rank == 0 and name == ".metadata")


class _Objects(FileSystemBase):
    """A store on the network as DCP reads from it. sizes: of the objects that it may ask for."""

    def __init__(self, store: Store, sizes: Mapping[str, int]) -> None:
        self._store = store
        self._sizes = sizes

    @contextmanager
    def create_stream(self, path: str | os.PathLike[str], mode: str) -> Generator[io.IOBase, None, None]:
        if mode != "rb":
            raise io.UnsupportedOperation(mode)
        raw = _Object(self._store, str(path), self._sizes[str(path)])
        with io.BufferedReader(raw, _READ_AHEAD) as stream:
            yield stream

    def concat_path(self, path: str | os.PathLike[str], suffix: str) -> str:
        return f"{path}/{suffix}"

    def init_path(self, path: str | os.PathLike[str]) -> str | os.PathLike[str]:
        return path

    def exists(self, path: str | os.PathLike[str]) -> bool:
        return str(path) in self._sizes

    def rename(self, path: str | os.PathLike[str], new_path: str | os.PathLike[str]) -> None:
        raise io.UnsupportedOperation("rename")

    def mkdir(self, path: str | os.PathLike[str]) -> None:
        raise io.UnsupportedOperation("mkdir")

    def rm_file(self, path: str | os.PathLike[str]) -> None:
        raise io.UnsupportedOperation("rm_file")

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        return True


class _Object(io.RawIOBase):
    """An object, read by ranges."""

    def __init__(self, store: Store, key: str, size: int) -> None:
        self._store = store
        self._key = key
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        data = self._store.get_range(self._key, self._at, end)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
