"""What the archive is asked for at the end of a run, and when."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.local.river import River
from services.mixer.recipe import bucket_names
from services.runtime import load_settings
from services.runtime.loops.transaction import Produce
from services.runtime.topics import ARCHIVE_FLUSH, CONTROL, REJECTED, UNIQUE, USES_FLUSH
from services.runtime.topology import Topology


class Logs:
    """Ends of the topics that are asked for."""

    def __init__(self) -> None:
        self.ends = {(UNIQUE, 0): 3, (REJECTED, 0): 1}

    def settled_ends(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        assert set(topics) == {UNIQUE, REJECTED}
        return dict(self.ends)


@pytest.mark.parametrize("lane_drops", [False, True])
def test_what_came_before_the_pools_is_archived_beside_the_lanes(
    lane_drops: bool,
) -> None:
    """Prevents: an archive that begins to write when all else has ended; and what a lane drops at the very
    end, which would not be written down before the next run."""
    said: list[set[str]] = []

    class Told:
        def say(self, outputs: Sequence[Produce]) -> None:
            said.append({output.topic for output in outputs})

    one = River.__new__(River)
    logs = Logs()
    one.topology = Topology.load(None, bucket_names(None))
    vars(one).update(_settings=load_settings(), _log=logs, _announcer=Told(), _ends=None)
    one.flush("a run")
    logs.ends[REJECTED, 0] += lane_drops
    one.flush_archive("a run")
    one.flush_archive("another")
    everything = {ARCHIVE_FLUSH, USES_FLUSH}
    assert said == [{CONTROL, ARCHIVE_FLUSH}, everything if lane_drops else {USES_FLUSH}, everything]
