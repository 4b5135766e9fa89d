"""The signs of announcing words miss none: a bare page is masked as one whose words are known."""

import pytest

from services.rules.page import Page
from services.rules.pii import KINDS, Masker
from services.rules.pii.hints import hinted
from services.rules.words import ACCOUNT, AT, NAME, SPELLED

ANNOUNCED = {
    "Name: Mary Hill": NAME,
    "name \t:\tMary Hill": NAME,
    "Cardholder: Mary Hill": NAME,
    "Attn: Mary Hill": NAME,
    "mary.hill [at] mail [dot] net": AT,
    "mary.hill(AT)mail.net": AT,
    "mary.hill ( at ) mail.net": AT,
    "employee id: 48213": ACCOUNT,
    "STAFF NO. 48213": ACCOUNT,
    "badge #48213": ACCOUNT,
    "Passport number AB1234567": ACCOUNT,
    "WeChat: maryhill_88": ACCOUNT,
    "weixin maryhill_88": ACCOUNT,
    "vx :maryhill_88": ACCOUNT,
    "WX：maryhill_88": ACCOUNT,
    "four one five, five-five - five oh": SPELLED,
    "Nine eight seven six double zero three double two one": SPELLED,
    "ZERO TWO ZERO SEVEN SIX FOUR NINE": SPELLED,
    "oh oh oh oh oh oh oh": SPELLED,
}


@pytest.mark.parametrize("text", ANNOUNCED)
def test_what_announces_is_hinted_at(text: str) -> None:
    """At the end of a page, and among other signs than ASCII's."""
    masker = Masker(KINDS, KINDS)
    for around in (text, f"“Écrivez” – {text} – and no more."):
        colons = [at for at, sign in enumerate(around) if sign in ":："]
        assert hinted(Page(around), colons) & ANNOUNCED[text]
        known = Page(around)
        assert known.bits
        bare, same = masker.mask([Page(around), known], ["prose"] * 2)
        assert bare == same
        assert sum(bare.counts.values()) == 1


@pytest.mark.parametrize(
    "text", ["", "o", "A (large) lamp: it hangs at the door.", "name: mary", "one or two of three", "Fox: no"]
)
def test_ordinary_words_are_not(text: str) -> None:
    assert hinted(Page(text), [at for at, sign in enumerate(text) if sign == ":"]) == 0
