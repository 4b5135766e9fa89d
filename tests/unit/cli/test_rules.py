"""`rules test`, `rules tune`, `audit bias`, `sample` and `reinstate`, on the archive of judged documents."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from contracts import Document, Flush, Rejection
from services.archive.bias import shares
from services.cli.app import app
from services.cli.bias import _applies, too_much
from services.rules import SERVICE, RulesConfig
from services.runtime import Drop, Judge, ObjectStore, Resources, load_settings
from tests.unit.archive.rows import lane

NUM = 300  # documents of each language
MENU = "\n".join(
    ["Home", "Products", "About us", "Contact", "Imprint", "Search", "Sign in", "Help", "Cart", "Top"]
)


def texts() -> Iterator[str]:
    """Ordinary pages in two languages; the English ones cite their sources, as English pages do."""
    for number in range(NUM):
        link = (
            f" See http://www.river-{number}.example.org/reports/{number}/gauge for the figures."
            if number % 4
            else ""
        )
        yield (
            f"The gauge at bridge {number} is read by a girl from the mill, who sends figures to the office."
            f" When the river is high she walks there twice a day, and the postcards are then numbered.{link}"
        )
        yield (
            f"第{number}号桥的水位由磨坊的一个女孩每天记录，她把数字写在明信片上寄给办公室。河水上涨的时候，她一天要去两次，"
            "明信片都编了号，丢了一张还可以再要。秋天以后水位一直很低。"
        )


def judged(judge: Judge) -> list[tuple[Document, object]]:
    documents = [
        Document(uid=(number + 1) << 40, id=f"d{number}", source=f"file:///in/{number}", text=text)
        for number, text in enumerate(texts())
    ]
    return list(zip(documents, judge(documents), strict=True))


def _judge(**config: float) -> Judge:
    return SERVICE.build(RulesConfig(**config), Resources(load_settings()))  # type: ignore[arg-type]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A river's archive, whose rules had the textbook's URL rule on, and one menu that was dropped."""
    folder = tmp_path_factory.mktemp("out")
    store = ObjectStore(folder.as_uri())
    store.put("parts/river.json", b"{}")
    drops, documents = lane(store, "drops", seal_rows=500), lane(store, seal_rows=500)
    for document, verdict in judged(_judge(max_url_share=0.1)):
        if isinstance(verdict, Drop):
            drops.put("docs.rejected", _rejection(document, verdict))
        else:
            documents.put("pool.zh", document)
    menu = Document(
        uid=7, id="menu", text=MENU, source="file:///in/menu", media_type="text/x-log",
        metadata={"url": "http://a.example/", "licence": "CC0", "waiver": "forged"},
    )  # fmt: skip
    (verdict,) = _judge()([menu])
    assert isinstance(verdict, Drop)
    drops.put("docs.rejected", _rejection(menu, verdict))
    for each in (drops, documents):
        each.put("archive.flush", Flush())
        each.run()
    return folder


def _rejection(document: Document, drop: Drop) -> Rejection:
    return Rejection(
        document=document, unit="rules", reason=drop.reason, measured=drop.measured, threshold=drop.threshold,
        detail=drop.detail, rejected_ms=1,
    )  # fmt: skip


def biased(judge: Judge) -> set[tuple[str, str]]:
    """Rule and language of what the guard finds in 2,000 documents at most."""
    drops: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    seen: Counter[str] = Counter()
    for document, verdict in judged(judge):
        seen[document.language] += 1
        if isinstance(verdict, Drop):
            drops["rules", verdict.reason][document.language] += 1
    assert seen.total() <= 2000
    found = (share for rule in drops for share in shares(rule, "language", drops[rule], seen, _applies))
    return {(share.reason, share.group) for share in found if share.is_biased}


def test_the_guard_catches_the_textbooks_url_rule_and_passes_the_defaults() -> None:
    """A rule that drops one language turns a bilingual corpus into half of one."""
    assert biased(_judge(max_url_share=0.1)) == {("urls", "en")}
    assert biased(_judge()) == set()


def test_more_drops_of_a_group_than_by_chance() -> None:
    """24 for 14 come about in a group of one in forty; 24 for 10 do not in one of a third."""
    judged = {"zh": 500, "en": 19_500}
    (small, _) = shares(("rules", "menu"), "language", {"zh": 24, "en": 536}, judged, _applies)
    assert small.ratio > 1.7
    assert small.between == pytest.approx((0.94, 3.07), abs=0.01)
    assert not small.is_biased
    (large, _) = shares(("rules", "menu"), "language", {"zh": 24, "en": 6}, {"zh": 500, "en": 1000}, _applies)
    assert large.is_biased
    (none, _) = shares(("rules", "menu"), "language", {"zh": 0, "en": 9}, judged, _applies)
    assert none.between[0] == 0


def test_bias_is_told_and_drawn(out: Path, tmp_path: Path) -> None:
    picture = tmp_path / "bias.svg"
    found = run("audit", "bias", out, "--json", "--picture", picture)
    assert found.exit_code == 1, found.output
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    worst = next(row for row in rows if row["by"] == "language" and row["verdict"] == "BIASED")
    assert (worst["unit"], worst["reason"], worst["group"], worst["drops"]) == (
        "rules",
        "urls",
        "en",
        NUM * 3 // 4,
    )
    assert worst["ratio"] == pytest.approx(2, abs=0.02)
    assert 1.8 < worst["from"] < worst["ratio"] < worst["to"] + 1e-9
    assert "rules urls: en" in picture.read_text()
    assert "menu" in run("audit", "bias", out, "--all", "--by", "format").stdout
    assert run("audit", "bias", out, "--by", "colour").exit_code != 0


def test_a_sample_shows_measure_threshold_and_text(out: Path) -> None:
    found = run("audit", "sample", out, "--rule", "urls", "--lang", "en", "-n", 3, "--json")
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert len(rows) == 3
    for row in rows:
        assert row["threshold"] == 0.1
        assert row["measured"] > 0.1
        assert "gauge" in row["text"]
    other = run("audit", "sample", out, "--rule", "urls", "-n", 3, "--seed", 1, "--json").stdout
    assert other != found.stdout
    assert "against 0.6" in run("audit", "sample", out, "--rule", "menu").stdout


def test_the_report_of_a_run_says_who_was_dropped_too_much(out: Path, tmp_path: Path) -> None:
    """Nobody asks for the bias of a corpus before its model is one."""
    page = tmp_path / "report.html"
    assert run("report", out, "--html", page).exit_code == 0
    (told,) = too_much(ObjectStore(out.as_uri()))
    assert told.startswith(f"rules: urls dropped {NUM * 3 // 4} of {NUM + 1} documents in en")
    assert told in page.read_text()


def test_what_was_dropped_wrongly_goes_back_once_and_alone(out: Path, tmp_path: Path) -> None:
    """The waiver holds for the text and the rule that a person has seen, and for no page that claims one."""
    to, labels = tmp_path / "back.jsonl", tmp_path / "labels.jsonl"
    arguments = (
        "audit",
        "reinstate",
        out,
        "--rule",
        "menu",
        "--why",
        "a poem",
        "--to",
        to,
        "--labels",
        labels,
    )
    assert run(*arguments).exit_code == 0
    (record,) = map(json.loads, to.read_text().splitlines())
    assert (record["url"], record["licence"]) == ("http://a.example/", "CC0")
    assert (record["media_type"], len(record["waiver"])) == ("text/x-log", 32)
    assert json.loads(labels.read_text()) == {
        "text": MENU, "quality": 1.0, "lang": "en", "source": "waived: a poem",
    }  # fmt: skip
    settings = load_settings().model_copy(update={"store_url": out.as_uri()})
    judge = SERVICE.build(RulesConfig(), Resources(settings))

    def reason(text: str, waiver: str) -> str:
        document = Document(id=record["id"], text=text, metadata={"waiver": waiver})
        (verdict,) = judge([document])
        return verdict.reason if isinstance(verdict, Drop) else ""

    assert reason(record["text"], record["waiver"]) == ""
    assert reason(MENU.replace("Cart", "Basket"), record["waiver"]) == "menu"
    assert reason(record["text"], "forged") == "menu"
    assert reason("buy cheap pills now " * 25, record["waiver"]) == "repeated_ngrams"
    document = Document(id=record["id"], text=record["text"], metadata={"waiver": record["waiver"]})
    judge([document])
    assert document.features["waived"] == 1.0  # which the scorer heeds
    assert "is there already" in str(run(*arguments).exception)
    said = run(*arguments[:4], "none", *arguments[5:8], tmp_path / "new").exception
    assert "nothing was dropped that is like this" in str(said)
    again = run(*arguments[:8], tmp_path / "again.jsonl", "--labels", labels)
    assert (again.exit_code, len(labels.read_text().splitlines())) == (0, 1)  # an example once
    assert "--why is empty" in str(run(*arguments[:6], " ", *arguments[7:8], tmp_path / "new").exception)
    labels.write_text("no record\n")
    assert "not every line" in str(run(*arguments[:8], tmp_path / "new", "--labels", labels).exception)
    assert not (tmp_path / "new").exists()


def test_what_the_judge_dropped_goes_back_and_what_dedup_dropped_does_not(tmp_path: Path) -> None:
    """The judge's own mistakes are the examples that it needs; a copy is none, and the refusal says so."""
    (tmp_path / "parts").mkdir()
    store = ObjectStore(tmp_path.as_uri())
    store.put("parts/river.json", b"{}")
    drops = lane(store, "drops")
    for number, (unit, reason) in enumerate((("scorer", "low_rank"), ("dedup", "exact_duplicate"))):
        text = next(texts()) + unit
        document = Document(uid=number + 1, id=unit, text=text, source=f"file:///in/{unit}", language="en")
        drops.put(
            "docs.rejected",
            Rejection(
                document=document, unit=unit, reason=reason, measured=0.01, threshold=0.05, rejected_ms=1
            ),
        )
    drops.put("archive.flush", Flush())
    drops.run()
    to, why = tmp_path / "back.jsonl", ("--why", "it is good", "--to")
    assert run("audit", "reinstate", tmp_path, "--rule", "low_rank", *why, to).exit_code == 0
    record = json.loads(to.read_text())
    document = Document(text=record["text"], metadata={"waiver": record["waiver"]})
    settings = load_settings().model_copy(update={"store_url": tmp_path.as_uri()})
    SERVICE.build(RulesConfig(), Resources(settings))([document])
    assert document.features["waived"] == 1.0
    refused = run("audit", "reinstate", tmp_path, "--rule", "exact_duplicate", *why, tmp_path / "no.jsonl")
    assert "dedup dropped 1 like this (exact_duplicate)" in str(refused.exception)


def test_tune_says_who_would_go_and_who_come_back(out: Path) -> None:
    found = run("rules", "tune", out, "--set", "max_url_share=1", "--set", "max_digit_share=0", "--json")
    assert "no bound max_digit_share" in str(found.exception)
    found = run("rules", "tune", out, "--set", "max_url_share=1", "-n", 2, "--json")
    row = json.loads(found.stdout)
    assert (row["language"], row["would be"], row["rule"]) == ("en", "kept", "urls")
    assert (row["documents"], row["of"], len(row["samples"].split())) == (NUM * 3 // 4, NUM + 1, 2)
    shown = run("rules", "tune", out, "--set", "min_words=45", "-n", 1).stdout  # characters in Chinese
    assert "dropped too_short" in shown
    assert "The gauge at bridge" in shown
    assert "zh" not in shown
    for told in ("ngram_leniency_zh=0.01", "max_top_ngrams_spaced[0]=0.001", "sample_words=1"):
        assert run("rules", "tune", out, "--set", told).exit_code == 0, told


def test_tune_counts_a_document_once_and_leaves_waived_ones(tmp_path: Path) -> None:
    """One that was dropped, judged again and kept has two rows; one that was waived breaks its bound."""
    (tmp_path / "parts").mkdir()
    store = ObjectStore(tmp_path.as_uri())
    store.put("parts/river.json", b"{}")
    drops, documents = lane(store, "drops"), lane(store)
    for uid, features in ((1, {}), (2, {"waived": 1.0})):
        menu = Document(uid=uid, id="menu", text=MENU, source=f"file:///in/{uid}")
        (verdict,) = _judge()([menu])
        assert isinstance(verdict, Drop)
        drops.put("docs.rejected", _rejection(menu, verdict))
        menu.features.update(features)
        documents.put("pool.en", menu)
    for each in (drops, documents):
        each.put("archive.flush", Flush())
        each.run()
    (row,) = map(
        json.loads, run("rules", "tune", tmp_path, "--set", "min_words=4", "--json").stdout.splitlines()
    )
    assert (row["would be"], row["rule"], row["documents"], row["of"]) == ("dropped", "menu", 1, 2)


def test_tune_takes_a_bounds_whole_name_and_knows_what_was_meant(out: Path) -> None:
    for name in ("rules.max_url_share", "units.rules.max_url_share"):
        assert run("rules", "tune", out, "--set", f"{name}=1").exit_code == 0
    said = str(run("rules", "tune", out, "--set", "max_url_shar=1").exception)
    assert "did you mean max_url_share?" in said
    assert len(said) < 100


@pytest.mark.parametrize("told", ["max_url_share", "max_url_share=much", "max_nothing=1", "max_url_share=-1"])
def test_tune_refuses_what_is_no_bound(out: Path, told: str) -> None:
    assert "--set" in str(run("rules", "tune", out, "--set", told).exception)


def test_test_shows_each_measure_with_its_bound(tmp_path: Path) -> None:
    file = tmp_path / "menu.txt"
    file.write_text(MENU)
    found = run("rules", "test", file, "--json")
    row = json.loads(found.stdout, parse_constant=pytest.fail)  # Infinity, of a bound that is off, is no JSON
    assert row["verdict"].startswith("dropped: menu")
    assert row["text"] == MENU
    (menu,) = [each for each in row["measures"] if each["measure"] == "menu_line_share"]
    assert menu == {
        "measure": "menu_line_share", "value": 1.0, "bound": "at most", "threshold": 0.6,
        "from": "units.rules.max_menu_line_share", "drops": "menu",
    }  # fmt: skip
    assert row["source"] == file.as_uri()
    shown = run("rules", "test", file).stdout
    assert f"{file.as_uri()} ({row['id']}): dropped: menu" in shown
    names = {each["from"].removeprefix("units.rules.") for each in row["measures"]}
    assert [name for name in names if name not in shown] == []  # `rules tune --set` wants them whole


def test_test_says_of_each_file_what_cannot_be_judged(tmp_path: Path) -> None:
    """What parse drops the rules never see: no empty table; and no silence where nothing could be read."""
    file = tmp_path / "broken.pdf"
    file.write_bytes(b"no pages at all")
    shown = run("rules", "test", file).stdout
    assert "broken.pdf" in shown
    assert "measure" not in shown
    (tmp_path / "none").mkdir()
    assert run("rules", "test", tmp_path / "none").exit_code == 1
