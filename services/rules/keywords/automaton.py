"""All words of all lists, found in one pass over the text (Aho-Corasick)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from services.rules.keywords.lists import WordList


class Lookup(NamedTuple):
    """What a text holds. words: different ones, by list. masked: the text with placeholders, or None."""

    words: Mapping[WordList, frozenset[str]]
    masked: str | None

    @property
    def num_of_drops(self) -> int:
        """Different words of the lists that drop by density."""
        found = (words for each, words in self.words.items() if each.action == "drop" and not each.at_least)
        return len(frozenset[str]().union(*found))

    @property
    def worst(self) -> WordList | None:
        """The list that drops by what it found most above its number, if one does."""
        passed = [each for each, words in self.words.items() if 0 < each.at_least <= len(words)]
        return max(passed, key=lambda each: len(self.words[each]) / each.at_least, default=None)

    def measures(self, num_lines: int) -> dict[str, float]:
        """Different words by list, where it has any; and for each line, of lists that drop by density."""
        different = {f"keywords_{each.name}": float(len(words)) for each, words in self.words.items()}
        return different | {"keywords_per_line": self.num_of_drops / max(1, num_lines)}

    def told(self) -> str:
        """Which lists have words here, of what class, the most first; the words are in the lists."""
        ordered = sorted(self.words.items(), key=lambda item: (-len(item[1]), item[0].name))
        return "; ".join(
            f"list {each.name}{f' ({each.category})' if each.category else ''}: {len(words)} different words"
            for each, words in ordered
        )


class Keywords:
    """Lists ready to be searched. Raises ValueError when two have one name."""

    def __init__(self, lists: Sequence[WordList]) -> None:
        import ahocorasick

        names = [each.name for each in lists]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two lists are called {', '.join(twice)}")
        self._automaton: Any = ahocorasick.Automaton()
        by_word: dict[str, list[WordList]] = {}
        for each in lists:
            for word in each.words:
                by_word.setdefault(word, []).append(each)
        for word, having in by_word.items():
            self._automaton.add_word(word, (word, tuple(having)))
        self._automaton.make_automaton()

    def look_up(self, text: str, language: str) -> Lookup:
        """What of the lists for a language is in a text, case aside. Linear in its length."""
        found: dict[WordList, set[str]] = {}
        masks: list[tuple[int, int, str]] = []
        lower = text.lower()
        if len(lower) != len(text):  # of a few letters the lower case is longer; places must stay
            lower = "".join(small if len(small := sign.lower()) == 1 else sign for sign in text)
        for last, (word, lists) in self._automaton.iter(lower):
            start, end = last - len(word) + 1, last + 1
            if not _is_whole(lower, start, end):
                continue
            for each in lists:
                if each.is_for(language):
                    found.setdefault(each, set()).add(word)
                    if each.action == "mask":
                        masks.append((start, end, f"<{each.name.upper()}>"))
        words = {each: frozenset(said) for each, said in found.items()}
        return Lookup(words, _masked(text, masks) if masks else None)


def _masked(text: str, masks: Iterable[tuple[int, int, str]]) -> str:
    """The longest word where several begin; none where one began before."""
    pieces: list[str] = []
    reached = 0
    for start, end, name in sorted(masks, key=lambda mask: (mask[0], -mask[1])):
        if start >= reached:
            pieces += (text[reached:start], name)
            reached = end
    return "".join((*pieces, text[reached:]))


def _is_whole(text: str, start: int, end: int) -> bool:
    """Words of scripts with spaces count only whole (as in C4); Chinese and Japanese ones anywhere."""
    return not (
        (start > 0 and _joined(text[start - 1], text[start]))
        or (end < len(text) and _joined(text[end - 1], text[end]))
    )


def _joined(left: str, right: str) -> bool:
    return left.isalnum() and right.isalnum() and not _is_unspaced(left) and not _is_unspaced(right)


def _is_unspaced(sign: str) -> bool:
    """Han, kana, bopomofo, Thai, Lao, Khmer: scripts that write words without spaces."""
    return (
        "\u2e80" <= sign <= "\u9fff"
        or "\u0e00" <= sign <= "\u0eff"
        or "\u1780" <= sign <= "\u17ff"
        or sign >= "\U00020000"
    )
