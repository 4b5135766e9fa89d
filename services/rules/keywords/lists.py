"""Word lists as people write them: a plain file of words, or a YAML file of lists that say what they are for.

Plain: one word a line, # comments; its list is named after the file, drops, and is for any language. YAML:

    - name: gambling          # in features (keywords_gambling), drop details and placeholders
      language: zh            # left out: any
      category: adverts       # for people, in the detail of a drop
      action: drop            # measure, drop or mask
      at_least: 2             # drop: so many different words; left out: max_keywords_per_line
      words: [彩票, 百家乐, casino]
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import PurePath
from typing import Any, Literal, get_args

import yaml

from services.rules.normalise import normalise
from services.runtime import ConfigurationError

Action = Literal["measure", "drop", "mask"]
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_LANGUAGE = re.compile("(?:[a-z]{2,3})?")


@dataclass(frozen=True)
class WordList:
    """words: normalised as texts are, one space between theirs. language: ISO 639-1, or any.

    at_least: different words from which a list drops; 0: by the density of all.
    """

    name: str
    words: frozenset[str]
    language: str = ""
    category: str = ""
    action: Action = "drop"
    at_least: int = 0

    def __post_init__(self) -> None:
        """Check every field."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name!r} is not of letters a-z, digits, _ and -")
        if not self.words or not all(self.words):
            raise ValueError(f"{self.name} holds no word, or one without a visible sign")
        if not _LANGUAGE.fullmatch(self.language):
            raise ValueError(
                f"{self.name}: language {self.language!r} is no code of ISO 639-1, such as zh or en"
            )
        if self.action not in get_args(Action):
            raise ValueError(f"{self.name}: action {self.action!r} is none of {', '.join(get_args(Action))}")
        if self.at_least < 0 or (self.at_least and self.action != "drop"):
            raise ValueError(f"{self.name}: at_least is a number from 1 up, of a list that drops")

    def is_for(self, language: str) -> bool:
        """Whether texts of a language are held against it."""
        return self.language in ("", language)


def parse(name: str, content: bytes) -> list[WordList]:
    """The lists of a file. Raises ConfigurationError naming the file and what is wrong."""
    try:
        text = content.decode("utf-8-sig")
        if PurePath(name).suffix in (".yaml", ".yml"):
            return list(_lists(yaml.safe_load(text)))
        lines = map(_word, text.splitlines())
        words = frozenset(word for word in lines if word and not word.startswith("#"))
        if not words:
            raise ValueError("it holds no word; give one word a line")
        return [WordList(_name_of(name), words)]
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"keyword file {name} cannot be used: it is not UTF-8 (byte {error.start}); save it as UTF-8"
        ) from error
    except (ValueError, TypeError, yaml.YAMLError) as error:
        told = " ".join(str(error).split())
        raise ConfigurationError(f"keyword file {name} cannot be used: {told}") from error


def _lists(found: Any) -> Iterator[WordList]:
    if not isinstance(found, list) or not found:
        raise ValueError("a YAML file is a list of lists, each with a name and words")
    known = [field.name for field in fields(WordList)]
    for number, entry in enumerate(found, 1):
        if not isinstance(entry, Mapping) or "name" not in entry:
            raise ValueError(f"entry {number} has no name")
        if unknown := set(entry) - set(known):
            raise ValueError(
                f"{entry['name']} has {', '.join(map(str, sorted(unknown)))}; there are {', '.join(known)}"
            )
        words = entry.get("words")
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError(f"{entry['name']}: words is a list of words; quote numbers and yes/no")
        for name in ("name", "language", "category", "action"):
            if not isinstance(entry.get(name, ""), str):
                raise ValueError(f"{entry['name']}: {name} is text; put it in quotes, or leave it out")
        if type(entry.get("at_least", 0)) is not int:
            raise ValueError(f"{entry['name']}: at_least is a whole number, not {entry['at_least']!r}")
        yield WordList(**{**entry, "words": frozenset(map(_word, words))})


def _word(line: str) -> str:
    """As it stands in a text that is normalised; letters composed, nothing invisible."""
    return " ".join(normalise(line).split())


def _name_of(file: str) -> str:
    return re.sub("[^a-z0-9_-]+", "_", PurePath(file).stem.lower()).strip("_")[:40] or "words"
