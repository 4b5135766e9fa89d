"""Records of instructions and conversations: plain texts, the same each time, and no record that raises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts import Document
from services.dedup.provenance import provenance
from services.ingest.conversation import FIELDS, THREAD_FIELDS, NoConversation, write
from services.ingest.templates import ANSWER, ASK, GIVEN, TEMPLATES, Turn
from tests.unit.ingest.reading import documents, jsonl, only_error, reads, skipped

ASKED, ANSWERED = "Name three primary colours.", "Red, yellow and blue."
RECORDS: dict[str, dict[str, Any]] = {
    "instruction": {"instruction": ASKED, "input": "", "output": ANSWERED},
    "dolly": {"instruction": ASKED, "context": "On paint.", "response": ANSWERED, "category": "qa"},
    "messages": {
        "messages": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": ANSWERED}]
    },
    "sharegpt": {"conversations": [{"from": "human", "value": ASKED}, {"from": "gpt", "value": ANSWERED}]},
    "question": {"question": ASKED, "answer": ANSWERED},
    "query": {"query": ASKED, "response": ANSWERED},
    "prompt": {"prompt": ASKED, "completion": ANSWERED},
}
KINDS = {"dolly": "instruction", "messages": "chat", "sharegpt": "chat", "query": "question"}


def only(tmp_path: Path, record: Any) -> Document:
    [document] = documents(reads(jsonl(tmp_path / "a.jsonl", [record])))
    return document


@pytest.mark.parametrize("name", RECORDS)
def test_each_kind_becomes_a_text_that_begins_with_what_is_asked_and_ends_with_the_answer(
    tmp_path: Path, name: str
) -> None:
    found = only(tmp_path, RECORDS[name] | {"id": "r1", "source": "set", "media_type": "text/html"})
    kind, _, number = found.metadata["template"].partition(".")
    template = TEMPLATES[KINDS.get(name, name)]["en"][int(number)]
    given = [Turn(GIVEN, "On paint.")] if name == "dolly" else []
    turns = [Turn(ASK, ASKED), *given, Turn(ANSWER, ANSWERED)]
    assert found.body.decode() == template.render(turns)
    assert (kind, found.id, found.media_type) == (KINDS.get(name, name), "r1", "text/plain")
    assert not FIELDS & set(found.metadata)
    assert found.metadata["source"] == "set"
    assert "thread" not in found.metadata


def test_the_language_of_the_template_is_that_of_who_asks() -> None:
    """Prevents Chinese questions under English headings; code in an answer says nothing."""
    kinds: dict[str, set[bool]] = {}
    for n in range(40):
        found = write(
            {"question": f"请用 Python 写第 {n} 个排序函数", "answer": "def f(a): return sorted(a)" * 9}
        )
        assert found is not None
        number = int(found.template.partition(".")[2])
        assert found.text == TEMPLATES["question"]["zh"][number].render(
            [Turn(ASK, f"请用 Python 写第 {n} 个排序函数"), Turn(ANSWER, "def f(a): return sorted(a)" * 9)]
        )
        kinds.setdefault(found.template, set()).add("：" in found.text)
    assert len(kinds) == len(TEMPLATES["question"]["zh"])


@pytest.mark.parametrize("kind", TEMPLATES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_templates_of_a_kind_differ(kind: str, language: str) -> None:
    turns = [Turn(ASK, "a"), Turn(GIVEN, "b"), Turn(ANSWER, "c")]
    templates = TEMPLATES[kind][language]
    assert len({template.render(turns) for template in templates}) == len(templates) >= 3


def test_a_record_always_gets_the_same_template_and_records_get_all_of_them(tmp_path: Path) -> None:
    """Prevents a second import from making other documents of the same records."""
    records = [{"prompt": f"Say {n}", "completion": f"It is {n}", "n": n} for n in range(60)]
    first = documents(reads(jsonl(tmp_path / "a.jsonl", records)))
    (tmp_path / "b").mkdir()
    again = documents(
        reads(jsonl(tmp_path / "b" / "x.jsonl", [dict(reversed(r.items())) for r in records[::-1]]))
    )
    assert [d.body for d in first] == [d.body for d in reversed(again)]
    assert {d.metadata["template"] for d in first} == {"prompt.0", "prompt.1", "prompt.2"}


def test_a_completion_that_goes_on_in_a_sentence_is_not_cut_off_from_it() -> None:
    found = write({"prompt": "The cat sat", "completion": " on the mat."})
    assert found is not None
    assert found.text == "The cat sat on the mat."


def test_who_speaks_is_named_where_nobody_knows_the_role(tmp_path: Path) -> None:
    turns = [
        {"role": "system", "content": "Be kind."},
        {"role": "customer", "content": "My order is late."},
        {
            "role": "Agent\n 7",
            "content": [{"type": "image_url", "image_url": "x"}, {"type": "text", "text": "Sorry."}],
        },
        {"role": None, "content": "Well."},
        {"role": 5, "content": 42},
        {"role": "user", "content": {"text": "Thanks"}},
        {"role": "x{}" * 90, "content": ["Bye", "now"]},
    ]
    said = only(tmp_path, {"messages": turns}).body.decode()
    for told in ("customer: My order", "Agent 7: Sorry.", "Be kind.", "Well.", "42", "Thanks", "Bye\nnow"):
        assert told in said
    assert "x" * 41 not in said
    assert said.startswith("Be kind.")


@pytest.mark.parametrize("where", ["", "meta", "metadata"])
@pytest.mark.parametrize("name", [*THREAD_FIELDS, "Customer_ID"])
def test_the_thread_is_what_the_record_belongs_to(tmp_path: Path, name: str, where: str) -> None:
    """Prevents dialogues of one customer from being strewn over a part: the sink goes by `thread`."""
    said = {where: {name: 17}} if where else {name: 17}
    found = only(tmp_path, {**RECORDS["messages"], **said})
    assert found.metadata["thread"] == "17"
    assert provenance(found.metadata) == {"thread": "17", "template": found.metadata["template"]}


def test_of_many_fields_the_template_and_the_thread_are_kept(tmp_path: Path) -> None:
    found = only(tmp_path, {"customer": "c"} | {f"f{n}": n for n in range(50)} | RECORDS["messages"])
    assert len(found.metadata) == 32
    assert found.metadata["thread"] == "c"
    assert found.metadata["template"].startswith("chat.")


@pytest.mark.parametrize("field", ["text", "content", "html"])
def test_a_record_with_a_text_stays_as_it_was(tmp_path: Path, field: str) -> None:
    found = only(tmp_path, {field: "a text", **RECORDS["messages"], "prompt": "p", "customer": "c"})
    assert found.body == b"a text"
    assert dict(found.metadata) == {"prompt": "p", "customer": "c"}
    assert only(tmp_path, {field: None, **RECORDS["question"]}).metadata["template"].startswith("question.")


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"messages": []}, "no text: its messages is an empty list"),
        ({"messages": None}, "its messages should be a list of messages, and is null"),
        ({"messages": 5}, "its messages should be a list of messages, and is a int without a text"),
        ({"messages": "[]"}, "its messages should be a list of messages, and is the string '[]'"),
        ({"messages": {"role": "user", "content": "x"}}, "should be a list of messages, and is a dict"),
        ({"messages": ["a", None, 3, [], {}]}, "has no message with a text"),
        ({"messages": [{"role": "user", "content": None}]}, "has no message with a text"),
        ({"messages": [{"role": "user", "content": " \n"}]}, "has no message with a text"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}, None, 1, []]}]}, "has no message"),
        ({"messages": [{"role": "user", "content": True}]}, "has no message with a text"),
        ({"messages": [{"role": ["user"], "content": float("nan")}]}, "has no message with a text"),
        ({"conversations": [[["user", "x"]]]}, "its conversations has no message with a text"),
        ({"instruction": "x", "output": None}, "no text: its output is null"),
        ({"instruction": "x", "output": ""}, "no text: its output is empty"),
        ({"instruction": "", "output": "x"}, "no text: its instruction is empty"),
        ({"question": ["x"] * 2, "answer": {"a": 1}}, "no text: its answer is a dict without a text"),
        ({"prompt": "x", "completion": []}, "no text: its completion is a list without a text"),
        ({"question": "x"}, "none of text, content"),
        ({"answer": "x"}, "none of text, content"),
    ],
)
def test_what_is_no_conversation_costs_itself_alone_and_says_why(
    tmp_path: Path, record: dict[str, Any], said: str
) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"text": "first"}, record, {"text": "last"}])
    steps = reads(path)
    assert [d.body for d in documents(steps)] == [b"first", b"last"]
    assert said in only_error(steps)
    assert "line 2" in only_error(steps)
    assert "\n" not in only_error(steps)


@pytest.mark.parametrize(
    "line",
    [
        r'{"messages": [{"role": "\ud800", "content": "a \udfff"}]}',
        r'{"question": "\ud83d\ude00", "answer": "\u0000"}',
        '{"question": "n", "answer": ' + "9" * 4000 + "}",
        '{"messages": [{"content": ' + "[" * 900 + "]" * 900 + '}, {"content": "x"}]}',
        '{"messages": [{"role": "user", "content": "x"}], "messages": [{"content": "y"}]}',
        '{"instruction": "a", "input": [1, {"text": 2}], "output": 0.5}',
    ],
)
def test_odd_conversations_become_documents(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line)
    [document] = documents(reads(path))
    assert document.body.decode()
    assert Document.FromString(document.SerializeToString()).metadata["template"]


def test_parquet_lists_of_messages_and_pairs_of_columns(tmp_path: Path) -> None:
    """Prevents a column of lists from being passed over as it is beside a text."""
    chats = [RECORDS["messages"]["messages"], [], None]
    pq.write_table(pa.table({"messages": chats, "conversation_id": [1, 2, 3]}), tmp_path / "a.parquet")
    steps = reads(tmp_path / "a.parquet")
    [found] = documents(steps)
    assert found.body == only(tmp_path, RECORDS["messages"]).body
    assert found.metadata["thread"] == "1"
    assert [len(step.unreadable) for step in steps] == [2]
    pq.write_table(pa.table({"question": [ASKED], "answer": [b"Red"]}), tmp_path / "b.parquet")
    [found] = documents(reads(tmp_path / "b.parquet"))
    assert found.body.startswith((b"Name", b"Q"))
    assert found.body.endswith(b"Red")


def test_a_json_file_of_a_folder_is_read_where_it_holds_conversations_and_else_passed_over(
    tmp_path: Path,
) -> None:
    """Prevents translations and settings from becoming dead letters for the name of a field."""
    (tmp_path / "alpaca.json").write_text(json.dumps([RECORDS["instruction"]]))
    (tmp_path / "en.json").write_text(json.dumps({"messages": {"hello": "Hello"}}))
    (tmp_path / "settings.json").write_text(json.dumps({"prompt": "$ ", "input": "x", "query": []}))
    steps = reads(tmp_path)
    assert [d.metadata["template"].partition(".")[0] for d in documents(steps)] == ["instruction"]
    assert set(skipped(steps)) == {"en.json", "settings.json"}


def test_what_is_wrong_is_raised_as_such() -> None:
    with pytest.raises(NoConversation, match="empty list"):
        write({"messages": []})
    assert write({"txt": "x"}) is None
