"""Personal data is found however it is written, in unspaced Chinese too; what only looks like it stays."""

import pytest

from services.rules.page import Page
from services.rules.pii import KINDS, Span
from services.rules.pii.find import find
from services.rules.pii.places import marked


def spans_of(text: str) -> list[Span]:
    page = Page(text)
    return find(page, marked([page])[0], frozenset(KINDS))


def found(text: str) -> list[tuple[str, str]]:
    """Kind and the text of each span."""
    return [(span.kind, text[span.start : span.end]) for span in spans_of(text)]


@pytest.mark.parametrize(
    ("text", "kind", "shown"),
    [
        # unspaced Chinese
        ("有事请打13812345678找我", "phone", "13812345678"),
        ("打13812345678一直没人接", "phone", "13812345678"),
        ("手机：138-1234-5678。", "phone", "138-1234-5678"),
        ("手机１３８１２３４５６７８", "phone", "１３８１２３４５６７８"),
        ("号码是一三八一二三四五六七八，晚上打", "phone", "一三八一二三四五六七八"),
        ("号码是幺三八零零一三八零零零吧", "phone", "幺三八零零一三八零零零"),
        ("电话1 3 8 1 2 3 4 5 6 7 8", "phone", "1 3 8 1 2 3 4 5 6 7 8"),
        ("座机010-62345678转801", "phone", "010-62345678转801"),
        ("座机（0755）83376666", "phone", "（0755）83376666"),
        ("客服热线400-820-8820", "phone", "400-820-8820"),
        ("+86 13812345678", "phone", "+86 13812345678"),
        ("发到oqian@mail.example.cn就行", "email", "oqian@mail.example.cn"),
        ("发到ｏｑｉａｎ＠ｍａｉｌ．ｃｎ", "email", "ｏｑｉａｎ＠ｍａｉｌ．ｃｎ"),
        ("身份证11010519491231002X已核对", "id_card", "11010519491231002X"),
        ("身份证是110105 19491231 002X", "id_card", "110105 19491231 002X"),
        ("身份证号110105491231002", "id_card", "110105491231002"),
        ("卡号6222021234567890123谢谢", "bank_card", "6222021234567890123"),
        ("来自93.184.216.34的请求", "ip", "93.184.216.34"),
        ("车牌京A·12345被拍", "plate", "京A·12345"),
        ("新能源车粤BD12345", "plate", "粤BD12345"),
        ("护照号E12345678，请核对", "passport", "E12345678"),
        ("他的工号A1024不能用", "employee", "A1024"),
        ("QQ群号：123456789", "qq", "123456789"),
        ("加微信wx_abc42领取", "wechat", "wx_abc42"),
        ("联系人：赵小梅，电话13812345678", "name", "赵小梅"),
        # as people type them
        ("记一下138  1234  5678吧", "phone", "138  1234  5678"),
        ("客服(+86)13812345678", "phone", "(+86)13812345678"),
        ("手机138\u200b1234\u200b5678", "phone", "138\u200b1234\u200b5678"),
        ("座机0755-83376666分机12", "phone", "0755-83376666分机12"),
        ("（0755-83376666转12）", "phone", "0755-83376666转12"),
        ("+15398955795", "phone", "+15398955795"),
        ("身份证三七零二零二一九九九零九二五三一三X。", "id_card", "三七零二零二一九九九零九二五三一三X"),
        ("卡号 6222\xa00212\xa03456\xa07890\xa0123", "bank_card", "6222\xa00212\xa03456\xa07890\xa0123"),
        ("卡号622202 1234567890123", "bank_card", "622202 1234567890123"),
        ("4111.1111.1111.1111", "bank_card", "4111.1111.1111.1111"),
        ("挂京a·12345的车", "plate", "京a·12345"),
        ("车牌京Ａ１２３４５", "plate", "京Ａ１２３４５"),
        ("黑G7054领", "plate", "黑G7054领"),
        ("QQ 54321", "qq", "54321"),
        ("加扣扣：123456789", "qq", "123456789"),
        ("V信：zhao_mei88", "wechat", "zhao_mei88"),
        ("加V：zhaomei88", "wechat", "zhaomei88"),
        ("加我vx：zhao_mei88", "wechat", "zhao_mei88"),
        ('{"工号": "A1024"}', "employee", "A1024"),
        ("| 护照编号 | 71AD75230 |", "passport", "71AD75230"),
        ("登录ip:2606:4700:4700::1111。", "ip", "2606:4700:4700::1111"),
        ("電話13812345678，找陳小明先生", "name", "陳小明"),
        ("座机0571/83376666", "phone", "0571/83376666"),
        ("座机0755-83376666（转12）", "phone", "0755-83376666（转12）"),
        ("座机0755-83376666转分机12", "phone", "0755-83376666转分机12"),
        ("手机138_1234_5678", "phone", "138_1234_5678"),
        ("联系方式\n138/1234/5678", "phone", "138/1234/5678"),
        ("持有护照（号码K97204406）", "passport", "K97204406"),
        ("工号【GH969】", "employee", "GH969"),
        ("QQ/186526392", "qq", "186526392"),
        ("固话：0912-345-678", "phone", "0912-345-678"),
        ("身份证110 105 1949 1231 002X", "id_card", "110 105 1949 1231 002X"),
        ("bankCard=4111111111111111", "bank_card", "4111111111111111"),
        ("车牌号为使224578的车", "plate", "使224578"),
        ("车牌：224·578使", "plate", "224·578使"),
        ("号牌号码WJ京1234X", "plate", "WJ京1234X"),
        ("悬挂VA12345号牌的车", "plate", "VA12345"),
        ("车牌军A·12345", "plate", "军A·12345"),
        ("京A1234试，京A1234超", "plate", "京A1234超"),
        ("港澳通行证C12345678", "passport", "C12345678"),
        ("证件：护照，号码：E12345678", "passport", "E12345678"),
        ("监护人：赵小梅", "name", "赵小梅"),
        # English
        ("Call me on 415-555-0134 tomorrow", "phone", "415-555-0134"),
        ("(415) 555-0134 ext. 22", "phone", "(415) 555-0134 ext. 22"),
        ("fax +44 20 7946 0958", "phone", "+44 20 7946 0958"),
        ("the americas : + 1 ( 212 ) 853 - 4357", "phone", "1 ( 212 ) 853 - 4357"),
        ("customer care: 86018601", "phone", "86018601"),
        ("ask ( 212 ) 853 - 4357", "phone", "( 212 ) 853 - 4357"),
        ("account NL91 ABNA 0417 1643 00", "iban", "NL91 ABNA 0417 1643 00"),
        ("account GB82-WEST-1234-5698-7654-32", "iban", "GB82-WEST-1234-5698-7654-32"),
        ("account IT60 X054 2811 1010 0000 0123 456", "iban", "IT60 X054 2811 1010 0000 0123 456"),
        ("my number is four one five, five five five, zero one three four", "phone", None),
        ("dial double five one two three four seven eight", "phone", None),
        ("mary.hill+news@mail.example.co.uk.", "email", "mary.hill+news@mail.example.co.uk"),
        ("mary [at] example [dot] org", "email", "mary [at] example [dot] org"),
        ("SSN 078-05-1120", "ssn", "078-05-1120"),
        ("card 4111 1111 1111 1111 expired", "bank_card", "4111 1111 1111 1111"),
        ("card 378282246310005", "bank_card", "378282246310005"),
        ("IBAN GB82WEST12345698765432", "iban", "GB82WEST12345698765432"),
        ("from 2606:4700:4700::1111, blocked", "ip", "2606:4700:4700::1111"),
        ("passport no. C01234567", "passport", "C01234567"),
        ("Employee ID: 204418", "employee", "204418"),
        ("driver's license number is F162823540116", "licence", "F162823540116"),
        ("Name: Mary Hill\nBorn in Marn", "name", "Mary Hill"),
        ("Name: Seán O'Brien-McCoy, porter", "name", "Seán O'Brien-McCoy"),
        ("Patient: Mary Hill, 415-555-0134", "name", "Mary Hill"),
        ("call 415-555-0134 extension 28 now", "phone", "415-555-0134 extension 28"),
        ("call (415)\xa0555-0134", "phone", "(415)\xa0555-0134"),
        ("T: 07853 507804", "phone", "07853 507804"),
        ("my social is 078 05 1120", "ssn", "078 05 1120"),
        ("SSN 078.05.1120", "ssn", "078.05.1120"),
        ("EmployeeID: 97885", "employee", "97885"),
        ("emp id: 97885", "employee", "97885"),
        (
            "mail mary dot hill at mail dot example dot net",
            "email",
            "mary dot hill at mail dot example dot net",
        ),
        ("mary {at} mail.net", "email", "mary {at} mail.net"),
        ("hill AT mail DOT net", "email", "hill AT mail DOT net"),
        ("blocked 2606:4700:4700::1111.", "ip", "2606:4700:4700::1111"),
        ("Tel. 415/555-0134", "phone", "415/555-0134"),
        ("phone 030 / 57 73 71", "phone", "030 / 57 73 71"),
        ("F: 415 - 555 - 0134", "phone", "415 - 555 - 0134"),
        ("fax 03(5150)6476", "phone", "03(5150)6476"),
        ("415-555-0134 (ext. 134)", "phone", "415-555-0134 (ext. 134)"),
        ("415-555-0134, extension 80440", "phone", "415-555-0134, extension 80440"),
        ("or (+44) 7905 730837", "phone", "(+44) 7905 730837"),
        ("ring (91) 9783592569", "phone", "(91) 9783592569"),
        ("<phone>0151 0637160</phone>", "phone", "0151 0637160"),
        ("SMS: 555-0134", "phone", "555-0134"),
        ("customer service: 0161 761 3154", "phone", "0161 761 3154"),
        ("SS#: 078 05 1120", "ssn", "078 05 1120"),
        ("phone=0161 761 3154&from=web", "phone", "0161 761 3154"),
        ("Direct: 0161 761 3154", "phone", "0161 761 3154"),
        ("passportNumber=A93465053", "passport", "A93465053"),
        ("Emp. No.: 75009558", "employee", "75009558"),
        ("SSN 078 - 05 - 1120", "ssn", "078 - 05 - 1120"),
        ("Passport/ID No.: A93465053", "passport", "A93465053"),
        ("passport 46 5147464", "passport", "46 5147464"),
        ("IBAN DE89 3704 0044 0532 0130 00", "iban", "DE89 3704 0044 0532 0130 00"),
        ("Name: David Brooks Title: porter", "name", "David Brooks"),
    ],
)
def test_is_found(text: str, kind: str, shown: str | None) -> None:
    spans = found(text)
    assert kind in dict(spans), spans
    if shown is not None:
        assert (kind, shown) in spans


@pytest.mark.parametrize(
    "text",
    [
        "圆周率约为3.14159265358979323846，早在南北朝就算到了小数点后七位。",
        "货号110105194912310021，主频13812MHz。",  # the check character is wrong
        "ISBN 978-7-111-54742-6，定价139.00元。",
        "版本10.0.19045.4170于2024-03-12发布，见第1.2.3.4节，本机地址192.168.1.1和127.0.0.1。",
        "统一社会信用代码91110108551385082Q，注册资本13800000000元。",
        "北纬39.904211，东经116.407395",
        "订单号202311058348119",
        "赐姓名李国昌。我叫王伟，今年五岁。",  # a name in running text, and nothing else
        "一二三四五，上山打老虎；一九四九年十月一日",
        "The years 2019-2020 and 1998 2002, pages 1234567-1234570, 10,000,000 people",
        "4111 1111 1111 1112",  # Luhn
        "std::vector<int> a; at 10:20:30 the Foo::bar ran; ::1",
        "icon@2x.png, lodash@4.17.21, @app.route, user@localhost",
        "one two three, and then four; five people came at seven",
        "call it 42 times\n3628800",
        "$13384966760$ is prime",
        "section 3.2.1.4 of version 1.2.3.40",
        "![](https://www.flickr.com/photos/xmodulo/14517716647/) and /feature/6206321818861568",
        "people-working-in-a-call-center-5453837.png",
        "/home: 291.5 GiB (313011310592 bytes), 19327352832 bytes, total=14388137984]",
        "pidof: 2594 2365 2364 2363 2362 2361",
        "sda 7712   5145  668732  409619   3282",
        ".text:08048080 31 c0; call   8048534 <printf>; call 0x41414141",
        "-187.18667603, 270.64562988; my phone is 192.168.0.8",
        "0010 0800 0604 0002 5255",
        "+2024-12-06, 11:33:56",
        "timmy:x:1002:1003::/home/timmy; ::ffff:127.0.0.0/104",
        "- name: Install Python\nHost Name: Port Number\nSubscription Name: Red Hat",
        "添加Windows风格；WeChat Moments",
        "shop at amazon dot com",
        "git clone git@github.com:one/two; vmlinuz-2.6.16.60-0.91.1-smp; 239.255.255.255",
        "m=+2168762.679540369, +6.293 14.345, +4294967291 degrees",
        "rx ring 256/4096",
        "uploads/Ubuntu-Touch-13-10-On-Your-Phone-392828-2.jpg, a.com/swiftui/text/3086357-tap",
        "电话见 https://a.com/2023/0527/1528509.shtml，或 `10.0.0.2/24`；phone\n2023/05/27, 2023/05/2711",
        "<PHONE_1> 12345678, Employee Retirement Income Security Act of 1974, call 415-555-0134"[:-19],
        "0x1aa58ba042ca   170  49394550       REX.W",
        "Name: Forrest Gump (1994), dtype: int64; Name: Cheap Inc. Name: Email Address",
        "macs hmac-sha2-512-etm@openssh.com; a login, getty@tty1.service",
        "fingerprint 90:c3:ef:c3:f3:ff:04:6f",
        "[微信 Markdown 编辑器](https://a.net), commit/1043c3df7ddb72eb234c55858960e9fdd3830a14",
    ],
)
def test_is_not_found(text: str) -> None:
    assert found(text) == []


def test_a_number_is_one_kind() -> None:
    """An identity card holds a date and what could be a phone; overlapping finds would tear it apart."""
    assert found("身份证11010519491231002X") == [("id_card", "11010519491231002X")]
    assert found("甲：13812345678/13912345678") == [("phone", "13812345678"), ("phone", "13912345678")]


@pytest.mark.parametrize(
    "text",
    ["vx：zhao_mei88", "mary [at] mail [dot] net", "Employee ID: 48213", "Name: Mary Hill", "QQ：54321"],
)
def test_words_that_announce_do_so_in_a_page_of_another_script(text: str) -> None:
    """A Chinese page is full of Latin ones."""
    around = "山上的风很大，我们走得很慢。" * 20
    spans = found(f"{around}{text}\n{around}")
    assert len(spans) == 1
    assert spans[0][1] in text


def test_what_stands_around_stays() -> None:
    """Half a pair of brackets is lost for good."""
    assert found("(fax +44 20 7946 0958)") == [("phone", "+44 20 7946 0958")]
    assert found("（电话 13812345678）") == [("phone", "13812345678")]


@pytest.mark.parametrize(
    "text",
    [
        "415-555-0134, (415) 555-0134, +1 415 555 0134, 1-415-555-0134",
        "010-62345678，+86-10-62345678，（010）62345678",
        "京A12345，京a·12345，京Ａ１２３４５",
        "mail mary@mail.net, mary [at] mail [dot] net, or mary at mail dot net",
    ],
)
def test_a_placeholder_is_of_a_value(text: str) -> None:
    spans = spans_of(text)
    assert len(spans) >= 3
    assert len({span.value for span in spans}) == 1


def test_values_are_the_same_however_written() -> None:
    text = "13812345678，138 1234 5678，+86-138-1234-5678，１３８１２３４５６７８，一三八一二三四五六七八"
    spans = spans_of(text)
    assert len(spans) == 5
    assert {span.value for span in spans} == {"13812345678"}


def test_a_card_in_han_that_an_x_follows_is_none() -> None:
    """Prevents a crash: the X of a resident's number has no digit sum."""
    assert found("号码是六二二二零二一二三四五六七八九零一二X，请收好") == []
