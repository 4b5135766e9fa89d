"""Records of instructions and conversations: which they are, and the plain text that each becomes.

| kind | record |
| --- | --- |
| chat | `{"messages": [{"role", "content"}]}`, `{"conversations": [{"from", "value"}]}` |
| instruction | `{"instruction", "input" or "context", "output" or "response"}` |
| question | `{"question" or "query", "answer" or "response"}` |
| prompt | `{"prompt", "completion" or "response"}` |

What is no text in them (a picture among the parts of a message, a turn that only calls a tool) is left out.
The language of the templates is that of the first who asks, and which of them it is follows from the texts
alone: the same record becomes the same document wherever it lies.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import xxhash

from services.ingest.templates import ANSWER, ASK, GIVEN, SYSTEM, TEMPLATES, Turn

_LISTS = ("messages", "conversations")
# kind: the fields of who asks, of what is given with it, and of the answer; of each the first that is there.
_PAIRS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "instruction": (("instruction",), ("input", "context"), ("output", "response")),
    "question": (("question", "query"), (), ("answer", "response")),
    "prompt": (("prompt",), (), ("completion", "response")),
}
# Names that a record may give what it belongs to, the narrowest first.
THREAD_FIELDS = ("thread", "conversation", "conversation_id", "session", "customer", "customer_id")
# All that a column or a file may be known by.
FIELDS = frozenset(_LISTS) | {name for pair in _PAIRS.values() for names in pair for name in names}

_SPEAKERS = {
    **dict.fromkeys(("user", "human", "prompter"), ASK),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "model", "bot"), ANSWER),
    **dict.fromkeys(("system", "developer"), SYSTEM),
}
_ROLE_FIELDS, _SAID_FIELDS = ("role", "from"), ("content", "value")
_MAX_NAME = 40  # letters of a role that is shown as it is

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LETTER = re.compile(r"[^\W\d_]")
# Own: a Chinese question about a program has more Latin letters than characters, which say more each.
_MIN_HAN_SHARE = 0.2


class NoConversation(ValueError):
    """A record of such a kind that holds none; the text says what is wrong with it."""


class Written(NamedTuple):
    """A conversation as a text. template: kind and number. fields: of the record, that are in the text."""

    text: str
    template: str
    fields: frozenset[str]


def kind_of(record: Mapping[str, Any]) -> str | None:
    """By its fields, whatever they hold; None: it is no conversation."""
    if any(name in record for name in _LISTS):
        return "chat"
    for kind, (asks, _, answers) in _PAIRS.items():
        if _first(record, asks) and _first(record, answers):
            return kind
    return None


def is_in(record: object) -> bool:
    """Whether it is such a record, and one that can be written."""
    try:
        return isinstance(record, dict) and write(record) is not None
    except NoConversation:
        return False


def write(record: Mapping[str, Any]) -> Written | None:
    """The record as a text; None where it is none of these kinds. Raises NoConversation."""
    kind = kind_of(record)
    if kind is None:
        return None
    turns, fields = _chat(record) if kind == "chat" else _pair(record, kind)
    first = next((turn.text for turn in turns if turn.speaker == ASK), turns[0].text)
    templates = TEMPLATES[kind][_language(first)]
    said = "\0".join(turn.text for turn in turns).encode("utf-8", "surrogatepass")
    number = xxhash.xxh3_64_intdigest(said) % len(templates)
    return Written(templates[number].render(turns), f"{kind}.{number}", frozenset(fields))


def thread_of(metadata: Mapping[str, str]) -> str:
    """What it says that the record belongs to, or "". A field of an object inside is `object.field`."""
    said = {name.lower().removeprefix("metadata.").removeprefix("meta."): metadata[name] for name in metadata}
    return next((said[name] for name in THREAD_FIELDS if said.get(name)), "")


def _pair(record: Mapping[str, Any], kind: str) -> tuple[list[Turn], list[str]]:
    asks, givens, answers = _PAIRS[kind]
    ask, given, answer = _first(record, asks), _first(record, givens), _first(record, answers)
    for name in (ask, answer):
        if not _text(record[name]).strip():
            raise NoConversation(f"no text: its {name} is {_shown(record[name])}")
    fields = [name for name in (ask, given, answer) if name]
    if kind == "prompt" and _text(record[answer])[:1].isspace():  # goes on in the middle of a sentence
        return [Turn(ASK, (_text(record[ask]).rstrip() + _text(record[answer])).strip())], fields
    turns = [Turn(ASK, _text(record[ask]).strip())]
    if given and (said := _text(record[given]).strip()):
        turns.append(Turn(GIVEN, said))
    return [*turns, Turn(ANSWER, _text(record[answer]).strip())], fields


def _chat(record: Mapping[str, Any]) -> tuple[list[Turn], list[str]]:
    problem = ""
    for name in _LISTS:
        if name not in record:
            continue
        value = record[name]
        if turns := list(_turns(value) if isinstance(value, list) else ()):
            return turns, [name]
        problem = problem or f"no text: its {name} {_wrong(value)}"
    raise NoConversation(problem)


def _turns(messages: list[Any]) -> Iterator[Turn]:
    for message in messages:
        if not isinstance(message, dict):
            continue
        role = next((message[name] for name in _ROLE_FIELDS if name in message), None)
        said = next((text for name in _SAID_FIELDS if (text := _text(message.get(name)).strip())), "")
        if said:
            yield Turn(_speaker(role), said)


def _speaker(role: object) -> str:
    """A role that nobody knows is a name, as `customer` and `agent` are."""
    if not isinstance(role, str):
        return ""
    name = " ".join(role.split())
    return _SPEAKERS.get(name.lower(), name[:_MAX_NAME])


def _text(value: object) -> str:
    """What of a value is text: a string, a number, the texts among the parts of a message."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return "\n".join(filter(None, map(_part, value)))
    if isinstance(value, dict):
        return _part(value)
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return str(value) if isinstance(value, int | float) else ""


def _part(part: object) -> str:
    said = part.get("text") if isinstance(part, dict) else part
    return said if isinstance(said, str) else ""


def _wrong(value: object) -> str:
    if not isinstance(value, list):
        return f"should be a list of messages, and is {_shown(value)}"
    if not value:
        return "is an empty list"
    return 'has no message with a text; one is {"role", "content"} or {"from", "value"}'


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"the string {value[:40]!r}" if value.strip() else "empty"
    return f"a {type(value).__name__} without a text"


def _first(record: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """The first of these fields that holds a text, else the first that is there, else ""."""
    there = [name for name in names if name in record]
    return next((name for name in there if _text(record[name]).strip()), there[0] if there else "")


def _language(text: str) -> str:
    head = text[:2000]
    letters = len(_LETTER.findall(head))
    return "zh" if letters and len(_HAN.findall(head)) >= _MIN_HAN_SHARE * letters else "en"
