"""Banned words: whole Latin words, Chinese anywhere, and a clear error for a list that cannot be used."""

import random
import time
from pathlib import Path

import pytest

from contracts import Document
from services.rules import SERVICE, RulesConfig
from services.rules.keywords import Keywords, Watched
from services.rules.keywords.lists import parse
from services.rules.keywords.reload import EVERY_S
from services.runtime import ConfigurationError, Drop, Emit, ObjectStore, Resources, load_settings

YAML = """
- {name: gambling, language: zh, category: adverts, at_least: 2, words: [彩票, 百家乐, Casino]}
- {name: slurs, action: mask, words: [Dummkopf, 笨蛋]}
- {name: guns, language: en, action: measure, words: [rifle]}
"""


@pytest.fixture
def words(tmp_path: Path) -> str:
    file = tmp_path / "words.txt"
    file.write_text("\ufeff# a list\nCasino\n彩票\n代开发票\n\nv1agra\n", encoding="utf-8")
    return str(file)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("our casino is open, the casino is big", 1),
        ("casinos and occasino", 0),  # parts of other words
        ("去casino买彩票", 2),  # Chinese needs no space
        ("专业代开发票，彩票", 2),
        ("v1agra!", 1),
        ("v1agra2", 0),
        ("", 0),
    ],
)
def test_counts_different_words(words: str, text: str, count: int) -> None:
    keywords = Keywords(parse("words.txt", Path(words).read_bytes()))
    assert keywords.look_up(text, "zh").num_of_drops == count


@pytest.mark.parametrize(
    ("word", "text", "whole"),
    [
        ("ass", "a class", False),
        ("ass", "naïass", False),  # letters beyond ASCII are letters
        ("ass", "ass！", True),
        ("ass", "这个ass真", True),
        ("彩票", "买彩票吧", True),
        ("casino", "ІСcasino", False),  # Cyrillic letters touch it
        ("13点", "他是13点。", True),
        ("13点", "213点", False),
        ("ß", "Straße ß", True),
    ],
)
def test_words_are_bounded_as_their_script_is(word: str, text: str, whole: bool) -> None:
    """Half of the complaints about banned words are of words inside words."""
    found = Keywords(parse("w.txt", word.encode())).look_up(text, "en").words
    assert bool(found) == whole


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("casino", "去ＣＡＳＩＮＯ玩"),
        ("ＣＡＳＩＮＯ", "the casino"),
        ("百家乐", "百家樂"),
        ("百家樂", "百家乐"),
        ("credit  card", "Credit card"),
        ("(a+)+$", "x (a+)+$ y"),
        ("赌", "豪赌客"),
        ("a", "a"),
        ("İstanbul", "in İstanbul"),
        ("ΣΑΣ", "σε σας"),
        ("σας", "ΣΕ ΣΑΣ"),
        ("cafe\u0301", "a café"),
        ("ca\u200bsino", "casino"),
    ],
)
def test_a_word_is_the_same_in_another_form(word: str, text: str) -> None:
    """Who evades a list writes wide letters; a list is of one script and texts are of two."""
    keywords = Keywords(parse("w.txt", f"\ufeff{word}\r\n{word}\r\n".encode()))
    assert keywords.look_up(text, "zh").num_of_drops == 1


def test_time_does_not_grow_with_the_list() -> None:
    """Lists of 100,000 words are common, and each document is held against all."""
    rng = random.Random(3)

    def words(number: int) -> list[str]:
        return ["".join(chr(rng.randrange(0x4E00, 0x9FA5)) for _ in range(3)) for _ in range(number)]

    text = "".join(words(10_000))
    few, many = (Keywords(parse("w.txt", "\n".join(words(number)).encode())) for number in (1000, 100_000))

    def seconds(keywords: Keywords) -> float:
        begun = time.process_time()
        keywords.look_up(text, "zh")
        return time.process_time() - begun

    assert min(seconds(many) for _ in range(5)) < 5 * min(seconds(few) for _ in range(5))


def judged(file: Path, text: str) -> tuple[Document, object]:
    judge = SERVICE.build(RulesConfig(keyword_files=(str(file),)), Resources(load_settings()))
    document = Document(text=text)
    return document, judge([document])[0]


def test_lists_by_language_category_and_action(tmp_path: Path) -> None:
    file = tmp_path / "lists.yaml"
    file.write_text(YAML, encoding="utf-8")
    dropped, verdict = judged(file, "这里有彩票也有百家乐，大家都来玩一玩，注册就送礼金，先到先得。")
    assert isinstance(verdict, Drop)
    assert (verdict.reason, verdict.measured, verdict.threshold) == ("keywords", 2, 2)
    assert verdict.detail == "list gambling (adverts): 2 different words"
    assert dropped.features["keywords_gambling"] == 2
    masked, verdict = judged(
        file, "他说你这个笨蛋，这句话里只有一个彩票，İ 是一个长字母，dummkopf，后面还有几个字。"
    )
    assert isinstance(verdict, Emit)
    assert masked.text.startswith("他说你这个<SLURS>，")
    assert "İ 是一个长字母，<SLURS>，" in masked.text
    measured, verdict = judged(
        file, "The casino sold a rifle and lottery tickets to the miller and to his aunt."
    )
    assert isinstance(verdict, Emit)
    assert measured.features["keywords_guns"] == 1
    assert "keywords_gambling" not in measured.features  # a list for Chinese


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("- {name: a, words: []}", "a holds no word"),
        ("- {name: a, action: kill, words: [b]}", "action 'kill' is none of measure, drop, mask"),
        ("- {name: a, wrods: [b]}", "a has wrods; there are name, words, language"),
        ("- {name: a, words: [1]}", "words is a list of words; quote numbers"),
        ("- {name: 'A b', words: [c]}", "name 'A b' is not of letters"),
        ("- {words: [c]}", "entry 1 has no name"),
        ("- {name: a, language: zh-CN, words: [b]}", "a: language 'zh-CN' is no code of ISO 639-1"),
        ("- {name: a, action: mask, at_least: 2, words: [c]}", "at_least is a number from 1 up"),
        ("name: a", "a list of lists"),
        ("- {name: a, language: no, words: [b]}", "a: language is text; put it in quotes"),
        ("- {name: a, category: [b], words: [c]}", "a: category is text"),
        ("- {name: 5, words: [b]}", "5: name is text"),
        ("- {name: a, at_least: 2.5, words: [b]}", "a: at_least is a whole number, not 2.5"),
        ("- {name: a, words: ['\u200b']}", "a holds no word, or one without a visible sign"),
        ("- {name: a, words: [b]}\n- {name: a, words: [c]}", "two lists are called a"),
        ("- [", "cannot be used"),
    ],
)
def test_a_bad_list_is_one_clear_error(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=rf"bad\.yaml.*{told}") as error:
        Watched([str(file)], _no_store)
    assert "\n" not in str(error.value)


def _no_store() -> ObjectStore:
    raise AssertionError("no file is in the store")


def test_files_are_loaded_anew_while_running(tmp_path: Path) -> None:
    """A list is mended in minutes, not at the next deployment; a broken one must not stop the river."""
    clock = [0.0]
    file, store = tmp_path / "a.txt", ObjectStore(f"file://{tmp_path}")
    file.write_text("lottery")
    store.put("lists/b.txt", b"casino")
    watched = Watched([str(file), "store:lists/b.txt"], lambda: store, lambda: clock[0])

    def holds(word: str) -> bool:
        return bool(watched.current().look_up(word, "en").words)

    assert holds("lottery")
    assert holds("casino")
    store.put("lists/b.txt", b"roulette")
    assert not holds("roulette")  # nothing is read for each batch
    clock[0] += EVERY_S
    assert holds("roulette")
    assert not holds("casino")
    file.write_text("# nothing")
    clock[0] += EVERY_S
    assert holds("lottery")
    assert holds("roulette")


def test_drops_by_density_and_not_by_one_word(words: str) -> None:
    """One word in a long article is a report about it, many are an advertisement."""
    judge = SERVICE.build(RulesConfig(keyword_files=(words,)), Resources(load_settings()))
    spam = Document(text="专业代开发票，彩票内部消息，casino 注册送钱，请加好友详谈")
    article = Document(text="警方昨天通报了一起彩票诈骗案。\n两名嫌疑人已经被拘留。\n案件还在调查当中。")
    spam_verdict, article_verdict = judge([spam, article])
    assert isinstance(spam_verdict, Drop)
    assert (spam_verdict.reason, spam_verdict.measured) == ("keywords", 3)
    assert isinstance(article_verdict, Emit)


def test_a_list_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A silently empty list lets everything through."""
    empty, binary = tmp_path / "empty.txt", tmp_path / "binary.txt"
    empty.write_text("# nothing\n\n")
    binary.write_bytes(b"\xff\xfe\x00\x80")
    for file in (empty, binary, tmp_path / "missing.txt"):
        with pytest.raises(ConfigurationError, match=file.name):
            Watched([str(file)], _no_store)
    with pytest.raises(ConfigurationError, match=r"is not UTF-8 .* save it as UTF-8"):
        Watched([str(binary)], _no_store)
