"""Placeholders by kind and value, policy by format, a model of names behind an entry; linear, no crash."""

import random
import time

import pytest

from contracts import Document
from services.rules import SERVICE, RulesConfig
from services.rules.page import Page
from services.rules.pii import KINDS, Masker
from services.rules.pii.ner import load_finder
from services.runtime import ConfigurationError, Resources, configure, load_settings

TEXT = "王伟的电话是13812345678，邮箱wang@mail.cn；再说一次：138-1234-5678，另一个是13912345678。"
CODE_KINDS = RulesConfig().pii_kinds_of_code


def judged(text: str, **settings: object) -> Document:
    document = Document(text=text)
    SERVICE.build(configure("rules", RulesConfig, settings), Resources(load_settings()))([document])
    return document


def test_the_same_value_has_the_same_placeholder() -> None:
    (masked,) = Masker(KINDS, CODE_KINDS).mask([Page(TEXT)], ["prose"])
    assert masked.text == "王伟的电话是<PHONE_1>，邮箱<EMAIL_1>；再说一次：<PHONE_1>，另一个是<PHONE_2>。"
    assert masked.counts == {"phone": 3, "email": 1}
    (again,) = Masker(KINDS, CODE_KINDS).mask([Page(masked.text)], ["prose"])
    assert (again.text, again.counts) == (masked.text, {})


@pytest.mark.parametrize("text", ["13912345678 138 1234 5678", "138 1234 5678 13912345678", TEXT])
def test_a_masked_text_is_masked_as_it_is(text: str) -> None:
    """A number among others is left, and stays where those have become placeholders."""
    masker = Masker(KINDS, CODE_KINDS)
    (masked,) = masker.mask([Page(text)], ["prose"])
    assert masked.counts
    assert masker.mask([Page(masked.text)], ["prose"]) == [(masked.text, {})]


def test_the_unit_masks_and_counts() -> None:
    document = judged(TEXT)
    assert "138" not in document.text
    assert "wang@" not in document.text
    assert document.features["pii_phone"] == 3
    assert "pii_ip" not in document.features  # what is not there is not counted


def test_kinds_can_be_switched() -> None:
    assert "13812345678" in judged(TEXT, pii_kinds='["email"]').text
    assert judged(TEXT, pii_kinds=()).text == TEXT
    with pytest.raises(ConfigurationError, match=r"pii_kinds has no fone; there are email, id_card"):
        configure("rules", RulesConfig, {"pii_kinds": ["fone"]})


def test_code_keeps_what_it_needs() -> None:
    """A placeholder for an address in code breaks it; an author's e-mail breaks nothing."""
    code = (
        "# by mary.hill@mail.cn\nHOST = '93.184.216.34'\nTIMEOUT = 13812345678\n"
        "remote = 'git@host.org'\ndemo = 'user@example.com'\n"
    )
    (masked,) = Masker(KINDS, CODE_KINDS).mask([Page(code)], ["code"])
    assert masked.text == code.replace("mary.hill@mail.cn", "<EMAIL_1>")


def _tagger() -> object:
    """A tagger that knows one name."""
    return lambda pieces: [
        [(at, at + 3) for at in range(len(piece)) if piece.startswith("李雷子", at)] for piece in pieces
    ]


def test_a_model_of_names_is_asked_near_other_data_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model takes a thousand times as long as a pattern."""
    monkeypatch.setattr("services.rules.pii.lac.lac", _tagger)
    masker = Masker(KINDS, CODE_KINDS, load_finder("services.rules.pii.lac:lac"))
    text = "小李雷子住在这里，电话13812345678。" + "远" * 200 + "小李雷子"
    near, nameless = masker.mask([Page(text), Page("小李雷子住在这里。")], ["prose", "prose"])
    assert near.text.startswith("小<NAME_1>住在这里，电话<PHONE_1>")
    assert near.text.endswith("小李雷子")
    assert nameless.counts == {}


@pytest.mark.parametrize(
    "entry", ["services.rules.pii.nothing:lac", "services.rules.pii.lac:nothing", "lac", ":"]
)
def test_a_model_that_is_not_there_is_one_clear_error(entry: str) -> None:
    with pytest.raises(ConfigurationError, match=r"ner .* cannot be used .*corpusworks\[ner\]"):
        SERVICE.build(RulesConfig(ner=entry), Resources(load_settings()))


PIECES = (
    "138",
    "1234",
    "5678",
    "-",
    " ",
    ".",
    "@",
    "a",
    "电话",
    "：",
    "姓名",
    "王",
    "京A",
    "::",
    "[at]",
    "(",
    "+86",
    "x",
    "X",
    "一三八",
    "one ",
    "seven ",
    "\u200b",
    "\U0001f600",
    "\ud800",
    "＠",
    "１２",
    "name: ",
    "6222",
    "微信",
    "\n",
    "://",
    "护照",
)


def test_any_text_is_masked_without_a_crash() -> None:
    """Placeholders take the place of what was found and of nothing else."""
    rng = random.Random(7)
    masker = Masker(KINDS, CODE_KINDS)
    for _ in range(1000):
        text = "".join(rng.choices(PIECES, k=rng.randrange(1, 60)))
        (masked,) = masker.mask([Page(text)], [rng.choice(("prose", "code"))])
        assert masked.text == text or masked.counts
        assert sum(masked.counts.values()) == masked.text.count("_1>") + sum(
            masked.text.count(f"_{n}>") for n in range(2, 60)
        )


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "1 ",
        "138-",
        "1381234567",
        "a@",
        "@",
        "a.b",
        "@a.",
        "一",
        "：",
        "姓名：王",
        "::",
        "a:",
        "京A",
        "one ",
        "微信",
        "(",
        "1.",
        "6222 0212 ",
        "name: Mary ",
        "13812345678 我叫王伟 ",
        "at [at] ",
    ],
)
def test_time_is_linear(piece: str) -> None:
    """A hostile page must not hold a process."""
    masker = Masker(KINDS, CODE_KINDS)

    def seconds(size: int) -> float:
        page = Page((piece * size)[:size])
        assert page.counts
        begun = time.process_time()
        masker.mask([page], ["prose"])
        return time.process_time() - begun

    seconds(1000)
    small = max(min(seconds(5_000) for _ in range(3)), 1e-4)
    assert min(seconds(40_000) for _ in range(3)) < 8 * 4 * small + 0.05
