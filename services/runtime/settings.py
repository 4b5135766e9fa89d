"""Settings: from the environment (`CORPUSWORKS_…`) or a YAML file.

`CORPUSWORKS_KAFKA__BOOTSTRAP_SERVERS` and `CORPUSWORKS_KAFKA_BOOTSTRAP_SERVERS` are the same
setting; unit settings are `CORPUSWORKS_UNITS__RULES__MIN_WORDS`. `CORPUSWORKS_CONFIG` names a YAML
file with the same tree; the environment wins over it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from services.runtime.clients.tls import Tls
from services.runtime.errors import ConfigurationError
from services.runtime.wrong import sentence

PREFIX = "CORPUSWORKS_"
# Above 0. A week is more than anything here waits, and less than what timers and the Kafka protocol hold.
Seconds = Annotated[float, Field(gt=0, le=604_800, allow_inf_nan=False)]
NO_REDIS = "none:"  # the URL where a river has none
STOPPED_REDIS = "none:stopped"  # and where its own is stopped, in a folder that cannot be written


class KafkaSettings(BaseModel):
    """How to reach the broker. TLS and SASL as Kafka names them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bootstrap_servers: str = "127.0.0.1:9092"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    sasl_password_file: Path | None = None  # a mounted secret; wins over sasl_password
    oauth_token_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    # A broker has bounds of its own, and the longest here are those it comes with.
    session_timeout_s: float = Field(10.0, ge=1, le=1800, allow_inf_nan=False)
    # The broker aborts what a dead producer left open after this; readers wait for it that long.
    transaction_timeout_s: float = Field(30.0, ge=1, le=900, allow_inf_nan=False)
    compression: Literal["none", "lz4", "zstd"] = "lz4"
    replication_factor: int = Field(1, ge=1, le=32_767)

    @property
    def tls(self) -> Tls:
        """Its files together."""
        return Tls(PREFIX + "KAFKA__", self.ca_file, self.certificate_file, self.key_file)


class RedisSettings(BaseModel):
    """How to reach Redis or Valkey; rediss:// for TLS. cluster: the url is of one node of a Redis Cluster."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = "redis://127.0.0.1:6379/0"
    cluster: bool = False
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None  # a mounted secret; wins over password
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    timeout_s: Seconds = 10.0

    @property
    def tls(self) -> Tls:
        """Its files together."""
        return Tls(PREFIX + "REDIS__", self.ca_file, self.certificate_file, self.key_file)


class BatchSettings(BaseModel):
    """Bounds of one batch: the first that is reached closes it.

    Bytes are those of the messages, and of what of them lies in the object store. Units are given a batch in
    slices, of documents that run together (Unit.slice_size); none of several documents is larger than
    max_slice_bytes: what a process needs for it, and how long it is at it, does not grow with their sizes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_documents: int = Field(1000, ge=1, le=1_000_000)
    max_bytes: int = Field(16 << 20, ge=1, le=1 << 40)
    # 1000 documents of 8 kB. Within half of time_limit_s for units that do 0.3 MB a second and more.
    max_slice_bytes: int = Field(8 << 20, ge=1, le=1 << 40)
    max_wait_s: float = Field(0.1, ge=0, le=3600, allow_inf_nan=False)


GROUPS: Mapping[str, type[BaseModel]] = {
    "kafka": KafkaSettings,
    "redis": RedisSettings,
    "batch": BatchSettings,
}


class Settings(BaseSettings):
    """All settings of a process."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    batch: BatchSettings = BatchSettings()
    store_url: str = "file:///tmp/corpusworks"
    store_timeout_s: Seconds = 30.0  # of one request to S3
    # After it a failed request is not sent again: the river waits.
    store_retry_s: float = Field(10.0, ge=0, le=604_800, allow_inf_nan=False)
    triton_url: str = "127.0.0.1:8001"  # grpcs://host:port for TLS
    triton_ca_file: Path | None = None
    triton_certificate_file: Path | None = None
    triton_key_file: Path | None = None
    recipe: str | Path | None = None  # a preset of the mixer by its name, or a file
    topology: Path | None = None
    units: dict[str, dict[str, Any]] = {}
    keep: dict[str, str] = {}  # by topic, over what the topology says: {"docs.raw": "12h"}

    # Several processes read one list of sources, each its part (leases in Redis). One that has not been heard
    # of for kafka.session_timeout_s loses its part.
    share_sources: bool = False
    instance: str = ""  # names this copy of a service; static group membership when set

    partitions: int = Field(4, ge=1, le=10_000)  # of docs.* topics before the router
    lanes: int = Field(2, ge=1, le=10_000)  # partitions of pools, docs.mixed and shards
    max_message_bytes: int = Field(900_000, ge=10_000, le=1 << 30)  # larger fields go to the object store
    # One document may take this long; half of it for its batch, half for itself alone. A file may be read
    # for this long without a record.
    time_limit_s: Seconds = 60.0
    # Of the process that runs the units, or reads files.
    memory_limit_bytes: int = Field(4 << 30, ge=64 << 20, le=1 << 50)
    dead_letter_limit: int = Field(100, ge=0)  # in a row of dead_letter_window documents
    dead_letter_window: int = Field(1000, ge=1)
    dead_letter_share: float = Field(0.5, ge=0, le=1)  # of a source, or of all: above it `run` ends with 1
    stop_grace_s: float = Field(20.0, ge=0, le=604_800, allow_inf_nan=False)
    # /livez /readyz /metrics on 127.0.0.1 or all addresses; 0: any free one
    http_port: int = Field(0, ge=0, le=65_535)
    http_host: str = "127.0.0.1"

    @property
    def triton_tls(self) -> Tls:
        """Its files together."""
        files = self.triton_ca_file, self.triton_certificate_file, self.triton_key_file
        return Tls(PREFIX + "TRITON_", *files)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Strongest first."""
        return init_settings, env_settings, _FlatEnvironment(settings_cls), _YamlFile(settings_cls)


class _FlatEnvironment(PydanticBaseSettingsSource):
    """CORPUSWORKS_REDIS_URL for CORPUSWORKS_REDIS__URL: the name people write."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for group, model in GROUPS.items():
            for name in model.model_fields:
                value = os.environ.get(f"{PREFIX}{group}_{name}".upper())
                if value is not None:
                    found.setdefault(group, {})[name] = value
        return found


class _YamlFile(PydanticBaseSettingsSource):
    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        path = os.environ.get(PREFIX + "CONFIG")
        if not path:
            return {}
        try:
            found = yaml.safe_load(Path(path).read_text()) or {}
        except (OSError, ValueError, yaml.YAMLError) as error:
            why = " ".join(str(error).split())  # YAML's goes over several lines
            raise ConfigurationError(f"{PREFIX}CONFIG={path} cannot be read: {why}") from error
        if not isinstance(found, dict):
            raise ConfigurationError(f"{PREFIX}CONFIG={path} holds no settings: write `name: value` lines")
        return found


def setting_names() -> list[str]:
    """The dotted name of every setting but those of units, which their services have."""
    names = [name for name in Settings.model_fields if name not in GROUPS]
    return names + [f"{group}.{name}" for group, model in GROUPS.items() for name in model.model_fields]


def load_settings(**overrides: Any) -> Settings:
    """Settings of this process. Raises ConfigurationError naming the setting that is wrong."""
    try:
        return Settings(**overrides)
    except pydantic.ValidationError as error:
        raise ConfigurationError(f"wrong settings: {sentence(error, setting_names())}") from error
    except SettingsError as error:  # names the setting; the value is not repeated
        raise ConfigurationError(f"wrong settings: {error}") from error


def secret(value: SecretStr | None, file: Path | None) -> str | None:
    """A password from its file, else from the environment. Raises ConfigurationError."""
    if file is None:
        return value.get_secret_value() if value else None
    try:
        return file.read_text().strip()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the secret {file} cannot be read: {error}") from error
