"""An upload service on a real Kafka and Redis: what it acknowledges is published once, whatever is killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from contracts import Document, Tally
from services.local.stack import Stack
from services.runtime.loops.transaction import Produce
from tests.integration.rig import Rig, rig, said
from tests.unit.ingest.upload.packed import tarred, zipped
from tests.uploads import OFFSET, OTHER, POOR, SERVICE, TOPICS, TUS, Uploads, begin

pytestmark = pytest.mark.stack
FORM = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.fixture(scope="module")
def uploads(shared_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uploads]:
    """One service for the tests of this file."""
    folder = tmp_path_factory.mktemp("uploads")
    with rig(shared_stack, folder, "upload", SERVICE, TOPICS) as made:
        found = Uploads(made)
        found.start()
        yield found


@pytest.fixture
def client(uploads: Uploads) -> Iterator[httpx.Client]:
    with uploads.client() as client:
        yield client


def in_kafka(rig: Rig, batch: str) -> dict[str, str]:
    """Text by source of what a batch has in the output; fails where a document is there twice."""
    mine = [d for d in rig.documents() if d.source.startswith(f"upload://{batch}/")]
    found = {document.source.split("/", 4)[-1]: document.body.decode() for document in mine}
    assert len(found) == len(mine) == len({document.uid for document in mine})
    return found


def test_files_of_every_kind_are_documents_of_one_batch(uploads: Uploads, client: httpx.Client) -> None:
    """Prevents a way in that loses documents, or that the batch does not know of."""
    batch = client.post("/batches").json()["batch"]
    into = {"batch": batch}
    archive = zipped({"a.txt": b"the first", "b.txt": b"the second"}, links={"l.txt": "/etc/passwd"})
    lines = "".join(json.dumps({"text": f"line {n}"}) + "\n" for n in range(3)) + "no json\n"
    form = {"one": ("one.txt", b"of a form"), "two": ("two.md", b"# of a form too")}
    answers = [
        client.post("/files", params={**into, "name": "a.zip"}, content=archive),
        client.post("/files", params=into, content=lines, headers={"Content-Type": "application/x-ndjson"}),
        client.post("/files", params=into, files=form),
        client.post("/files", params={**into, "name": "t.tar.gz"}, content=tarred({"c.txt": b"the third"})),
    ]
    assert [answer.status_code for answer in answers] == [202] * 4, answers[0].text
    assert {answer.json()["batch"] for answer in answers} == {batch}
    found = uploads.settled(client, batch)
    assert found["files"] == 5
    assert found["documents"] == 10 == sum(found["states"].values())
    assert (found["states"]["under_way"], found["states"]["unreadable"]) == (8, 2)
    assert found["reasons"] == [
        {"state": "unreadable", "unit": "upload", "reason": "unreadable", "documents": 2}
    ]
    texts = sorted(in_kafka(uploads.rig, batch).values())
    assert texts == sorted(
        ["the first", "the second", "line 0", "line 1", "line 2", "of a form", "# of a form too", "the third"]
    )
    page = client.get(f"/batches/{batch}/documents", params={"state": "unreadable"}).json()
    assert page["next"] is None
    assert "a link or a device" in page["documents"][0]["detail"] + page["documents"][1]["detail"]
    letters = [said(record.headers)["topic"] for record in uploads.rig.records("upload.out.dlq")]
    assert sorted(letters) == sorted(one["source"] for one in page["documents"])


def test_pages_hold_each_document_once(uploads: Uploads, client: httpx.Client) -> None:
    """Prevents a batch that cannot be read to its end."""
    lines = "".join(json.dumps({"text": f"page {n}"}) + "\n" for n in range(7))
    batch = client.post("/files", params={"name": "p.jsonl"}, content=lines).json()["batch"]
    uploads.settled(client, batch)
    seen, after = [], 0
    while after is not None:
        params: dict[str, Any] = {"state": "under_way", "after": after, "limit": 3}
        page = client.get(f"/batches/{batch}/documents", params=params).json()
        seen += [one["source"].rpartition("#")[2] for one in page["documents"]]
        after = page["next"]
    assert seen == [str(n) for n in range(1, 8)]


def test_a_request_that_is_repeated_doubles_nothing(uploads: Uploads, client: httpx.Client) -> None:
    """Prevents a second document where an answer was lost, and another content under the same key."""
    sent = {"params": {"name": "r.txt"}, "headers": {"Idempotency-Key": "once"}}
    answers = [client.post("/files", content=b"only once", **sent) for _ in range(2)]  # type: ignore[arg-type]
    batch = answers[0].json()["batch"]
    uploads.settled(client, batch)
    answers.append(client.post("/files", content=b"only once", **sent))  # type: ignore[arg-type]
    assert {answer.text for answer in answers} == {answers[0].text}
    other = client.post("/files", content=b"something else", **sent)  # type: ignore[arg-type]
    assert (other.status_code, "other content" in other.json()["error"]) == (422, True)
    assert list(in_kafka(uploads.rig, batch).values()) == ["only once"]
    with uploads.client(OTHER) as others:
        theirs = others.post("/files", content=b"theirs", **sent)  # type: ignore[arg-type]
        assert theirs.json()["batch"] != batch, "a key of another sender is another key"


def test_wrong_requests_are_told_what_to_do(uploads: Uploads, client: httpx.Client) -> None:
    """Prevents a stranger's documents, a batch that others read, and errors that say nothing."""
    batch = client.post("/batches").json()["batch"]
    with uploads.client("no-such-key") as stranger, uploads.client(OTHER) as others:
        wrong = {
            (401, "Bearer KEY"): stranger.post("/files", content=b"x"),
            (404, "no batch"): others.get(f"/batches/{batch}"),
            (404, "there is no batch"): others.post("/files", params={"batch": batch}, content=b"x"),
            (400, "empty"): client.post("/files", content=b""),
            (400, "holds no file"): client.post("/files", content=b"--b--\r\n", headers=FORM),
            (404, "no document"): client.get("/documents/0123456789abcdef"),
            (422, "pattern"): client.get("/batches/0"),
            (412, "Tus-Resumable: 1.0.0"): client.post("/tus", headers={"Upload-Length": "1"}),
            (400, "Upload-Length"): client.post("/tus", headers=TUS),
            (413, "split the file"): client.post("/tus", headers={**TUS, "Upload-Length": "9" * 15}),
            (404, "begin it anew"): client.head(f"/tus/{'0' * 32}", headers=TUS),
        }
    for (status, says), answer in wrong.items():
        assert answer.status_code == status, (says, answer.text)
        assert says in answer.text or answer.request.method == "HEAD"
    assert client.get(f"/batches/{batch}").json()["documents"] == 0


def test_a_quota_is_told_with_when_it_ends(uploads: Uploads) -> None:
    """Prevents one sender from filling the store."""
    with uploads.client(POOR) as poor:
        assert poor.post("/files", params={"name": "q.txt"}, content=b"x" * 900).status_code == 202
        refused = poor.post("/files", params={"name": "q.txt"}, content=b"x" * 900)
        assert (refused.status_code, "1,000 bytes a day" in refused.json()["error"]) == (429, True)
        assert 0 < int(refused.headers["Retry-After"]) <= 86_400
        assert poor.post("/files", params={"name": "q.txt"}, content=b"y" * 90).status_code == 202


def test_a_resumable_upload_outlives_cuts_and_kills(uploads: Uploads, client: httpx.Client) -> None:
    """Prevents a large file that begins anew after each cut, or that is read twice, or not at all."""
    lines = "".join(json.dumps({"text": f"{n} " + "x" * 5000}) + "\n" for n in range(100)).encode()
    path = begin(client, "big.jsonl", len(lines))
    offset, cuts = 0, 0
    while offset < len(lines):
        end = min(len(lines), offset + 150_000)

        def cut(start: int = offset, stop: int = end) -> Iterator[bytes]:
            yield lines[start:stop]
            raise ConnectionError("cut")

        cuts += 1
        assert cuts < 12
        if cuts == 2:
            uploads.kill()
            uploads.start()
        with pytest.raises(ConnectionError):
            client.patch(path, headers={**OFFSET, "Upload-Offset": str(offset)}, content=cut())
        try:
            uploads.wait(lambda: _stands(client, path) > offset, 15)  # noqa: B023 - asked at once
        except TimeoutError:
            continue  # it went into a connection that the kill had closed: sent again, as any client does
        wrong = client.patch(path, headers={**OFFSET, "Upload-Offset": str(offset)}, content=b"again")
        assert wrong.status_code == 409 or _stands(client, path) == len(lines)
        offset = _stands(client, path)
    assert cuts >= 4
    head = client.head(path, headers=TUS)
    batch = head.headers["Upload-Batch"]
    assert uploads.settled(client, batch)["states"]["under_way"] == 100
    assert sorted(int(text.split()[0]) for text in in_kafka(uploads.rig, batch).values()) == list(range(100))
    assert client.delete(path, headers=TUS).status_code == 409
    assert _stands(client, path) == len(lines)


def _stands(client: httpx.Client, path: str) -> int:
    return int(client.head(path, headers=TUS).headers["Upload-Offset"])


def test_the_river_says_what_became_of_them(uploads: Uploads, client: httpx.Client) -> None:
    """Prevents a batch that stays under way for ever, and a copy that is taken for an end."""
    lines = "".join(json.dumps({"text": f"fate {n}"}) + "\n" for n in range(6))
    batch = client.post("/files", params={"name": "f.jsonl"}, content=lines).json()["batch"]
    uploads.settled(client, batch)
    mine = [d for d in uploads.rig.documents() if d.source.startswith(f"upload://{batch}/")]
    uids = [document.uid for document in sorted(mine, key=lambda d: d.source)]
    entry, outcome = Tally.Entry, Tally
    told = [
        entry(outcome=outcome.DROPPED, unit="rules", reason="too_short", uids=uids[:2]),
        entry(outcome=outcome.DEAD, unit="parse", uids=uids[2:4]),
        entry(outcome=outcome.DROPPED, unit="dedup", reason="already_seen", uids=[uids[4]]),
        entry(outcome=outcome.PART, uids=[uids[5]]),
    ]
    later = [entry(outcome=outcome.REVIVED, uids=[uids[3]])]
    kept = [Document(uid=uid) for uid in (uids[4], uids[5], 12345)]
    uploads.rig.produce([Produce("river.tally", Tally(entries=told).SerializeToString())])
    uploads.rig.publish(kept, "docs.unique")
    uploads.rig.produce([Produce("river.tally", Tally(entries=later).SerializeToString())])

    def states() -> dict[str, int]:
        found = client.get(f"/batches/{batch}").json()
        assert sum(found["states"].values()) == found["documents"] == 6
        return {state: number for state, number in found["states"].items() if number}

    expected = {"dropped": 2, "dead": 1, "under_way": 1, "kept": 1, "in_part": 1}
    uploads.wait(lambda: states() == expected)
    one = client.get(f"/documents/{uids[0]:016x}").json()
    assert (one["state"], one["unit"], one["reason"]) == ("dropped", "rules", "too_short")
    reasons = client.get(f"/batches/{batch}").json()["reasons"]
    assert {(r["unit"], r["reason"]): r["documents"] for r in reasons} == {
        ("rules", "too_short"): 2,
        ("parse", ""): 1,
    }
