"""The garbage collector of a process that handles documents by the thousand.

A batch makes tens of thousands of objects that reference counting frees by itself; with Python's defaults
the collector looks at them, and at every imported module, some hundred times a batch (a tenth of the CPU).
"""

from __future__ import annotations

import gc

_YOUNG_OBJECTS = 100_000  # allocations between two looks; a client's few cycles wait a moment longer


def settle_collector() -> None:
    """Call once everything is loaded: what lives now is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)
