"""A river's log without a broker: a file for one process at a time, or what a stopped Kafka has left.

`clients/kafka.py` makes its clients here where `kafka.bootstrap_servers` is an address of `place`; so all
that reads, writes and asks of a river by its settings does so without knowing.
"""

from services.runtime.journal.place import closed, cluster_at, is_file, journal_url, stopped_url
from services.runtime.journal.stopped import was_stopped

__all__ = ["closed", "cluster_at", "is_file", "journal_url", "stopped_url", "was_stopped"]
