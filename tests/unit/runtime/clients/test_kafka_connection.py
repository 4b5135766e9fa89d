"""Kafka's security settings reach the client under the names it knows, and secrets stay out of sight."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer
from pydantic import SecretStr

from services.runtime import ConfigurationError
from services.runtime.clients import reach
from services.runtime.clients.kafka import connection
from services.runtime.settings import KafkaSettings


def _known(options: dict[str, object]) -> None:
    """Prevents an option that the client would refuse, or silently ignore."""
    assert set(options) <= set(KafkaConsumer.DEFAULT_CONFIG)
    assert set(options) <= set(KafkaProducer.DEFAULT_CONFIG)


def test_plain_text_sends_no_credentials() -> None:
    """Prevents credentials on a connection that is not asked to authenticate."""
    options = connection(KafkaSettings(bootstrap_servers="a:1,b:2"))
    assert options["bootstrap_servers"] == ["a:1", "b:2"]
    assert not {name for name in options if name.startswith(("sasl", "ssl"))}
    _known(options)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_sasl_with_a_password_from_a_mounted_file(tmp_path: Path, mechanism: str) -> None:
    """Prevents a rotated secret from being passed over for the one in the environment."""
    file = tmp_path / "password"
    file.write_text("from-file\n")
    settings = KafkaSettings(
        security_protocol="SASL_SSL",
        sasl_mechanism=mechanism,  # type: ignore[arg-type]
        sasl_username="corpus",
        sasl_password=SecretStr("from-environment"),
        sasl_password_file=file,
    )
    options = connection(settings)
    assert options["sasl_mechanism"] == mechanism
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("corpus", "from-file")
    assert "from-environment" not in repr(settings)
    _known(options)


def test_tls_verifies_the_broker() -> None:
    """Prevents a TLS connection that takes any certificate and any name."""
    context = connection(KafkaSettings(security_protocol="SSL"))["ssl_context"]
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_token_is_read_at_each_login(tmp_path: Path) -> None:
    """Prevents a service that has to be restarted when its token is rotated."""
    file = tmp_path / "token"
    file.write_text("first\n")
    settings = KafkaSettings(
        security_protocol="SASL_SSL", sasl_mechanism="OAUTHBEARER", oauth_token_file=file
    )
    provider = connection(settings)["sasl_oauth_token_provider"]
    assert provider.token() == "first"
    file.write_text("second\n")
    assert provider.token() == "second"


def test_a_missing_token_file_names_the_setting() -> None:
    """Prevents an OAUTHBEARER set-up that fails with a stack trace at the first login."""
    settings = KafkaSettings(security_protocol="SASL_SSL", sasl_mechanism="OAUTHBEARER")
    with pytest.raises(ConfigurationError, match="OAUTH_TOKEN_FILE"):
        connection(settings)["sasl_oauth_token_provider"].token()


def test_a_wrong_certificate_file_is_a_wrong_setting(tmp_path: Path) -> None:
    """Prevents a crash loop over a CA file that is not there."""
    settings = KafkaSettings(security_protocol="SSL", ca_file=tmp_path / "absent.pem")
    with pytest.raises(ConfigurationError, match=r"absent\.pem"):
        connection(settings)


def test_who_is_started_by_one_that_was_let_in_does_not_ask_whether_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Prevents a login a process that tells nothing; and that another broker is taken for the same."""
    asked: list[str] = []
    monkeypatch.setattr(reach, "check_kafka", lambda kafka: asked.append(kafka.bootstrap_servers))
    ours, other = (KafkaSettings(bootstrap_servers=at) for at in ("127.0.0.1:1", "127.0.0.1:2"))
    for name, value in reach.admission(ours).items():
        monkeypatch.setenv(name, value)
    reach.admitted(ours)
    reach.admitted(other)
    assert asked == ["127.0.0.1:2"]
