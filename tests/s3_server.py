"""The stack's S3 server for tests: on loopback, started on a folder of the test's."""

from __future__ import annotations

from pathlib import Path

import obstore
import pytest

from services.local.servers import s3
from services.runtime import ConfigurationError

KEY, SECRET = "tester", "a-secret-of-the-tests"


class S3Server(s3.S3Server):
    """With the keys of the tests."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, key=KEY, secret=SECRET)

    def put(self, bucket: str, key: str, value: bytes) -> None:
        """Over S3: the server does not list a file that it has not written."""
        store = obstore.store.S3Store(
            bucket,
            endpoint=self.endpoint,
            access_key_id=KEY,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )
        obstore.put(store, key, value)


def s3_server(folder: Path) -> S3Server:
    """A server that is not started yet; skips where its jars have not been fetched."""
    try:
        s3.JARS.checked()
    except ConfigurationError as error:
        pytest.skip(str(error))
    return S3Server(folder)
