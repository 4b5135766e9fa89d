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
# What a field means, and which of several that mean the same counts: the least.
_MEANING = {
    f"{within}{name}": (kept, (place, number))
    for kept, names in _MEANT.items()
    for place, within in enumerate(_WITHIN)
    for number, name in enumerate(names)
}


def provenance(metadata: Mapping[str, str]) -> dict[str, str]:
    """url, licence, title, thread and template by these names, as far as the metadata says something there.

    Of fields that mean the same the record's own counts before one inside `meta` or `metadata`. Capitals do
    not matter. The same for any order of the metadata, which a message does not keep.
    """
    found: dict[str, str] = {}
    ranks: dict[str, tuple[int, int]] = {}
    for name in sorted(metadata):
        if (meaning := _MEANING.get(name.lower())) is None or not (value := metadata[name]):
            continue
        kept, rank = meaning
        if rank <= ranks.get(kept, rank):
            found[kept], ranks[kept] = value, rank
    return found
