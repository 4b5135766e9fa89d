"""TLS to one server: its files, and what is wrong where a handshake fails."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.runtime.errors import ConfigurationError

# OpenSSL's numbers, x509_vfy.h
_NOT_YET, _EXPIRED = 9, 10
_OTHER_HOST, _OTHER_ADDRESS = 62, 64
_SILENCE_S = 1.0  # of a server that waits for our first word, and so has taken our certificate


@dataclass(frozen=True)
class Tls:
    """The files of one server's settings. settings: how their names begin, for what is said of them.

    ca_file: who is trusted; None: whom the machine trusts. certificate_file, key_file: our own, where the
    server asks for one.
    """

    settings: str
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """A context that verifies chain and name. Raises ConfigurationError: a file is missing or wrong."""
        if self.key_file and not self.certificate_file:
            raise ConfigurationError(
                f"{self.settings}KEY_FILE needs {self.settings}CERTIFICATE_FILE beside it"
            )
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.certificate_file:
                context.load_cert_chain(self.certificate_file, self.key_file, password="")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            files = {
                "CA_FILE": self.ca_file, "CERTIFICATE_FILE": self.certificate_file, "KEY_FILE": self.key_file,
            }  # fmt: skip
            named = ", ".join(f"{self.settings}{name}={file}" for name, file in files.items() if file)
            raise ConfigurationError(f"TLS files {named}: {error}") from error
        return context

    def check(self, what: str, host: str, port: int, timeout_s: float, protocol: str = "") -> None:
        """Shake hands once, for a client whose errors do not tell a refusal from a server that is away.

        what: the server's name. protocol: of ALPN, for a server that then speaks first. Raises
        ConfigurationError; OSError where it is away.
        """
        context = self.context()
        if protocol:
            context.set_alpn_protocols([protocol])
        try:
            with (
                socket.create_connection((host, port), timeout_s) as plain,
                context.wrap_socket(plain, server_hostname=host) as secured,
            ):
                # With TLS 1.3 it says only now, or shows by going, that it wants a certificate of ours.
                secured.settimeout(timeout_s if protocol else _SILENCE_S)
                if not secured.recv(1):
                    raise self._unwanted(f"{what} at {host}:{port}", "it closes the connection")
        except TimeoutError:
            if protocol:
                raise
        except OSError as error:
            if refusal := self.refusal(f"{what} at {host}:{port}", error):
                raise refusal from error
            raise

    def refusal(self, where: str, error: BaseException | None) -> ConfigurationError | None:
        """What to say of a failed handshake that another try cannot mend; None for a server that is away.

        error: what the client raised; what caused it is looked through. where: "Kafka at host:port".
        """
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            if isinstance(error, ssl.SSLCertVerificationError):
                return ConfigurationError(
                    f"{where} shows a certificate that is refused: {error.verify_message.rstrip('.')}. "
                    f"{self._advice(error)}"
                )
            if isinstance(error, ssl.SSLError) and (why := _alert(error)):
                return self._unwanted(where, why)
            if isinstance(error, ssl.SSLError) and error.reason in (
                "WRONG_VERSION_NUMBER",
                "RECORD_LAYER_FAILURE",
            ):
                return ConfigurationError(
                    f"{where} does not speak TLS: give its other port, or correct {self.settings}…"
                )
            error = error.__cause__ or error.__context__
        return None

    def _unwanted(self, where: str, why: str) -> ConfigurationError:
        file = f"{self.settings}CERTIFICATE_FILE={self.certificate_file or ''}"
        return ConfigurationError(f"{where} wants another certificate of ours ({why}): correct {file}")

    def _advice(self, error: ssl.SSLCertVerificationError) -> str:
        code = error.verify_code
        if code in (_EXPIRED, _NOT_YET):
            return "Renew it there (or set this machine's clock)"
        if code in (_OTHER_HOST, _OTHER_ADDRESS):
            return f"Give the name that it was issued for in the address of {self.settings}…"
        trusted = self.ca_file or "the roots of this machine"
        return f"Trusted is {trusted}: name its issuer's file in {self.settings}CA_FILE"


def _alert(error: ssl.SSLError) -> str:
    """The server's word on our certificate, or nothing."""
    reason: Any = error.reason or ""
    about = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")
    return reason.lower() if "ALERT" in reason and any(word in reason for word in about) else ""
