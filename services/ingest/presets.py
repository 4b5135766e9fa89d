"""Layouts of public datasets: by which columns a record of them is known, and where it says what.

| preset | columns | licence said by |
| --- | --- | --- |
| fineweb | FineWeb, FineWeb-Edu, FineWeb-2 | its card |
| skypile | text alone, so by the name in the address only | its card |
| c4 | text, timestamp, url and no other | its card |
| pile | meta.pile_set_name | the datasheet: each component has its own |
| redpajama | meta with source and timestamp, or red_pajama_subset | its card: each subset has its own |
| redpajama2 | raw_content with the fields of CCNet, or with quality_signals | its card |
| wudao | titleUkey, dataType, title, content | nobody: unknown |
| wukong | url, caption and no other: texts of pictures, as CSV | the card of its copy on the hub |

Where the columns are so few that others have them too, the licence is said only when the address names the
dataset, or the user does.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

# What a record may say, under the names by which it goes on.
MEANT = ("url", "title", "date", "language", "licence")


@dataclass(frozen=True)
class Preset:
    """A layout. Fields of an object inside are `object.field`.

    layouts: sets of columns, one of which must be there. alone: and no other. text, id: fields. fields: by
    meaning, where it is not called so already; the first that is there. licence and its source: of the
    whole; what a record says itself counts before. language: of all records. called: what is in an address.
    """

    name: str
    called: str
    layouts: tuple[frozenset[str], ...]
    text: str
    licence: str
    source: str
    id: str = ""
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    language: str = ""
    alone: bool = False

    def said(self, record: Mapping[str, Any], *, certain: bool) -> dict[str, str]:
        """What the record says of itself, by MEANT. certain: it is of this dataset, and not only like it."""
        flat = flattened(record)
        found: dict[str, str] = {"dataset": self.name} if certain else {}
        for meaning in MEANT:
            names = (meaning, f"meta.{meaning}", *self.fields.get(meaning, ()))
            value = next((flat[name] for name in names if isinstance(flat.get(name), str) and flat[name]), "")
            if value:
                found[meaning] = value
        if certain and not any(flat.get(name) for name in ("licence", "license", "meta.license")):
            found["licence"] = self.licence
        if self.language:
            found.setdefault("language", self.language)
        return found


def _layouts(*columns: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(each.split()) for each in columns)


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "fineweb",
            "fineweb",
            _layouts("text id dump url language language_score"),
            text="text",
            id="id",
            licence="ODC-By-1.0",
            source="https://huggingface.co/datasets/HuggingFaceFW/fineweb",
        ),
        Preset(
            "wudao",
            "wudao",
            _layouts("titleUkey dataType title content"),
            text="content",
            id="uniqueKey",
            language="zh",
            licence="unknown",  # it is given out after a log-in, and no public page was found that says one
            source="https://data.baai.ac.cn/details/WuDaoCorporaText",
        ),
        Preset(
            "redpajama2",
            "redpajama-data-v2",
            _layouts("raw_content date_download cc_segment", "raw_content doc_id meta quality_signals"),
            text="raw_content",
            id="doc_id",
            fields={"date": ("date_download", "meta.date_download")},
            licence="Common Crawl Terms of Use",
            source="https://huggingface.co/datasets/togethercomputer/RedPajama-Data-V2",
        ),
        Preset(
            "pile",
            "pile",
            _layouts("text meta.pile_set_name"),
            text="text",
            licence="of its component",
            source="https://arxiv.org/abs/2201.07311",
        ),
        Preset(
            "redpajama",
            "redpajama",
            _layouts("text red_pajama_subset", "text meta.source meta.timestamp"),
            text="text",
            fields={"date": ("meta.timestamp",)},
            licence="of its subset",
            source="https://huggingface.co/datasets/togethercomputer/RedPajama-Data-1T",
        ),
        Preset(
            "c4",
            "c4",
            _layouts("text timestamp url"),
            text="text",
            fields={"date": ("timestamp",)},
            alone=True,
            licence="ODC-By-1.0",
            source="https://huggingface.co/datasets/allenai/c4",
        ),
        Preset(
            "skypile",
            "skypile",
            _layouts("text"),
            text="text",
            language="zh",
            alone=True,
            licence="Skywork Community License",
            source="https://huggingface.co/datasets/Skywork/SkyPile-150B",
        ),
        Preset(
            "wukong",
            "wukong",
            _layouts("url caption"),
            text="caption",
            language="zh",
            alone=True,
            licence="CC-BY-NC-SA-4.0",
            source="https://huggingface.co/datasets/wanng/wukong100m",
        ),
    )
}


def recognise(columns: Collection[str], address: str) -> tuple[Preset, bool] | None:
    """The layout of records with these columns, and whether they are certainly of that dataset.

    address: URI of the file.
    """
    return _recognised(frozenset(columns), address)


@lru_cache(maxsize=1024)
def _recognised(columns: frozenset[str], address: str) -> tuple[Preset, bool] | None:
    named = address.lower()
    for preset in PRESETS.values():
        is_named = preset.called in named
        if not any(layout == columns if preset.alone else layout <= columns for layout in preset.layouts):
            continue
        if preset.name == "skypile" and not is_named:
            continue  # a text alone is anybody's
        return preset, is_named or not preset.alone
    return None


def columns_of(record: Mapping[str, Any]) -> frozenset[str]:
    """The names of its fields, with those inside `meta`."""
    meta = _object(record.get("meta"))
    return frozenset(record) | {f"meta.{name}" for name in meta} if meta else frozenset(record)


def flattened(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with the fields of `meta` beside the others; one that is written as JSON is read."""
    return dict(record) | {f"meta.{name}": value for name, value in _object(record.get("meta")).items()}


def _object(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}
