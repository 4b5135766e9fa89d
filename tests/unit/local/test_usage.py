"""What processes use, as it is added up."""

from __future__ import annotations

import os
import sys

import pytest

from services.local.usage import Used, by_stage, members, together, used


def test_the_bill_of_a_stage_is_that_of_its_processes() -> None:
    """Prevents: a stage of three processes that seems to cost a third."""
    spent = {"parse": 1.0, "parse-2": 2.0, "parse-3": 3.0, "rules": 5.0, "own-unit": 7.0}
    found = by_stage({name: Used(seconds, 10) for name, seconds in spent.items()})
    assert found == {"parse": Used(6.0, 30), "rules": Used(5.0, 10), "own-unit": Used(7.0, 10)}


def test_what_is_no_more_uses_nothing() -> None:
    """Prevents: a process that ends while it is looked at, and takes the report with it."""
    group = os.getpgid(0)
    assert os.getpid() in members([group, 2**22 + 1])[group]
    assert members([2**22 + 1]) == {2**22 + 1: []}
    assert used([2**22 + 1]) == Used()
    assert together([2**22 + 1]) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is shared")
def test_what_is_shared_is_weighed_once() -> None:
    """Prevents: a machine that seems to need the zygote's imports for each process."""
    mine = os.getpid()
    assert 0 < together([mine]) <= used([mine]).peak_bytes
