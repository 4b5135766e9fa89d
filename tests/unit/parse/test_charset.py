# ruff: noqa: E501 - pages are written as they come
import pytest

from services.parse.charset import decode, east_asian, given

ZH = "春天的雨下了三天，河水漫过了石桥。孩子们站在岸边，看小船顺着水流慢慢漂远，谁也没有说话。" * 3
ZH_TRADITIONAL = (
    "春天的雨下了三天，河水漫過了石橋。孩子們站在岸邊，看小船順著水流慢慢漂遠，誰也沒有說話。" * 3
)
JA = "通りの外れに古い時計を直す店がある。店主の話し方はとてもゆっくりだ。"
KO = "나는 오늘 학교에 간다. 우리는 강가에서 점심을 먹고 책을 읽었다."
FR = "Le café du coin sert une soupe très simple, et les élèves y passent après les cours. Où est-il ?"
DE = (
    "Der Wärter schrieb täglich das Wetter auf; für drei Stürme müsste man ältere Bücher öffnen. Größe: groß."
)
RU = "Сегодня утром шел дождь, и река вышла из берегов. Никто не говорил ни слова."
EN = "The café on the corner serves naïve travellers a plain soup, and charges “tourist” prices for it. " * 4


PL = "Latarnik zapisywał pogodę każdego wieczoru, a książkę wysyłał co miesiąc do miasta. Był też młynarz."
CS = "Strážce majáku každý večer zapisoval počasí a jednou měsíčně posílal knihu do města. Přišla bouře."
TR = "Fener bekçisi her akşam havayı yazdı ve defteri ayda bir kez şehre gönderdi. Üç fırtına kaçırdı, çünkü uyuyordu."
EL = "Ο φύλακας έγραφε κάθε βράδυ τον καιρό και μία φορά τον μήνα έστελνε το βιβλίο στην πόλη."
AR = "كان حارس المنارة يكتب حالة الطقس كل مساء ويرسل الدفتر إلى المدينة مرة في الشهر."
HE = "שומר המגדלור כתב את מזג האוויר בכל ערב ושלח את הספר העירה פעם בחודש."
TH = "ผู้ดูแลประภาคารจดสภาพอากาศทุกเย็นและส่งสมุดไปที่เมืองเดือนละครั้ง"
UK = "Сторож маяка щовечора записував погоду і раз на місяць надсилав книгу до міста. Її читали всі."


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        (DE, "cp1252"),
        (DE, "mac_roman"),
        (FR, "iso8859_15"),
        (PL, "cp1250"),
        (PL, "iso8859_2"),
        (CS, "cp1250"),
        (CS, "iso8859_2"),
        (TR, "iso8859_9"),
        (EL, "cp1253"),
        (EL, "iso8859_7"),
        (RU, "cp866"),
        (RU, "iso8859_5"),
        (RU, "mac_cyrillic"),
        (UK, "koi8_u"),
        (AR, "cp1256"),
        (AR, "iso8859_6"),
        (HE, "cp1255"),
        (TH, "cp874"),
        (KO + " “4½” ▲ °", "euc_kr"),
        (JA, "euc_jp"),
        (RU, "utf-16-le"),
        (KO, "utf-16-be"),
        (AR, "utf-16-le"),
        (ZH, "utf-7"),
        ("C+- and more +- signs: " + JA, "utf-7"),
    ],
)
def test_languages_are_told_by_their_letters(text, charset):
    """Prevents a language from coming in as another's letters, which passes every count of bad characters."""
    assert decode(text.encode(charset)).text == text


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        (ZH, "gb18030"),
        (JA, "shift_jis"),
        (JA, "euc_jp"),
        (KO, "euc_kr"),
        (RU, "koi8_r"),
        (CS, "cp1250"),
        (FR, "cp1252"),
    ],
)
def test_what_stands_far_down_is_seen(text, charset):
    """Prevents a page's scripts, or a book's English preface, from hiding the charset of the rest."""
    body = f"<script>{'var a = f(b) + 1; ' * 6000}</script><p>{text}</p>"
    assert text in decode(body.encode(charset), declared=True).text


@pytest.mark.parametrize(
    ("text", "charset", "named"),
    [
        (RU, "cp1251", "iso-8859-1"),
        (RU, "koi8_r", "windows-1251"),
        (EL, "cp1253", "windows-1252"),
        (TH, "cp874", "iso-8859-1"),
        (KO, "euc_kr", "gb2312"),
        (JA, "euc_jp", "big5"),
        ("It’s the keeper’s lamp, isn’t it?", "cp1252", "gb2312"),
        (FR, "cp1252", "utf-8"),
    ],
)
def test_a_declaration_gives_way_to_what_reads_as_a_language(text, charset, named):
    """Prevents what a template or a server declares from making "it抯" of "it’s"."""
    assert text in decode(f'<meta charset="{named}"><p>{text}'.encode(charset), declared=True).text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (JA.encode("iso2022_jp") + b"\xff.", JA + "."),
        (JA.encode("iso2022_jp")[:-4], JA[:-1]),
        (ZH.encode("hz")[:-3], ZH[:-1]),
    ],
)
def test_shifts_survive_a_stray_byte_and_a_cut(body, text):
    """Prevents one byte too many or too few from leaving a text of seven bits undecoded."""
    assert decode(body).text.rstrip("\n") == text


@pytest.mark.parametrize(
    "text",
    ["a+b+c is +1; C++ and +AAAA-, but x=+2-3", "data:image/png;base64,iVBORw0KGgo+AAAAB+ddff/2", "1+1=2"],
)
def test_sums_are_no_shifts(text):
    """Prevents what stands behind a plus from being read as UTF-7."""
    assert decode(text.encode()).text == text


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        (ZH, "utf-8"),
        (ZH, "utf-8-sig"),
        (ZH, "gb18030"),
        (ZH[:24], "gb18030"),
        (ZH_TRADITIONAL, "big5"),
        (ZH_TRADITIONAL[:20], "big5"),
        (JA, "shift_jis"),
        (JA, "euc_jp"),
        (JA, "iso2022_jp"),
        (KO, "euc_kr"),
        (KO, "iso2022_kr"),
        (ZH, "hz"),
        (FR, "cp1252"),
        (RU, "koi8_r"),
        (RU, "cp1251"),
        (ZH, "utf-16"),
        (ZH, "utf-16-le"),
        (ZH, "utf-16-be"),
        (EN, "utf-16-le"),
        (ZH, "utf-32"),
        (EN, "cp1252"),
        ("plain words", "ascii"),
        ("", "utf-8"),
    ],
)
def test_text_comes_back_from_every_charset(text, charset):
    """Prevents mojibake: Chinese read as Latin letters passes as text and poisons the corpus."""
    decoded = decode(text.encode(charset))
    assert decoded.text == text
    assert decoded.bad_share == 0


def test_a_declared_charset_is_believed_unless_the_bytes_are_valid_utf8():
    """Prevents both mistakes: ignoring <meta>, and trusting one that a CMS left from its template."""
    page = '<meta charset="big5"><p>' + ZH_TRADITIONAL
    assert ZH_TRADITIONAL in decode(page.encode("big5"), declared=True).text
    assert ZH_TRADITIONAL in decode(page.encode("utf-8"), declared=True).text


@pytest.mark.parametrize(
    ("around", "charset"),
    [
        ('<script charset="big5" src="x.js"></script>', "gb18030"),
        ('<!-- <meta charset="big5"> -->', "gb18030"),
        ("<script>var page = '<meta charset=big5>'</script>", "gb18030"),
        ('<link href="a.css" charset="shift_jis"><meta charset="gbk">', "gb18030"),
        ('<meta charset="iso-8859-1">', "gb18030"),  # the template's
        ('<meta charset="gb2312">', "big5"),
    ],
)
def test_only_the_page_itself_declares_and_only_what_can_be(around, charset):
    """Prevents a script's charset, or a template's, from turning a page into rare characters or Latin letters."""
    text = ZH if charset != "big5" else ZH_TRADITIONAL
    assert (
        text in decode(f"<html><head>{around}<title>t</title><p>{text}".encode(charset), declared=True).text
    )


@pytest.mark.parametrize("stray", [b"\xa0", b"\x92", b"\xff", b"\xe4\xb8"])
@pytest.mark.parametrize("text", [ZH, "The cook’s bread was dear that winter.", "Un café, deux cafés."])
def test_a_stray_byte_is_left_out_of_utf8(text, stray):
    """Prevents one bad byte from turning a page of UTF-8 into Windows Latin: "Itâ€™s"."""
    decoded = decode(text.encode() + stray + b" The end.")
    assert (decoded.text, decoded.charset) == (text + " The end.", "utf-8")
    assert 0 < decoded.bad_share < 0.3


@pytest.mark.parametrize("stray", [b"\xa0", b"\xfe", b"\x80"])
@pytest.mark.parametrize(("text", "charset"), [(ZH, "gb18030"), (JA, "euc_jp")])
def test_a_stray_byte_puts_no_more_than_a_character_out_of_step(text, charset, stray):
    """Prevents one byte from making rare characters of all that follows it up to the next line."""
    whole = text.encode(charset)
    decoded = decode(whole[:20] + stray + whole[20:])
    assert decoded.text.startswith(text[:9])
    assert decoded.text.endswith(text[12:])
    assert 0 < decoded.bad_share < 0.05


def test_what_was_damaged_before_stays():
    """Prevents a replacement character from vanishing that says where a text lost something."""
    assert (
        decode("Itâ€\ufffds an old text – and damaged.".encode()).text
        == "Itâ€\ufffds an old text – and damaged."
    )


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("\x1b[32m构建成功\x1b[0m：完成。", "构建成功：完成。"),
        ("It’s \x1b[1;31mred\x1b[m now\x1b[K", "It’s red now"),
        ("\x1b]0;a title\x07prompt \x1b(Bdone – \x1b7ok", "prompt done – ok"),
        ("a lone \x1b – and a NUL\x00.", "a lone  – and a NUL."),
        (
            "The keeper \x1bwrote – and went\x1b home\x1b(see below).",
            "The keeper wrote – and went home(see below).",
        ),
        ("\x1bP1$q\x1b\\a – \x1b_hidden\x1b\\b \x1b%Gc \x1bM\x1b7d", "a – b c d"),
    ],
)
def test_what_is_meant_for_terminals_goes_whole(raw, text):
    """Prevents "[32m" from staying in texts, and an ESC or a NUL from making UTF-8 doubtful."""
    assert decode(raw.encode()).text == given(raw.encode()).text == text


@pytest.mark.parametrize(
    "text", ["In HZ ~{ and ~} shift, as in ~{<:Ky2;~}.", "tput sgr0 writes \x1b(B\x1b[m.", "~{}~{x~}"]
)
def test_text_of_seven_bits_is_not_shifted_without_need(text):
    """Prevents shell and template code from being read as Chinese; what came as Unicode is never decoded again."""
    assert "~" not in text or decode(text.encode()).text == text
    assert given(text.encode()).text == text.replace("\x1b(B\x1b[m", "")
    assert given(ZH.encode("gb18030")) is None


@pytest.mark.parametrize("label", ["no-such-charset", "rot13", "base64", "utf-7", "zlib_codec"])
def test_a_declared_charset_that_is_none_is_passed_over(label):
    """Prevents a LookupError, or a codec that unpacks a bomb, from a hostile meta tag."""
    body = f'<meta charset="{label}"><p>'.encode() + ZH.encode("gb18030")
    assert ZH in decode(body, declared=True).text


def test_nul_and_broken_bytes_are_removed_and_counted():
    """Prevents NULs from reaching tokenizers and databases, unnoticed."""
    decoded = decode(b"abc\x00def\x07" + b"g" * 90)
    assert "\x00" not in decoded.text
    assert "\x07" not in decoded.text
    assert decoded.bad_share == pytest.approx(2 / 98)
    truncated = decode(ZH.encode()[:-1])
    assert truncated.text.startswith(ZH[:-1])
    assert 0 < truncated.bad_share < 0.02


def test_line_ends_become_newlines():
    """Prevents paragraph rules from seeing one line in files of Windows and old Macs."""
    assert decode(b"a\r\nb\rc\x0cd").text == "a\nb\nc\nd"


def test_random_bytes_are_bad():
    """Prevents a binary file from passing as text."""
    assert decode(bytes(range(256)) * 40).bad_share > 0.05


def test_of_what_may_be_utf7_each_sign_is_judged_once(monkeypatch):
    """Prevents a page of formulas, whose sums look like shifts, from a look at each of 100,000 signs."""
    asked = []
    is_everyday = east_asian.is_everyday
    monkeypatch.setattr(east_asian, "is_everyday", lambda sign: asked.append(sign) or is_everyday(sign))
    page = "a sum is x+ZZZZZZZZZZZ and no letter of any language " * 900
    assert decode(page.encode()).text == page
    assert len(asked) == len(set(asked)) > 0
