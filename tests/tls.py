"""Certificates made for a test, and TLS in front of a server that speaks none."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

HOST = "127.0.0.1"


class Authority:
    """Issues certificates into files: key and chain in one PEM, the key as PKCS #8, as Java wants it."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._ca = trustme.CA()
        self.file = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def issue(self, name: str, *identities: str, expired: bool = False) -> Path:
        """A certificate for hosts and addresses; 127.0.0.1 if none is named."""
        now = datetime.datetime.now(datetime.UTC)
        made = self._ca.issue_cert(
            *(identities or (HOST, "localhost")),
            not_before=now - datetime.timedelta(days=30),
            not_after=now + datetime.timedelta(days=-1 if expired else 1),
        )
        key = load_pem_private_key(made.private_key_pem.bytes(), None)
        path = self._folder / f"{name}.pem"
        chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + chain)
        path.chmod(0o600)
        return path


class Terminator:
    """TLS in front of a port of this machine; wants a certificate of the authority from its clients.

    A context manager; `port` is where it listens.
    """

    def __init__(self, certificate: Path, authority: Path, behind: int) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_cert_chain(certificate)
        self._behind = behind
        self._listening = socket.create_server((HOST, 0))
        self.port = int(self._listening.getsockname()[1])

    def __enter__(self) -> Terminator:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                plain, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            plain,
            self._context.wrap_socket(plain, server_side=True) as secured,
            socket.create_connection((HOST, self._behind)) as behind,
        ):
            back = threading.Thread(target=_pump, args=(behind, secured), daemon=True)
            back.start()
            _pump(secured, behind)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(1 << 16):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
