"""One contract for all that reads a PDF: ours, and docling's and MinerU's servers, which are fakes here."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

import pytest

from contracts import Document
from services.parse.config import ParseConfig
from services.parse.convert import Converter
from services.parse.unit import Readers, judge
from services.runtime import ConfigurationError, DependencyDown, Drop, Emit
from tests.unit.parse.pdf_maker import make_pdf, paragraph

PROSE = "Rain had fallen since the morning, and the market people packed their stalls early and went home."
PDF = "application/pdf"
GOOD = make_pdf([paragraph(PROSE)])
PATHS = {"docling": "/v1/convert/file", "mineru": "/file_parse"}


class Fake(ThreadingHTTPServer):
    """A server of one dialect. status: of its answers, where it is not as it should be. well: its health."""

    def __init__(self, dialect: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.dialect = dialect
        self.status = 200
        self.well = True
        self.said: str | None = None  # instead of what it should answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, body: bytes, fields: dict[str, str]) -> Any:
        broken = b"%%EOF" not in body
        text = f"<!-- image -->\n{PROSE}\n\n![](images/a.jpg)\n\n| a | b |"
        if self.dialect == "docling":
            assert fields == {"to_formats": "md", "image_export_mode": "placeholder"}
            if broken:
                return {"status": "failure", "errors": [{"error_message": "no PDF"}], "document": {}}
            return {"status": "success", "errors": [], "document": {"md_content": text, "filename": "d"}}
        assert fields["return_md"] == "true"
        if broken:
            self.status = 400
            return {"error": "Failed to load file"}
        return {"backend": "pipeline", "version": "2", "results": {"document": {"md_content": text}}}


class _Handler(BaseHTTPRequestHandler):
    server: Fake

    def do_GET(self) -> None:
        self._answer(200 if self.server.well and self.path == "/health" else 500, {"status": "ok"})

    def do_POST(self) -> None:
        assert self.path == PATHS[self.server.dialect]
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        parts = list(BytesParser(policy=HTTP).parsebytes(head + sent).iter_parts())
        fields = {
            part.get_param("name", header="content-disposition"): part.get_content().strip()
            for part in parts
            if not part.get_filename()
        }
        (file,) = (part for part in parts if part.get_filename())
        assert file.get_filename() == "document.pdf"
        answer = self.server.answer(file.get_payload(decode=True), fields)
        self._answer(self.server.status, answer)

    def _answer(self, status: int, answer: Any) -> None:
        body = (self.server.said or json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(params=["docling", "mineru"])
def fake(request: pytest.FixtureRequest) -> Iterator[Fake]:
    with Fake(request.param) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def asked(fake: Fake, **more: Any) -> Callable[[bytes], Any]:
    config = ParseConfig(converter=f"{fake.dialect}+{fake.url}", **more)
    readers = Readers(convert=Converter(config))
    return lambda body: judge([Document(body=body, media_type=PDF)], config=config, readers=readers)[0]


def ours() -> Callable[[bytes], Any]:
    return lambda body: judge([Document(body=body, media_type=PDF)], config=ParseConfig())[0]


def holds(read: Callable[[bytes], Any]) -> None:
    """What any of them must do."""
    found = read(GOOD)
    assert isinstance(found, Emit)
    assert " ".join(found.document.text.split()).startswith(PROSE)
    assert "images/" not in found.document.text
    assert "<!--" not in found.document.text
    assert not found.document.body
    assert found.document.features["parse_confidence"] == 1
    bad = read(b"%PDF-1.4 and no more")
    assert isinstance(bad, Drop)
    assert bad.reason == "broken"


def test_ours_reads() -> None:
    """Prevents a contract that ours does not keep."""
    holds(ours())


def test_a_server_reads(fake: Fake) -> None:
    """Prevents an adapter that asks or understands a server otherwise than its documentation says."""
    holds(asked(fake))


def test_a_server_that_is_down_or_busy_is_waited_for(fake: Fake) -> None:
    """Prevents a server that is restarted from making a dead letter of every document."""
    read = asked(fake)
    for fake.status in (429, 503):
        with pytest.raises(DependencyDown, match=fake.dialect):
            read(GOOD)
    fake.status, fake.well = 500, False
    with pytest.raises(DependencyDown):
        read(GOOD)
    fake.server_close()
    fake.shutdown()
    with pytest.raises(DependencyDown):
        read(GOOD)


def test_what_a_server_that_is_well_does_not_manage_is_a_dead_letter(fake: Fake) -> None:
    """Prevents one document from being asked for until the end of days."""
    read = asked(fake, max_bytes=100_000)
    fake.status = 504
    with pytest.raises(RuntimeError, match="504"):
        read(GOOD)
    fake.status, fake.said = 200, "[]"
    with pytest.raises(RuntimeError, match="otherwise"):
        read(GOOD)
    fake.said = "x" * 100_001
    assert read(GOOD).reason == "too_large"


def test_an_answer_that_goes_on_and_on_is_given_up(fake: Fake) -> None:
    """Prevents a server that gives a byte a second from holding a document for days."""
    clock = count(0, 100)
    config = ParseConfig(converter=f"{fake.dialect}+{fake.url}", converter_timeout_s=50)
    with pytest.raises(RuntimeError, match="on and on"):
        Converter(config, lambda: next(clock))(GOOD, PDF)


def test_a_wrong_address_or_key_stops_the_service(fake: Fake) -> None:
    """Prevents a typo from dropping everything."""
    fake.status = 403
    with pytest.raises(ConfigurationError, match="converter_key"):
        asked(fake)(GOOD)
    for wrong in ("tika+http://x", "mineru", "docling+ftp://x"):
        with pytest.raises(ValueError, match="converter"):
            ParseConfig(converter=wrong)
