"""What is taken out and what stays: frames of hosts, passages that go round, and what is common speech."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from contracts import Document
from services.runtime import Emit, Resources, Settings
from services.sentences import SERVICE, SentencesConfig, build
from services.sentences.taken import whole_text

FRAME = "本站所有文章均为原创，未经书面许可，任何人不得转载。"
NOTICE = "The Harbour Gazette is not liable for what other sites say. Contact our desk for a licence."
GREETING = "祝您工作顺利，身体健康，万事如意，阖家幸福安康！"  # what many people write


def page(number: int, text: str, host: str = "a.example", **fields: Any) -> Document:
    fields = {"format": "prose", "language": "zh", **fields}
    return Document(uid=number + 1, text=text, metadata={"url": f"https://{host}/{number}"}, **fields)


def own(number: int) -> str:
    """A paragraph that no other document has."""
    return f"第{number}号码头今天停了{number + 3}艘船，船长们说风很大，他们等了{number * 7}个小时。"


def judged(documents: Sequence[Document], batch: int = 1, **settings: Any) -> list[Document]:
    """The documents as they go on; batches of one, so that nothing is seen ahead."""
    judge = build(SentencesConfig(**{"of": ("*",), "index": "memory", **settings}), Resources(Settings()))
    before = [document.text for document in documents]
    found: list[Document] = []
    for start in range(0, len(documents), batch):
        for verdict in judge(documents[start : start + batch]):
            assert isinstance(verdict, Emit)
            found.append(verdict.document)
    assert [whole_text(document) for document in found] == before, "a cut is not recorded as it was"
    return found


def test_the_frame_of_a_host_goes_from_the_fourth_document_on() -> None:
    found = judged([page(n, f"{own(n)}\n\n{FRAME}\n\n{own(n + 100)}\n") for n in range(6)])
    assert [FRAME in each.text for each in found] == [True, True, True, False, False, False]
    assert found[5].text == f"{own(5)}\n\n{own(105)}\n"
    (cut,) = found[5].removed
    assert (cut.text, cut.host, cut.documents, cut.needed) == (f"{FRAME}\n\n", "a.example", 6, 4)
    assert found[5].features["repeated_share"] == pytest.approx(0.32, abs=0.01)
    assert not found[0].removed


def test_what_a_batch_holds_is_known_before_its_first_document_is_judged() -> None:
    found = judged([page(n, f"{own(n)}\n{FRAME}\n") for n in range(6)], batch=6)
    assert not any(FRAME in each.text for each in found)


def test_sentences_in_a_line_go_and_the_line_stays() -> None:
    found = judged([page(n, f"{own(n)} {NOTICE}\n下一行，第{n}行。") for n in range(5)])
    assert found[4].text == f"{own(4)}\n下一行，第4行。"


def test_what_many_hosts_say_stays_and_three_in_a_row_go() -> None:
    """A greeting is language wherever it stands; the same three sentences everywhere are a passage."""
    texts = [f"{own(n)}\n{GREETING}\n{own(n + 50)}\n" for n in range(30)]
    assert all(
        GREETING in each.text for each in judged([page(n, t, f"h{n}.example") for n, t in enumerate(texts)])
    )
    passage = (
        "潮水每天涨落两次，月亮和太阳一起拉它。\n渔民比书本更早知道这件事情。\n他们看云，也看海鸥飞得多高。\n"
    )
    found = judged([page(n, f"{own(n)}\n{passage}{own(n + 50)}\n", f"h{n}.example") for n in range(10)])
    assert [passage in each.text for each in found] == [True] * 7 + [False] * 3
    assert [cut.host for cut in found[9].removed] == [""]


def test_what_is_said_now_and_then_on_a_large_host_stays() -> None:
    """Four of 400 have it: a sentence. A frame is in a share of the host's documents."""
    documents = [page(n, f"{own(n)}\n{GREETING if n % 100 == 0 else own(n + 1000)}\n") for n in range(401)]
    assert sum(GREETING in each.text for each in judged(documents, batch=50)) == 5
    assert sum(GREETING in each.text for each in judged(documents, batch=50, host_share=0.0)) == 3


def test_short_ones_stay_and_go_with_their_neighbours() -> None:
    text = "好的。\n谢谢你！\n"
    assert all(
        text in each.text for each in judged([page(n, f"{own(n)}\n{text}{own(n + 50)}") for n in range(9)])
    )
    own_words = [page(n, f"{own(n)}\n{n}号船很好。{FRAME}\n") for n in range(5)]
    assert judged(own_words)[4].text == f"{own(4)}\n4号船很好。\n", "beside a frame, and its own"
    line = f"{FRAME}回到首页。"
    assert judged([page(n, f"{own(n)}\n{line}\n") for n in range(5)])[4].text == f"{own(4)}\n"


@pytest.mark.parametrize("fields", [{"format": "code"}, {"format": "table"}, {"format": ""}])
def test_only_prose_is_read(fields: Mapping[str, str]) -> None:
    assert not any(
        each.removed for each in judged([page(n, f"{own(n)}\n{FRAME}\n", **fields) for n in range(6)])
    )


def test_a_copy_is_left_whole_for_dedup() -> None:
    found = judged([page(n, f"{own(1)}\n{own(2)}\n{own(3)}\n{FRAME}\n") for n in range(6)])
    assert found[5].features["repeated_copy"] == 1.0
    assert not found[5].removed


def test_a_page_that_is_fetched_again_is_no_repetition_of_itself() -> None:
    """Prevents: news that is revisited each hour losing its own text by the fourth visit."""
    found = judged([page(7, f"{own(1)}\n{own(2)}\n", id=str(visit)) for visit in range(9)])
    assert not any(each.features for each in found)


def test_only_the_named_are_read() -> None:
    named = ("*.B.example", "file:///in/*")
    pages = [page(n, f"{own(n)}\n{FRAME}\n", host) for host in ("x.b.example", "c.example") for n in range(5)]
    records = [Document(uid=n + 1, text=f"{own(n)}\n{FRAME}\n", format="prose", source=f"file:///in/a.jsonl#{n}")
               for n in range(5)]  # fmt: skip
    removed = [len(each.removed) for each in judged([*pages, *records], of=named)]
    assert removed == [0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]


def test_it_is_off_and_asks_for_no_server() -> None:
    judge = build(SentencesConfig(), Resources(Settings()))
    document = page(1, FRAME)
    assert judge([document]) == [Emit(document)]
    assert not hasattr(judge, "begin")
    assert SERVICE.agrees(SentencesConfig(), Settings()) == {}


def test_bad_input_passes() -> None:
    """Lone surrogates cannot be in a message; hosts that are none, and no text at all, can."""
    odd = [Document(uid=1), Document(uid=2, text=FRAME, format="prose", metadata={"url": "http://[::1"}),
           Document(uid=3, text="\n \n", format="prose", source="http://")]  # fmt: skip
    assert len(judged(odd * 5, batch=3)) == 15


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"host_documents": 1}, "2 or more"),
        ({"host_share": 1.5}, "share from 0 to 1"),
        ({"min_line": 0}, "1 byte or more"),
        ({"entries": 5}, "entries"),
        ({"prefix": "a{b}"}, "without braces"),
        ({"sync_timeout_s": 0}, "above 0"),
    ],
)
def test_wrong_settings_are_refused(settings: Mapping[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SentencesConfig(**settings)
