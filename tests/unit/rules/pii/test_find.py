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
        # English
        ("Call me on 415-555-0134 tomorrow", "phone", "415-555-0134"),
        ("(415) 555-0134 ext. 22", "phone", "(415) 555-0134 ext. 22"),
        ("fax +44 20 7946 0958", "phone", "+44 20 7946 0958"),
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
    ],
)
def test_is_not_found(text: str) -> None:
    assert found(text) == []


def test_a_number_is_one_kind() -> None:
    """An identity card holds a date and what could be a phone; overlapping finds would tear it apart."""
    assert found("身份证11010519491231002X") == [("id_card", "11010519491231002X")]
    assert found("甲：13812345678/13912345678") == [("phone", "13812345678"), ("phone", "13912345678")]


def test_values_are_the_same_however_written() -> None:
    text = "13812345678，138 1234 5678，+86-138-1234-5678，１３８１２３４５６７８，一三八一二三四五六七八"
    spans = spans_of(text)
    assert len(spans) == 5
    assert {span.value for span in spans} == {"13812345678"}
