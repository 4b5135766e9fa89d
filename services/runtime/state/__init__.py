"""What units keep outside Kafka, in Redis: that it is whole is known at every start and every call."""

from services.runtime.state.faults import REBUILDING, Place, gone
from services.runtime.state.fullness import told_by_redis
from services.runtime.state.kept import Kept, key
from services.runtime.state.marks import Marks, MemoryMarks, RedisMarks, found_in, offsets_in
from services.runtime.state.remake import Standing, remaking, standing
from services.runtime.state.server import Server

__all__ = [
    "REBUILDING",
    "Kept",
    "Marks",
    "MemoryMarks",
    "Place",
    "RedisMarks",
    "Server",
    "Standing",
    "found_in",
    "gone",
    "key",
    "offsets_in",
    "remaking",
    "standing",
    "told_by_redis",
]
