"""Buttons, times and names of writers go out of a thread; what people wrote stays, and so do other texts."""

import pytest

from contracts import Document
from services.rules import SERVICE, RulesConfig
from services.rules.page import Page
from services.rules.scaffolding import without_scaffolding
from services.runtime import Emit, Resources, load_settings

EN = """Pilot light goes out at night

JosephF
Jan 3, 2024

My lamp goes out every night at about two, and in the morning the room is cold.
Reply
Like (3)

eb1888
Jan 4, 2024, 2:18 pm

The wire is loose. Mine did the same until I soldered it, and it has burnt for a year since.
Click to expand...
Reply

JosephF
2 weeks ago

That was it!
Reply"""

ZH = """水泵夜里总是停机怎么办

王小明
发表于 2023-3-1 12:13:00 | 只看该作者
家里的水泵每天夜里两点左右都会停机，早上起来没有水。
回复
举报

老李
2023年3月2日 09:10
先看看电压，夜里电压太低的话保护器会跳闸。
回复(2)
点赞 12

王小明
3 天前
果然是电压的问题，谢谢！
登录后可回复"""


BOARD = """How to fix a leaking tap at night

Posted by keeper42 on 12 May 2023 at 10:15
Joined: Mar 2019
Posts: 1,213

My tap has been leaking for a week, and I have replaced the washer twice. Posts: none of them help.

Reply Quote Report (2)

Senior Member
Posted: 12 May 2023, 11:02

When the seat of the valve is worn, no washer will ever seal, and you need to grind it flat again.

Reply Share"""

DISCUZ = """水龙头漏水怎么办

楼主：看守人42 发表于 2023-5-12 10:15
注册时间：2019-3
帖子：213
厨房的水龙头漏了一个星期了，我换了两次垫圈都没有用，还可能是哪里的问题。
回复 引用 举报
2楼 磨坊的女孩
高级会员
阀座磨损了，什么垫圈都密封不住，需要重新磨平。
看守人42 发表于 2023-5-12 12:30
确实是阀座磨损了，谢谢，现在不漏了！
登录后才可以回复"""


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        (BOARD, ["keeper42", "Joined", "1,213", "Reply", "Report", "Member", "2023"]),
        (DISCUZ, ["看守人42", "2019", "213", "回复", "2楼", "高级会员", "2023"]),
        (EN, ["JosephF", "eb1888", "Jan", "Reply", "Like", "Click to expand", "ago"]),
        (ZH, ["王小明", "老李", "09:10", "回复", "举报", "点赞", "天前"]),
        (
            "花钱就能解决村里的用水问题吗？\n0 点赞 · 1 评论\n我看要看情况。\n3 点赞 · 2 评论\n能。\n1 点赞",
            ["点赞"],
        ),
    ],
)
def test_the_thread_stays_and_its_scaffolding_goes(text: str, gone: list[str]) -> None:
    document = Document(text=text)
    (verdict,) = SERVICE.build(RulesConfig(), Resources(load_settings()))([document])
    assert isinstance(verdict, Emit)
    assert not [each for each in gone if each in document.text]
    said = [line for line in text.split("\n") if line.endswith((".", "。", "!", "！", "night", "怎么办"))]
    said = [line for line in said if not line.startswith("Click")]
    assert [line for line in document.text.split("\n") if line in said] == said
    assert "\n\n\n" not in document.text
    assert 0.1 < document.features["scaffolding_share"] < 0.6
    assert without_scaffolding(Page(document.text)) == document.text


def test_it_can_be_switched_off() -> None:
    document = Document(text=EN)
    SERVICE.build(RulesConfig(strip_scaffolding=False), Resources(load_settings()))([document])
    assert document.text == EN


@pytest.mark.parametrize(
    "text",
    [
        "Edit\n\nOpens the file.\n\nShare\n\nSends the file to others.",  # a manual's headings
        "London\nJan 3, 2024\n\nDear John,\nI write to tell you that the lamp is mended.",  # a letter
        "Reply\nLike\nShare",  # nothing else: the rules shall see it
        "Listing:\n```\n2024-01-03\n2024-01-04\n2024-01-05\n```\nThree days are missing from the log.",
        "He said:\nReply soon, I beg of you.\nShare it with 3 friends.\nLike them all.",
        "Posts: 3\nThreads: 4\nA board that is 7 m long takes 3 posts and 4 threads of wire.",
        "Answered by Mr Pym on 3 May 1890:\n\nThe water is high. Quote me on that.",
        "Start\n1921-07-01\nIt began.\nFlood\n1922-07-16\nIt rained.\nEnd\n1931-08-02\nIt was over.",
        "",
    ],
)
def test_what_is_no_thread_stays(text: str) -> None:
    assert without_scaffolding(Page(text)) == text
