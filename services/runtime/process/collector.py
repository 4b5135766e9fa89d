"""The garbage collector of a process that handles documents by the thousand.

A batch makes tens of thousands of objects that reference counting frees by itself; with Python's defaults
the collector looks at them, and at every imported module, some hundred times a batch (a tenth of the CPU).
"""

from __future__ import annotations

import gc

_YOUNG_OBJECTS = 100_000  # allocations between two looks; a client's few cycles wait a moment longer


def settle_collector(*, lasting: bool = True) -> None:
    """Call once everything is loaded: what lives now is never looked at again.

    lasting: the process lives long, so that what is no more needed is worth a look before.
    """
    if lasting:
        gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)


def tidy() -> None:
    """Call after each batch of documents: the collector counts objects and not bytes.

    Few large documents make few objects; one cycle of references for each would hold gigabytes before it
    looked. What is settled is passed over: it takes a few hundredths of a millisecond.
    """
    gc.collect()
