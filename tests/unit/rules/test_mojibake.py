"""Wrong decodings are undone where that is certain, and nothing that is meant is touched."""

import random

import pytest

from contracts import Document
from services.rules import SERVICE, RulesConfig, mojibake
from services.runtime import Drop, Resources, load_settings

EN = "It isn’t the miller’s fault — “not at all”, said the café’s owner, and so did the naïve clerk."
ZH = "水位由磨坊的女孩每天记录，她把数字写在明信片上。河水上涨的时候，她一天要去两次，明信片都编了号、收好。"


PLAIN = "水位由磨坊的女孩每天记录，她把数"


def mend(text: str) -> str:
    return mojibake.mend_rare(mojibake.mend(text))


def unmended(text: str) -> int:
    return mojibake.unmended(text) + mojibake.unmended_rare(text)


TRADITIONAL = (
    "水位由磨坊的女孩每天記錄，她把數字寫在明信片上。河水上漲的時候，她一天要去兩次，明信片都編了號。"
)


def as_1251(text: str) -> str:
    """UTF-8 read as Windows-1251; 98 is no character there."""
    return text.encode().decode("cp1251", "ignore")


def as_1252(text: str) -> str:
    """UTF-8 read as Windows-1252; what that has no character for is read as Latin-1."""
    return "".join(
        bytes([byte]).decode("cp1252") if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(byte)
        for byte in text.encode()
    )


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (as_1252(EN), EN),
        (EN.encode().decode("latin-1"), EN),
        (as_1252(EN).replace("â€\x9d", "â€\ufffd"), EN),
        (as_1252(as_1252(EN)), EN),
        (EN.encode().decode("latin-1").encode().decode("latin-1"), EN),
        (as_1252(EN).replace("\x9d", ""), EN),
        (EN.encode().decode("mac_roman"), EN),
        (EN.encode().decode("cp437"), EN),
        (as_1251(EN), EN),
        (EN.encode("cp1252").decode("latin-1"), EN),
        ("so it was\x85 he \x93said\x94", "so it was… he “said”"),
        ("The priceÂ was Â£5 andÂ fell, Â© 1999.", "The price was £5 and fell, © 1999."),
        (ZH.encode().decode("cp932", "ignore"), None),
        (PLAIN.encode().decode("cp932"), PLAIN),
        (TRADITIONAL.encode("big5").decode("latin-1"), TRADITIONAL),
        (ZH.encode().decode("latin-1"), ZH),
        (as_1252(ZH), ZH),
        (ZH.encode("gb2312").decode("latin-1"), ZH),
        (ZH[:-1].encode().decode("gb18030", "replace").rstrip("\ufffd"), None),
    ],
)
def test_is_undone(wrong: str, right: str | None) -> None:
    assert wrong != right
    if right is None:  # an odd byte is lost at the end: it may be undone but for that
        assert unmended(wrong) or mend(wrong) != wrong
    else:
        assert mend(wrong) == right
        assert mend(right) == right


@pytest.mark.parametrize(
    "text",
    [
        EN, ZH,
        "CAFÉ», É», Â la carte, À bientôt", "Ã is a letter of Portuguese: NÃO, LIÇÕES", "â, ê, î, ô, û",
        "„Er sagte ‚Ärger‘ und ‚Änderung‘“", "¡Adiós! ¡Caramba, qué día! Está aquí, allí, así.",
        "ﾃｽﾄ ｺｰﾋｰ 漢字",
        "Â la carte. Â", "É… café’s “liberté” – marché»", "«До свидания», в 5 км — всё",
        "5 £¬ and £5, 10 °C, ±2 µm, «Äpfel», ÅÄÖ", "Привет, мир", "日本語の文章です。", "ñandú à l’été œuvre",
    ],
)  # fmt: skip
def test_what_is_meant_stays(text: str) -> None:
    assert mend(text) == text


def test_what_has_lost_bytes_is_damage() -> None:
    """Chinese that is UTF-8 read as GBK looks like Chinese to every other rule."""
    lost = (ZH * 3).encode().decode("gb18030", "replace")
    broken = "".join(sign for i, sign in enumerate(lost) if i % 9)
    document = Document(text=broken)
    (verdict,) = SERVICE.build(RulesConfig(), Resources(load_settings()))([document])
    assert isinstance(verdict, Drop)
    assert verdict.reason == "damaged"
    assert unmended(ZH) == 0
    for charset in ("cp932", "cp1252"):
        wrong = mend((ZH * 3).encode().decode(charset, "ignore"))
        assert unmended(wrong) * 10 > len(wrong), wrong
    for right in ("挺好看的(｡･ω･｡)ﾉ♡", "ﾃｽﾄ ｺｰﾋｰ 漢字の手引き", "他说“é”和“à”是法文字母，café 也是。" * 3):
        assert unmended(right) == 0


def test_any_text_is_mended_without_a_crash() -> None:
    rng = random.Random(3)
    signs = "aâ€™Ã©Â£¬¡£锛銆紝中\x80\x9d\ufffd\ud800 \n"
    for _ in range(2000):
        text = "".join(rng.choices(signs, k=rng.randrange(80)))
        mend(text)
        unmended(text)
