"""TLS and SASL with real servers: Kafka listening in each way, Redis with a user, Triton over mutual TLS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts import Document
from services.inference import Encoder
from services.local.run import applied
from services.local.servers.triton import require
from services.runtime import ConfigurationError, DependencyDown, Resources, load_settings
from services.runtime.clients.admin import Admin
from services.runtime.clients.log import Log
from services.runtime.clients.reach import check_kafka
from services.runtime.loops.transaction import Produce, Transactions
from services.runtime.topology import Topic
from tests import servers, tiny_model
from tests.corpus import write_jsonl
from tests.e2e.commands import corpusworks, run
from tests.integration import secured
from tests.integration.secured import Broker, SecuredTriton, token
from tests.tls import Authority

pytestmark = pytest.mark.stack
PORTS = ("tls", "plain", "scram", "oauth")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("other"), "other")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker"), authority) as made:
        yield made


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[dict[str, str]]:
    with secured.redis(tmp_path_factory.mktemp("redis"), authority, authority.issue("redis")) as settings:
        yield settings


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[SecuredTriton]:
    folder = tmp_path_factory.mktemp("triton")
    models = tiny_model.make(folder / "models").parent
    servers.triton(folder / "unused", models)  # skips where there is none
    with SecuredTriton(folder / "triton", [models], authority, authority.issue("triton")) as server:
        yield server


@pytest.mark.parametrize("port", PORTS)
def test_transactions_go_through_each_port(broker: Broker, port: str):
    """Prevents a mechanism that only its options were ever tested of."""
    with applied(broker.environment(port)) as settings:
        check_kafka(settings.kafka)
        topic = f"sent.{port}"
        with Admin(settings) as admin:
            admin.create_topics([Topic(topic, holds=Document, by="lanes")])
        transactions = Transactions(settings, "test", port)
        transactions.commit([Produce(topic, b"through")], {}, None)
        transactions.reset()
        with Log(settings) as log:
            assert [record.value for record in log.read_all(topic)] == [b"through"]


REFUSALS = [
    ("expired", {}, "certificate has expired. Renew it there"),
    ("foreign", {}, "not valid for '127.0.0.1'. Give the name that it was issued for"),
    ("tls", {"ca_file": "OTHER"}, "name its issuer's file in CORPUSWORKS_KAFKA__CA_FILE"),
    (
        "tls",
        {"ca_file": ""},
        "the roots of this machine: name its issuer's file in CORPUSWORKS_KAFKA__CA_FILE",
    ),
    ("tls", {"certificate_file": ""}, "correct CORPUSWORKS_KAFKA__CERTIFICATE_FILE="),
    ("tls", {"certificate_file": "FOREIGN"}, "correct CORPUSWORKS_KAFKA__CERTIFICATE_FILE=.*theirs.pem"),
    ("tls", {"certificate_file": "NOWHERE"}, "CERTIFICATE_FILE=.*nowhere: .*No such file"),
    ("plain", {"sasl_password_file": "WRONG"}, "SASL_USERNAME and SASL_PASSWORD_FILE: .*Invalid username or"),
    ("scram", {"sasl_password_file": "WRONG"}, "SASL_USERNAME and SASL_PASSWORD_FILE: .*invalid credentials"),
    ("scram", {"sasl_username": "nobody"}, "SASL_USERNAME and SASL_PASSWORD_FILE: .*invalid credentials"),
    ("scram", {"sasl_username": ""}, "SASL_MECHANISM=SCRAM-SHA-512 needs CORPUSWORKS_KAFKA__SASL_USERNAME"),
    ("oauth", {"oauth_token_file": "STALE"}, "correct CORPUSWORKS_KAFKA__OAUTH_TOKEN_FILE: .*invalid_token"),
    ("oauth", {"oauth_token_file": "NOWHERE"}, "CORPUSWORKS_KAFKA__OAUTH_TOKEN_FILE=.*nowhere"),
    ("plain", {"sasl_mechanism": "SCRAM-SHA-256"}, "does not take CORPUSWORKS_KAFKA__SASL_MECHANISM=SCRAM"),
    ("plain", {"security_protocol": "SSL", "sasl_mechanism": ""}, "asks for SASL: correct .*PROTOCOL=SSL"),
    (
        "plain",
        {"security_protocol": "SSL"},
        "PROTOCOL=SSL does not go with CORPUSWORKS_KAFKA__SASL_MECHANISM=",
    ),
]


@pytest.fixture
def files(tmp_path: Path, other: Authority) -> dict[str, Path]:
    """What is wrong, by the word that stands for it above."""
    (tmp_path / "wrong").write_text("wrong")
    (tmp_path / "stale").write_text(token(-5))
    found = {name: tmp_path / name.lower() for name in ("WRONG", "STALE", "NOWHERE")}
    return found | {"OTHER": other.file, "FOREIGN": other.issue("theirs")}


@pytest.mark.parametrize(("port", "wrong", "told"), REFUSALS)
def test_what_kafka_refuses_names_the_setting(
    broker: Broker, files: dict[str, Path], port: str, wrong: dict[str, str], told: str
):
    """Prevents waiting for ever for a broker that is there and says no."""
    more = {name: files.get(value, value) for name, value in wrong.items()}
    with (
        applied(broker.environment(port, **more)) as settings,
        pytest.raises(ConfigurationError, match=told),
    ):
        check_kafka(settings.kafka)


@pytest.mark.parametrize(("port", "protocol"), [("tls", "PLAINTEXT"), ("inside", "SSL")])
def test_the_port_of_another_protocol(broker: Broker, port: str, protocol: str):
    """Prevents an end of the connection without a word of why."""
    more: dict[str, object] = {"security_protocol": protocol}
    if port == "inside":
        more["bootstrap_servers"] = broker.server.bootstrap
    with (
        applied(broker.environment("tls", **more)) as settings,
        pytest.raises(DependencyDown, match=f"SECURITY_PROTOCOL={protocol} that of this port"),
    ):
        check_kafka(settings.kafka)


def test_a_command_that_is_refused_ends_with_one_line(broker: Broker, tmp_path: Path):
    """Prevents a traceback, or a wait, where a person sees it."""
    for settings, told in (
        (broker.environment("expired"), "certificate has expired"),
        (broker.environment("plain", sasl_username="x"), "SASL_USERNAME and SASL_PASSWORD_FILE"),
    ):
        for command in (["topics"], ["serve", "rules"]):
            done = corpusworks(*command, settings=settings)
            assert done.code == 2, done.err
            last = done.err.strip().splitlines()[-1]
            assert last.startswith("corpusworks: Kafka at 127.0.0.1:")
            assert told in last
            assert "Traceback" not in done.err


def test_redis_over_tls_with_a_user(redis: dict[str, str], files: dict[str, Path]):
    """Prevents an index that nobody could ever reach as a cluster has it."""
    with applied(redis) as settings:
        resources = Resources(settings)
        assert resources.redis.set("key", "value")
        assert resources.redis.acl_whoami() == secured.USER
        resources.close()
    for name, wrong, told in (
        (
            "PASSWORD_FILE",
            files["WRONG"],
            "correct CORPUSWORKS_REDIS__USERNAME and CORPUSWORKS_REDIS__PASSWORD",
        ),
        ("USERNAME", "nobody", "correct CORPUSWORKS_REDIS__USERNAME"),
        ("CA_FILE", files["OTHER"], "name its issuer's file in CORPUSWORKS_REDIS__CA_FILE"),
        ("CERTIFICATE_FILE", files["FOREIGN"], "correct CORPUSWORKS_REDIS__CERTIFICATE_FILE"),
        ("CA_FILE", files["NOWHERE"], "CORPUSWORKS_REDIS__CA_FILE=.*nowhere,? .*No such file"),
    ):
        with (
            applied(redis | {f"CORPUSWORKS_REDIS__{name}": str(wrong)}) as settings,
            pytest.raises(ConfigurationError, match=told),
        ):
            _ = Resources(settings).redis


@pytest.mark.parametrize(
    ("certificate", "told"),
    [(("old", True), "certificate has expired"), (("elsewhere", False), "name that it was issued for")],
)
def test_a_redis_with_a_bad_certificate(
    tmp_path: Path, authority: Authority, certificate: tuple[str, bool], told: str
):
    """Prevents an expired certificate from being waited for."""
    name, expired = certificate
    made = authority.issue(name, *(() if expired else ("redis.example",)), expired=expired)
    with (
        secured.redis(tmp_path, authority, made) as found,
        applied(found) as settings,
        pytest.raises(ConfigurationError, match=told),
    ):
        _ = Resources(settings).redis


def test_triton_over_tls(triton: SecuredTriton, files: dict[str, Path]):
    """Prevents judges that cannot be asked where the cluster encrypts, or that wait when refused."""
    models = triton.models[0]
    with applied(triton.settings) as settings:
        encoder = Encoder.open(settings.triton_url, models, "judge", tls=settings.triton_tls)
        assert encoder.judge(["a text"]).version == 1
    for name, wrong, told in (
        ("CA_FILE", files["OTHER"], "name its issuer's file in CORPUSWORKS_TRITON_CA_FILE"),
        ("CERTIFICATE_FILE", files["FOREIGN"], "correct CORPUSWORKS_TRITON_CERTIFICATE_FILE"),
        ("CERTIFICATE_FILE", "", "correct CORPUSWORKS_TRITON_CERTIFICATE_FILE="),
        ("CA_FILE", files["NOWHERE"], "CORPUSWORKS_TRITON_CA_FILE=.*nowhere"),
    ):
        given = triton.settings | {f"CORPUSWORKS_TRITON_{name}": str(wrong)}
        given = {name: value for name, value in given.items() if value}
        with applied(given) as settings:
            with pytest.raises(ConfigurationError, match=told):
                require(settings.triton_url, settings.triton_tls)
            encoder = Encoder.open(settings.triton_url, models, "judge", tls=settings.triton_tls)
            with pytest.raises(ConfigurationError, match=told):
                encoder.judge(["a text"])


@pytest.mark.soak
@pytest.mark.parametrize("port", PORTS)
def test_a_whole_run_over_tls(
    tmp_path: Path, authority: Authority, redis: dict[str, str], triton: SecuredTriton, port: str
):
    """Prevents a service that reaches its servers in plain text only."""
    source = write_jsonl(tmp_path / "made.jsonl", 40, seed=5)
    models = {
        f"CORPUSWORKS_UNITS__{unit}__MODELS": str(triton.models[0]) for unit in ("CLASSIFIER", "SCORER")
    }
    with applied(redis) as settings:
        Resources(settings).redis.flushdb()  # of the run before, on another broker
    with Broker(tmp_path / "broker", authority) as broker:
        given = broker.environment(port) | redis | triton.settings | models
        report = run(tmp_path / "out", source, settings=given)
    assert report["unaccounted"] == 0
    assert report["waiting"] == {}
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report
    assert not (tmp_path / "out" / "state" / "kafka").exists()


def test_a_secret_that_cannot_be_read_names_its_file(tmp_path: Path):
    """Prevents a password of nothing."""
    settings = load_settings(redis={"password_file": tmp_path / "nowhere"})
    with pytest.raises(ConfigurationError, match="nowhere"):
        _ = Resources(settings).redis
