"""The table of counts: buckets of SLOTS entries, those that were seen last first.

    entry    4 bytes of the key, 2 of how many documents have it, 1 of the document that it was last seen in
A key has one bucket, told by its other 4 bytes, so a stranger is taken for it once in 2^32 / SLOTS look-
ups. In a full bucket a new entry pushes the last one out; one that several documents have is first put in
front again with half its count, a few of them at most, so that what is frequent outlives what was seen
once.

The table so has the size that it was given, whatever comes, and forgets by age: what is seen again within
about `entries` other sentences is counted on. 7.5 bytes an entry in Redis: 896 of a full bucket, and what is
around it.
"""

from __future__ import annotations

SLOTS = 127  # with what the server puts before a string, 896 bytes: a size that its allocator has
SIZE = 7  # bytes of an entry
MOST = 65_535  # a count stays there
SPARED = 4  # frequent entries put in front again before one is pushed out whatever its count
