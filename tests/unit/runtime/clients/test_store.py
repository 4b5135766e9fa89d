"""The local folder as an object store, and URLs that are none; what every store does: tests/contract."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from obstore.exceptions import GenericError

from services.runtime import ConfigurationError, DependencyDown, ObjectStore
from tests.unit.runtime.conftest import ROOT


def test_a_local_store_is_its_folder(tmp_path: Path) -> None:
    """Prevents a folder with blanks or a # in its name from becoming another one."""
    folder = tmp_path / "some one's #2 % folder"
    ObjectStore(folder.as_uri()).put("parts/x.bin", b"1")
    assert (folder / "parts/x.bin").read_bytes() == b"1"
    assert ObjectStore(folder.as_uri()).get("parts/x.bin") == b"1"


def test_a_folder_that_cannot_be_made_is_a_wrong_setting(tmp_path: Path) -> None:
    """Prevents a service from starting that could never write."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        ObjectStore((tmp_path / "file" / "store").as_uri())


@pytest.mark.parametrize("url", ["nonsense", "gopher://hole/", ""])
def test_a_url_that_means_nothing_is_a_wrong_setting(url: str) -> None:
    """Prevents a typing error from showing as a stack trace out of the library."""
    with pytest.raises(ConfigurationError, match="object store"):
        ObjectStore(url)


def test_a_store_that_cannot_be_written_is_a_dependency_that_is_down(tmp_path: Path) -> None:
    """Prevents a full or broken disk from costing documents: it is waited for."""
    store = ObjectStore((tmp_path / "store").as_uri())
    (tmp_path / "store" / "parts").touch()  # where a folder would have to be
    with pytest.raises(DependencyDown, match="object store"):
        store.put("parts/x.bin", b"1")


# In a process of its own: the limit on the size of files stands for the full disk and stays with the process.
FULL_DISK = """
import resource, signal, sys
from services.runtime import DependencyDown, ObjectStore
store = ObjectStore(sys.argv[1])
store.put("small", b"x" * 100)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    store.put("a", b"x" * 100_000)
except DependencyDown as error:
    print("down:", error)
"""


def test_a_full_disk_is_a_dependency_that_is_down(tmp_path: Path) -> None:
    """Prevents 'no space left' from being taken for the fault of a document, and half an object."""
    url = (tmp_path / "store").as_uri()
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith("down: object store file:///")
    store = ObjectStore(url)
    assert list(store.list("")) == ["small"]
    with pytest.raises(FileNotFoundError):
        store.get("a")


@pytest.mark.parametrize(
    ("url", "variable"),
    [
        ("s3://bucket/x", "AWS_ACCESS_KEY_ID"),
        ("gs://bucket/x", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("az://container/x", "AZURE_STORAGE_ACCOUNT_KEY"),
    ],
)
@pytest.mark.parametrize("said", ["GET http://169.254.169.254/ …", "non-2xx status code: 403 Forbidden: no"])
def test_keys_that_are_missing_or_wrong_are_named_as_their_store_names_them(
    url: str, variable: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents: AWS's variables told to a user of Google's or Azure's store."""

    def refused(*_: object) -> None:
        raise GenericError(said)

    monkeypatch.setattr("obstore.get", refused)
    options = {"account_name": "a", "account_key": "YWFh"} if url.startswith("az") else {}
    with pytest.raises(ConfigurationError, match=variable):
        ObjectStore(url, options=options).get("a")


def test_a_store_of_azure_without_an_account_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(ConfigurationError, match="set AZURE_STORAGE_ACCOUNT_NAME and"):
        ObjectStore("az://container/x")
