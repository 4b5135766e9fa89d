"""What all that read or write one index must have alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.dedup.config import DedupConfig

# Of all that lies in the index, and of dedup.log; raised when an older index says less than is asked of it.
# 2 knew of no clusters, 3 of no numbers in them; 4 compared Markdown and traditional script as they are,
# 5 HTML, scaffolding, what is not seen, and the spaces between tokens; 6 kept uids in the bands;
# 7 did not say who had come late to a band.
LAYOUT = 8


def layout(config: DedupConfig) -> str:
    """The layout, and the settings that are fixed for the life of an index."""
    script = "folded" if config.fold_script else "kept"
    made = f" signature={config.foreign}" if config.foreign else ""
    return f"{LAYOUT} bands={config.bands} rows={config.rows} shards={config.shards} script={script}{made}"
