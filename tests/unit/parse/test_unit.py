import dataclasses
import gzip
import json

import pytest

from contracts import Document
from services.parse import SERVICE
from services.parse.config import DROP_REASONS, ParseConfig
from services.parse.unit import judge
from services.runtime import Drop, Emit, Resources, Settings
from tests.benchmarks.figures import SHARED
from tests.unit.parse.pdf_maker import encrypted_pdf, make_pdf, paragraph, unreadable_pdf

PROSE = "Rain had fallen since the morning, and the market people packed their stalls early and went home. "


@pytest.fixture(scope="module")
def parse():
    return SERVICE.build(ParseConfig(ocr="off"), Resources(Settings()))


def verdict(parse, body: bytes, media_type: str = ""):
    [found] = parse([Document(id="d", body=body, media_type=media_type)])
    return found


def test_text_is_set_the_body_emptied_and_the_measures_kept(parse):
    """Prevents bodies from travelling through the whole river."""
    found = verdict(parse, PROSE.encode() * 3, "text/plain")
    assert isinstance(found, Emit)
    assert found.document.text == PROSE * 3
    assert not found.document.body
    assert found.document.features["parse_confidence"] == 1
    assert found.document.features["parse_pages"] == 1
    assert not found.document.metadata


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE html>\n<html><body><p id='level'>0</p></body></html>\n",
        "%PDF-1.7\n1 0 obj is how such a file goes on.",
        "{\\rtf1\\ansi opens a document in that format.",
        "~{<:Ky2;~} is how HZ writes it – so it’s said.",
    ],
)
def test_the_text_of_a_record_is_taken_for_nothing_else(parse, text):
    """Prevents the source of a page, in a corpus of code, from being read as the page."""
    document = Document(id="d", source="s3://a/part.jsonl#17", media_type="text/plain", body=text.encode())
    assert parse([document])[0].document.text == text


def test_a_record_of_bytes_is_what_its_bytes_say(parse):
    """Prevents files in a column of a table from becoming garbage."""
    body = make_pdf([paragraph(PROSE)]) + b"%\xe2\xe3\xcf\xd3"
    [found] = parse([Document(id="d", source="a.parquet#1", media_type="text/plain", body=body)])
    assert found.document.metadata["parsed_as"] == "application/pdf"


def test_a_document_with_text_passes_as_it_is(parse):
    """Prevents records from JSONL and Parquet from being touched."""
    document = Document(id="d", text=PROSE, media_type="text/html")
    before = document.SerializeToString()
    [found] = parse([document])
    assert isinstance(found, Emit)
    assert found.document.SerializeToString() == before


def test_bytes_that_are_not_what_was_declared_are_read_as_what_they_are(parse):
    """Prevents a PDF in an .html file from becoming garbage, and keeps a note of it."""
    found = verdict(parse, make_pdf([paragraph(PROSE)]), "text/html")
    assert isinstance(found, Emit)
    assert found.document.text.startswith("Rain had fallen")
    assert found.document.metadata["parsed_as"] == "application/pdf"


@pytest.mark.parametrize(
    ("body", "media_type", "reason"),
    [
        (b"", "", "empty"),
        (b" \n\t ", "text/html", "empty"),
        (b"\x00" * 50, "text/plain", "broken"),
        (bytes(range(256)) * 20, "", "broken"),
        (b"PK\x03\x04" + b"\x00" * 50, "text/plain", "unsupported"),
        (encrypted_pdf(), "application/pdf", "encrypted"),
        (make_pdf([paragraph(PROSE)])[:300], "application/pdf", "broken"),
        (make_pdf([[]]), "application/pdf", "no_text"),
        (b"<html><script>x</script></html>", "text/html", "no_text"),
    ],
)
def test_bad_input_is_dropped_with_a_reason_for_a_person(parse, body, media_type, reason):
    """Prevents dead letters and crash loops from what people really upload."""
    found = verdict(parse, body, media_type)
    assert isinstance(found, Drop)
    assert found.reason == reason
    assert found.reason in DROP_REASONS
    assert found.detail


def test_limits_are_reported_with_measure_and_threshold():
    """Prevents a drop that nobody can check."""
    [found] = judge([Document(body=b"x" * 101)], config=ParseConfig(max_bytes=100))
    assert found == Drop("too_large", 101, 100, "bytes of the body")


def test_unreadable_text_is_dropped_for_low_confidence(parse):
    """Prevents pages in a font without a Unicode map from becoming text."""
    found = verdict(parse, unreadable_pdf(), "application/pdf")
    assert isinstance(found, Drop)
    assert found.reason == "low_confidence"
    assert found.measured < found.threshold


def test_one_bad_document_leaves_the_others_alone(parse):
    """Prevents a batch from failing for one file."""
    found = parse([Document(body=PROSE.encode()), Document(), Document(body=PROSE.encode())])
    assert [type(each) for each in found] == [Emit, Drop, Emit]


def test_source_code_stays_as_it_is(parse):
    """Prevents indentation and tags in code from being read as HTML."""
    code = 'def page():\n\treturn "<html><body>"\n'
    assert verdict(parse, code.encode(), "text/x-python").document.text == code


@pytest.mark.parametrize(
    "wrong",
    [{"max_pages": 0}, {"min_confidence": 1.5}, {"max_bad_share": -0.1}, {"min_characters_per_page": -1}],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    """Prevents a typo from dropping everything."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ParseConfig(**wrong)


def test_the_config_is_frozen():
    """Prevents one document from changing the thresholds of the next."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        ParseConfig().max_pages = 2


def test_real_pdfs_end_in_text_or_a_reason(parse):
    """Prevents a hostile, broken or encrypted PDF from raising; real ones by kind."""
    folder = SHARED / "data" / "pdf"
    if not folder.exists():
        pytest.skip(f"no real PDFs at {folder}")
    kept = {}
    for line in (folder / "manifest.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["kind"] in {"broken", "encrypted", "fuzz", "scanned", "en_text", "zh_text"}:
            found = verdict(parse, (folder / record["file"]).read_bytes(), "application/pdf")
            kept.setdefault(record["kind"], []).append(isinstance(found, Emit))
    assert all(kept["en_text"]), "each has a text layer"
    assert all(kept["zh_text"])
    assert not any(kept["scanned"])
    assert len(kept["fuzz"]) == 20
    assert sum(map(len, kept.values())) > 100


def test_real_pages_give_main_text(parse):
    """Prevents an extractor's new version from silently finding less."""
    index = SHARED / "data" / "web" / "index.jsonl.gz"
    if not index.exists():
        pytest.skip(f"no real pages at {index}")
    with gzip.open(index, "rt") as file:
        records = [json.loads(line) for line in file]
    chosen = [record for record in records if record["page_type"] == "article" and record["gold_text"]][::12]
    recalls = []
    for record in chosen:
        body = gzip.decompress((index.parent / record["file"]).read_bytes())
        words = set(verdict(parse, body, "text/html").document.text.split())
        gold = set(record["gold_text"].split())
        recalls.append(len(words & gold) / len(gold))
    assert len(chosen) > 10
    assert sum(recalls) / len(recalls) > 0.8
