"""Which rows of a table are asked for, as a condition of Arrow's."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any

from services.archive.tables import Table
from services.runtime import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc

# Columns that no file has, with those that they are made of.
MADE: Mapping[str, tuple[str, ...]] = {
    "host": ("source", "metadata"),
    "file": ("source",),
    "junk": ("features",),
}
_HOST = r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(?P<host>[^/?#:]+)"
_TITLE, _URL = "title", "url"  # of the metadata, as ingest has them


@dataclass(frozen=True)
class Asked:
    """Which rows: those where each of these columns has this value, and all the rest holds.

    source: a part of it, or, with * or ?, a pattern of the whole. host: of its URL, or of its source where
    it has none; subdomains too. since, until: of when it was logged, the second not included. title, error:
    a part of the title or of the detail, in any case.
    """

    equal: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    host: str = ""
    title: str = ""
    error: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def columns(self) -> list[str]:
        """Those that the condition looks at."""
        timed = self.since is not None or self.until is not None
        used = {
            "source": self.source or self.host,
            "metadata": self.host or self.title,
            "detail": self.error,
            "logged": timed,
        }
        return list(dict.fromkeys([*self.equal, *(name for name, wanted in used.items() if wanted)]))

    def check(self, table: Table) -> None:
        """Raises ConfigurationError: the table has no such column."""
        for name in self.columns:
            if name not in table.columns:
                raise no_column(table, name)

    def may_be_of(self, day: str) -> bool:
        """Whether a day (UTC, of when rows were logged) can have such rows."""
        first = date.fromisoformat(day)
        late = self.until is not None and first > self.until.date()
        return not late and (self.since is None or first + timedelta(days=1) > self.since.date())

    def condition(self) -> pc.Expression | None:
        """None: every row."""
        import pyarrow.compute as pc

        found = [pc.field(name) == value for name, value in self.equal.items()]
        if self.source:
            found.append(_like(pc.field("source"), self.source))
        if self.host:
            ends = rf"^[A-Za-z][A-Za-z0-9+.-]*://([^/?#@]*@)?([^/?#:]*\.)?{re.escape(self.host)}([:/?#]|$)"
            found.append(pc.match_substring_regex(_address(pc), ends, ignore_case=True))
        for part, of in ((self.title, _said(pc, _TITLE)), (self.error, pc.field("detail"))):
            if part:
                found.append(pc.match_substring(of, part, ignore_case=True))
        if self.since is not None:
            found.append(pc.field("logged") >= pc.scalar(self.since))
        if self.until is not None:
            found.append(pc.field("logged") < pc.scalar(self.until))
        return reduce(operator.and_, found) if found else None


def with_made(batch: pa.Table, columns: list[str]) -> pa.Table:
    """The batch with those of MADE that are named."""
    import pyarrow.compute as pc

    for name in columns:
        if name == "file":
            made = pc.replace_substring_regex(batch["source"], r"#\d+$", "")
        elif name == "host":
            url = pc.map_lookup(batch["metadata"], _URL, "first")
            made = pc.struct_field(pc.extract_regex(pc.coalesce(url, batch["source"]), _HOST), "host")
        elif name == "junk":  # as the scorer left it: past its like's limit or not; null where nobody asked
            past = pc.map_lookup(batch["features"], "junk", "first")
            made = pc.if_else(pc.greater(past, 0), "yes", "no")
        else:
            continue
        batch = batch.append_column(name, made)
    return batch


def no_column(table: Table, name: str) -> ConfigurationError:
    """To be raised."""
    return ConfigurationError(f"{table.name} have no {name}: leave it out, or choose another --table")


def moment(written: str) -> datetime:
    """A time as people write it: 2026-11-27, or 2026-11-27T04:30; UTC where it says nothing else.

    Raises ConfigurationError.
    """
    try:
        found = datetime.fromisoformat(written)
    except ValueError as error:
        raise ConfigurationError(f"{written!r} is no time: write 2026-11-27 or 2026-11-27T04:30") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _like(column: Any, pattern: str) -> Any:
    import pyarrow.compute as pc

    if set(pattern) & set("*?"):
        return pc.match_like(column, _sql(pattern))
    return pc.match_substring(column, pattern)


def _sql(glob: str) -> str:
    """A pattern of SQL's LIKE for one with * and ?."""
    for mark in "\\%_":
        glob = glob.replace(mark, "\\" + mark)
    return glob.replace("*", "%").replace("?", "_")


def _said(pc: Any, name: str) -> Any:
    return pc.map_lookup(pc.field("metadata"), name, "first")


def _address(pc: Any) -> Any:
    return pc.coalesce(_said(pc, _URL), pc.field("source"))
