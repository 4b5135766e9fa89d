"""Of what the input said of a document, the part that goes on with its tokens to the sink.

url, licence and title get into the records of a part. Others do not: thread, what documents belong together
by, and template, by which a recipe knows the text of a conversation.
"""

from __future__ import annotations

from collections.abc import Mapping

_MEANT = {
    "url": ("url",),
    "licence": ("licence", "license"),
    "title": ("title",),
    # the narrowest first: a customer has many conversations
    "thread": ("thread", "conversation", "conversation_id", "session", "customer", "customer_id"),
    "template": ("template",),
}
_WITHIN = ("", "meta.", "metadata.")  # ingest names the field of an object inside object.field
_FIELDS = {
    kept: [f"{within}{name}" for within in _WITHIN for name in names] for kept, names in _MEANT.items()
}


def provenance(metadata: Mapping[str, str]) -> dict[str, str]:
    """url, licence, title, thread and template by these names, as far as the metadata says something there.

    Of fields that mean the same the record's own counts before one inside `meta` or `metadata`. Capitals do
    not matter. The same for any order of the metadata, which a message does not keep.
    """
    said = {name.lower(): metadata[name] for name in sorted(metadata) if metadata[name]}
    found = {
        kept: next((said[name] for name in names if name in said), "") for kept, names in _FIELDS.items()
    }
    return {kept: value for kept, value in found.items() if value}
