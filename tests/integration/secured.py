"""Servers as a cluster has them: TLS on every port, SASL, users, certificates asked of clients."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from kafka import KafkaAdminClient
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from services.local.child import Program
from services.local.packages import programs
from services.local.servers.kafka import KafkaServer
from services.local.servers.ports import HOST, free_port
from services.local.servers.redis import RedisServer
from services.local.servers.triton import Triton
from services.runtime.clients.kafka import connection
from services.runtime.settings import KafkaSettings
from tests.tls import Authority, Terminator

USER, PASSWORD = "corpus", "right horse battery"
MECHANISMS = ("PLAIN", "SCRAM-SHA-512", "OAUTHBEARER")
_JAAS = "org.apache.kafka.common.security"
_LOGIN = {
    "PLAIN": f'{_JAAS}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";',
    "SCRAM-SHA-512": f"{_JAAS}.scram.ScramLoginModule required;",
    "OAUTHBEARER": f"{_JAAS}.oauthbearer.OAuthBearerLoginModule required;",
}


def token(expires_in_s: float = 3600) -> str:
    """An unsecured JWT, which Kafka's validator takes when nobody gives it another."""
    now = time.time()
    claims = {"sub": USER, "iat": now - 10, "exp": now + expires_in_s}
    parts = ({"alg": "none"}, claims)
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."
    )


class Broker:
    """One broker that listens for each kind of client on a port of its own, and what its clients are told.

    tls: wants a client's certificate; plain, scram, oauth: SASL over TLS; expired, foreign: whose certificate
    is expired, or another host's.
    """

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder, self.authority = folder, authority
        folder.mkdir(parents=True, exist_ok=True)
        self._client = authority.issue("client")
        good = authority.issue("broker")
        certificates = {
            "expired": authority.issue("expired", expired=True),
            "foreign": authority.issue("foreign", "kafka.example"),
        }
        sasl = dict(zip(("plain", "scram", "oauth"), MECHANISMS, strict=True))
        self._ports = {name: free_port() for name in ("tls", *sasl, *certificates)}
        options: dict[str, object] = {
            "listeners": ",".join(f"{n.upper()}://{HOST}:{p}" for n, p in self._ports.items()),
            "advertised.listeners": ",".join(f"{n.upper()}://{HOST}:{p}" for n, p in self._ports.items()),
            "listener.security.protocol.map": ",".join(
                f"{name.upper()}:{'SASL_SSL' if name in sasl else 'SSL'}" for name in self._ports
            ),
            "ssl.keystore.type": "PEM",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": authority.file,
            "listener.name.tls.ssl.client.auth": "required",
        }
        for name in self._ports:
            options[f"listener.name.{name}.ssl.keystore.location"] = certificates.get(name, good)
        for name, mechanism in sasl.items():
            options[f"listener.name.{name}.sasl.enabled.mechanisms"] = mechanism
            key = f"listener.name.{name}.{mechanism.lower()}.sasl.jaas.config"
            options[key] = _LOGIN[mechanism]
        self.server = KafkaServer(folder / "kafka", options=options)
        (folder / "password").write_text(PASSWORD + "\n")
        (folder / "token").write_text(token())

    def __enter__(self) -> Broker:
        self.server.__enter__()
        inside = KafkaSettings().model_copy(update=self.server.access)
        admin = KafkaAdminClient(**connection(inside))
        made = UserScramCredentialUpsertion(USER, ScramMechanism.SCRAM_SHA_512, PASSWORD)
        admin.alter_user_scram_credentials([made])
        admin.close()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    def environment(self, name: str, **more: object) -> dict[str, str]:
        """Settings of a client of one of its ports. more: instead of these."""
        settings: dict[str, object] = {
            "bootstrap_servers": f"{HOST}:{self._ports[name]}",
            "ca_file": self.authority.file,
        }
        if name in ("plain", "scram", "oauth"):
            settings["security_protocol"] = "SASL_SSL"
            settings["sasl_mechanism"] = dict(zip(("plain", "scram", "oauth"), MECHANISMS, strict=True))[name]
            if name == "oauth":
                settings["oauth_token_file"] = self.folder / "token"
            else:
                settings |= {"sasl_username": USER, "sasl_password_file": self.folder / "password"}
        else:
            settings |= {"security_protocol": "SSL", "certificate_file": self._client}
        return _environment("KAFKA__", settings | more)


@contextlib.contextmanager
def redis(folder: Path, authority: Authority, certificate: Path) -> Iterator[dict[str, str]]:
    """The settings of a Redis over TLS with a user of its own; one without TLS has it put in front."""
    port = free_port()
    user = f'{USER} on ">{PASSWORD}" ~* &* +@all'
    options = {"user": user}
    tls = {
        "tls-port": str(port),
        "tls-cert-file": f'"{certificate}"',
        "tls-key-file": f'"{certificate}"',
        "tls-ca-cert-file": f'"{authority.file}"',
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "password.txt").write_text(PASSWORD)
    settings = {
        "url": f"rediss://{HOST}:{port}/0",
        "username": USER,
        "password_file": folder / "password.txt",
        "ca_file": authority.file,
        "certificate_file": authority.issue("redis-client"),
    }
    with contextlib.ExitStack() as stack:
        if speaks_tls(programs.redis_server()):
            stack.enter_context(RedisServer(folder / "redis", options=options | tls))
        else:
            server = stack.enter_context(RedisServer(folder / "redis", options=options))
            front = stack.enter_context(Terminator(certificate, authority.file, server.port))
            settings["url"] = f"rediss://{HOST}:{front.port}/0"
        yield _environment("REDIS__", settings)


def speaks_tls(binary: Path) -> bool:
    """Whether a Redis or Valkey was built with TLS: without, it does not take the setting."""
    with TemporaryDirectory() as folder:
        said = subprocess.run(
            [binary, "--port", "0", "--tls-port", "1", "--dir", folder],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        ).stdout
    return "Failed finding TLS support" not in said


class SecuredTriton(Triton):
    """Triton as in a cluster: on a port, over TLS, for clients with a certificate of the authority."""

    def __init__(self, folder: Path, models: Sequence[Path], authority: Authority, certificate: Path) -> None:
        super().__init__(folder, models, threads=1)
        self._authority, self._certificate = authority, certificate
        self._client = authority.issue("triton-client")

    def prepare(self) -> Program:
        program = super().prepare()
        kept = [part for part in program.command if not str(part).startswith("--grpc-")]
        tls = {"address": HOST, "port": self.port, "use-ssl": "true", "use-ssl-mutual": "true"}
        files = {"server-cert": self._certificate, "server-key": self._certificate}
        more = {**tls, **files, "root-cert": self._authority.file}
        arguments = [f"--grpc-{key}={value}" for key, value in more.items()]
        return Program(program.name, [*kept, *arguments], program.log, environment=program.environment)

    def ready(self) -> bool:
        from tritonclient.grpc import InferenceServerClient
        from tritonclient.utils import InferenceServerException

        files = {"root_certificates": self._authority.file, "private_key": self._client}
        named = {name: str(file) for name, file in (files | {"certificate_chain": self._client}).items()}
        with InferenceServerClient(f"{HOST}:{self.port}", ssl=True, **named) as client:
            try:
                return bool(client.is_server_ready(client_timeout=1))
            except InferenceServerException:
                return False

    @property
    def settings(self) -> dict[str, str]:
        """Of a client."""
        return _environment(
            "TRITON_",
            {
                "url": f"grpcs://{HOST}:{self.port}",
                "ca_file": self._authority.file,
                "certificate_file": self._client,
            },
        )


def _environment(group: str, settings: Mapping[str, object]) -> dict[str, str]:
    return {f"CORPUSWORKS_{group}{name.upper()}": str(value) for name, value in settings.items() if value}
