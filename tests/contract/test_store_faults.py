"""What goes wrong with S3: each a clear error within a bounded time, and nothing half written."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import obstore
import pytest

from services.runtime import ConfigurationError, DependencyDown, ObjectStore
from services.runtime.process.health import Health
from tests.s3_server import KEY, SECRET, S3Server, s3_server

PATIENCE = {"timeout_s": 2.0, "retry_s": 1.0}
USES: dict[str, Callable[[ObjectStore], object]] = {
    "put": lambda store: store.put("parts/a", b"x"),
    "create": lambda store: store.create("parts/new", b"x"),
    "get": lambda store: store.get("parts/a"),
    "list": lambda store: list(store.list("parts")),
    "delete": lambda store: store.delete(["parts/a"]),
    "check": lambda store: store.check(),
}


@pytest.fixture
def environment(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def refused(use: Callable[[ObjectStore], object], url: str) -> str:
    """What a store of this URL says when it is used."""
    with pytest.raises(ConfigurationError) as error:
        use(ObjectStore(url, **PATIENCE))
    told = str(error.value)
    assert SECRET not in told
    assert "\n" not in told
    assert len(told) < 500
    return told


@pytest.mark.parametrize("use", ["put", "create", "get", "list", "check"])
def test_a_bucket_that_is_not_there_is_a_wrong_setting(environment: object, use: str) -> None:
    """Prevents a mistyped bucket from being waited for, and its documents from becoming dead letters."""
    told = refused(USES[use], "s3://no-such-bucket/x")
    assert "NoSuchBucket" in told
    assert "make the bucket, or set CORPUSWORKS_STORE_URL" in told


@pytest.mark.parametrize("wrong", [{"AWS_ACCESS_KEY_ID": "nobody"}, {"AWS_SECRET_ACCESS_KEY": "guessed"}])
@pytest.mark.parametrize("use", list(USES))
def test_wrong_keys_are_a_wrong_setting(
    s3: S3Server, environment: pytest.MonkeyPatch, use: str, wrong: dict[str, str]
) -> None:
    for name, value in wrong.items():
        environment.setenv(name, value)
    told = refused(USES[use], s3.bucket("faults"))
    assert "403 Forbidden" in told
    assert "look at AWS_ACCESS_KEY_ID" in told
    assert "guessed" not in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_ACCESS_KEY_ID", f"{KEY}\n"),
        ("AWS_SECRET_ACCESS_KEY", f"{SECRET}\n"),
        ("AWS_REGION", "us east"),
        ("AWS_ENDPOINT_URL", "127.0.0.1:9000"),
        ("AWS_CA_BUNDLE", "/no/such/file"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Prevents a line's end out of a mounted secret from showing as a panic in Rust, or as a wrong key."""
    environment.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"{name}|/no/such/file") as error:
        ObjectStore("s3://bucket/x")
    assert SECRET not in str(error.value)


def test_a_password_in_a_url_is_not_repeated() -> None:
    for url in ("s3://me:hidden@bucket/x?token=hidden", "gopher://me:hidden@hole/x"):
        try:
            told = ObjectStore(url).url
        except ConfigurationError as error:
            told = str(error)
        assert "hidden" not in told


def test_a_panic_is_an_error_like_any_other(environment: object, s3: S3Server) -> None:
    """Prevents a BaseException that passes every handler and takes the service, or its worker, along."""
    store = ObjectStore(s3.bucket("faults"))
    store._store = obstore.store.from_url(  # as if a variable had passed the check
        "s3://faults", access_key_id="a\nb", client_options={"allow_http": True}
    )
    for use in USES.values():
        with pytest.raises(DependencyDown, match="obstore panicked"):
            use(store)


def waited_for(store: ObjectStore, limit_s: float) -> str:
    """What each use says of a server that is away; none takes longer than the limit."""
    for name, use in USES.items():
        begun = time.monotonic()
        with pytest.raises(DependencyDown) as error:
            use(store)
        # A loaded machine is slow; what this holds off is obstore's own three minutes.
        assert time.monotonic() - begun < limit_s, name
    return str(error.value)


def test_nobody_listens(environment: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    told = waited_for(ObjectStore("s3://bucket/x", **PATIENCE), 30)
    assert "object store s3://bucket/x does not answer" in told
    assert "onnect" in told


def test_a_server_that_takes_the_question_and_never_answers(environment: pytest.MonkeyPatch) -> None:
    """Prevents a lane from standing still for minutes without a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        told = waited_for(ObjectStore("s3://bucket/x", timeout_s=0.5, retry_s=0.2), 30)
    assert "imeout" in told or "timed out" in told


class Answers(BaseHTTPRequestHandler):
    """Says the same to everything."""

    status = 501

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("status", [501, 503, 500])
def test_a_server_that_answers_with_an_error(environment: pytest.MonkeyPatch, status: int) -> None:
    """Prevents an answer like 501 from being tried again in silence until obstore's limits are reached."""
    handler = type("Handler", (Answers,), {"status": status})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as fake:
        threading.Thread(target=fake.serve_forever, daemon=True).start()
        environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{fake.server_port}")
        told = waited_for(ObjectStore("s3://bucket/x", **PATIENCE), 30)
        fake.shutdown()
    assert str(status) in told


class Forgets(BaseHTTPRequestHandler):
    """Takes the pieces of a large object, and knows nothing of it when it is to be finished, or given up."""

    forgets = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "uploadId" not in self.path:
            self._say(
                200, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
            )
        elif self.forgets:
            self._say(404, "<Error><Code>NoSuchUpload</Code><Message>it was aborted</Message></Error>")
        else:
            self._say(200, "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._say(200, "")

    def do_DELETE(self) -> None:
        self._say(404, "<Error><Code>NoSuchUpload</Code></Error>")

    def _say(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("ETag", '"e"')
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_that_forgets_a_large_object_half_sent(environment: pytest.MonkeyPatch) -> None:
    """Prevents it from looking like a file that is not there, which nobody expects who writes one."""
    value = bytes(12 << 20)  # three pieces
    with ThreadingHTTPServer(("127.0.0.1", 0), Forgets) as fake:
        threading.Thread(target=fake.serve_forever, daemon=True).start()
        environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{fake.server_port}")
        store = ObjectStore("s3://bucket/x", **PATIENCE)
        with pytest.raises(DependencyDown, match=r"s3://bucket/x does not answer.*404.*NoSuchUpload"):
            store.put("parts/large", value)
        environment.setattr(Forgets, "forgets", False)
        store.put("parts/large", value)
        fake.shutdown()


def test_a_server_that_dies_in_the_middle_of_a_large_object(tmp_path: Path, environment: object) -> None:
    """What was there stays, what was half sent is not; after it is back the same call goes through."""
    value = bytes(range(256)) * (48 << 10)  # 12 MB: three pieces
    with s3_server(tmp_path / "own") as server, pytest.MonkeyPatch.context() as patch:
        for name, content in server.environment.items():
            patch.setenv(name, content)
        store = ObjectStore(server.bucket("dying"))
        hasty = ObjectStore(store.url, **PATIENCE)
        store.put("parts/kept", b"kept")
        errors = []
        for _ in range(2):
            sent = threading.Thread(target=lambda: errors.append(_attempt(hasty, value)))
            sent.start()
            server.kill()
            sent.join(timeout=60)
            assert not sent.is_alive()
            server.wait()
            assert store.get("parts/kept") == b"kept"
            if "parts/large" in set(store.list("parts")):
                assert store.get("parts/large") == value
        assert all(error is None or isinstance(error, DependencyDown) for error in errors)
        store.put("parts/large", value)  # two seconds are few for 12 MB on a busy machine
        assert store.get("parts/large") == value
        assert sorted(store.list("parts")) == ["parts/kept", "parts/large"]


def _attempt(store: ObjectStore, value: bytes) -> BaseException | None:
    try:
        store.put("parts/large", value)
    except BaseException as error:  # noqa: BLE001 - a panic is one
        return error
    return None


def test_the_longest_wait_is_no_longer_than_the_probe_allows() -> None:
    """Prevents a liveness probe from killing a lane that waits for the store, as it should."""
    from services.runtime import Settings

    settings = Settings()
    limit_s = settings.time_limit_s + 2 * settings.kafka.transaction_timeout_s
    assert settings.store_timeout_s + settings.store_retry_s < limit_s / 2
    assert Health(limit_s).live[0]
