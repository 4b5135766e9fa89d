"""A real S3 server for tests: s3proxy on the Java that Kafka uses, on loopback, its buckets as folders.

`python -m tests.s3_server` fetches its jars (a step of `make test`); with `--lock` it resolves them anew.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from services.local.packages import jars, programs
from services.local.process import Program
from services.local.servers.ports import HOST
from services.local.servers.server import Server
from services.runtime import ConfigurationError

JARS = jars.Jars(
    name="s3proxy",
    coordinates=(
        "org.gaul:s3proxy:2.6.0",
        # What of the rest it loads in any case.
        "org.apache.jclouds.api:s3:2.7.0",
        "org.apache.jclouds.api:openstack-swift:2.7.0",
        "org.apache.jclouds.provider:azureblob:2.7.0",
        "jakarta.servlet:jakarta.servlet-api:5.0.0",
    ),
    lock=Path(__file__).with_name("s3proxy.lock.toml"),
    # It serves folders here; the clouds' own libraries are three quarters of its jars.
    without=(
        "org.apache.jclouds:jclouds-allblobstore",
        "com.azure:azure-storage-blob",
        "com.azure:azure-identity",
        "com.amazonaws:aws-java-sdk-sts",
    ),
    install="python -m tests.s3_server",
)
KEY, SECRET = "tester", "a-secret-of-the-tests"
_JVM = ("-Xmx200m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
_LOGBACK = """<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d %p %m%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="out"/></root>
</configuration>
"""


class S3Server(Server):
    """buckets/ in its folder has a folder for each bucket."""

    name = "s3proxy"

    @property
    def endpoint(self) -> str:
        """What AWS_ENDPOINT_URL takes."""
        return f"http://{HOST}:{self.port}"

    @property
    def access(self) -> dict[str, str | Path]:
        """None of ours: S3's clients take the standard variables, `environment`."""
        return {}

    @property
    def environment(self) -> Mapping[str, str]:
        """The standard variables that reach it with the right keys."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    def bucket(self, name: str) -> str:
        """The URL of a bucket that is there now."""
        (self.folder / "buckets" / name).mkdir(parents=True, exist_ok=True)
        return f"s3://{name}"

    def prepare(self) -> Program:
        """See Server."""
        buckets = self.folder / "buckets"
        buckets.mkdir(exist_ok=True)
        properties = {
            "s3proxy.endpoint": self.endpoint,
            "s3proxy.authorization": "aws-v2-or-v4",
            "s3proxy.identity": KEY,
            "s3proxy.credential": SECRET,
            "s3proxy.ignore-unknown-headers": "true",  # else a bulk delete with a checksum gets 501
            "jclouds.provider": "filesystem-nio2",
            "jclouds.filesystem.basedir": buckets,
            "jclouds.identity": KEY,
            "jclouds.credential": SECRET,
        }
        logging = self.folder / "logback.xml"
        logging.write_text(_LOGBACK)
        file = self.folder / "s3proxy.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        class_path = ":".join(map(str, JARS.checked()))
        options = (*_JVM, f"-Dlogback.configurationFile={logging}", "-cp", class_path)
        command = (programs.java(), *options, "org.gaul.s3proxy.Main", "--properties", file)
        return Program(self.name, command, self.folder / "s3proxy.out")

    def ready(self) -> bool:
        """It answers, be it that nobody may ask without a key."""
        try:
            urllib.request.urlopen(self.endpoint, timeout=5)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


def s3_server(folder: Path) -> S3Server:
    """A server that is not started yet; skips where its jars have not been fetched."""
    try:
        JARS.checked()
    except ConfigurationError as error:
        pytest.skip(str(error))
    return S3Server(folder)


if __name__ == "__main__":
    if sys.argv[1:] == ["--lock"]:
        JARS.resolve()
    try:
        JARS.fetch(lambda name: print(f"  {name}", flush=True))
    except ConfigurationError as failed:
        sys.exit(f"s3_server: {failed}")
