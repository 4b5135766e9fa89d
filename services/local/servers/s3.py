"""An S3 server on one folder: s3proxy on the Java that Kafka uses, its buckets as folders.

Where no folder is shared (a cluster that is tried out, and tests); one machine keeps its parts in a folder.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from services.local.child import Program
from services.local.packages import jars, programs
from services.local.private import write_private
from services.local.process import Supervisor
from services.local.servers.ports import HOST
from services.local.servers.server import Server

INSTALL = "python -m services.local.packages.install --s3"
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
    lock=Path(jars.__file__).with_name("s3proxy.lock.toml"),
    # It serves folders here; the clouds' own libraries are three quarters of its jars.
    without=(
        "org.apache.jclouds:jclouds-allblobstore",
        "com.azure:azure-storage-blob",
        "com.azure:azure-identity",
        "com.amazonaws:aws-java-sdk-sts",
    ),
    install=INSTALL,
)
REGION = "us-east-1"
_JVM = ("-Xmx200m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
_LOGBACK = """<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d %p %m%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="out"/></root>
</configuration>
"""


class S3Server(Server):
    """buckets/ in its folder has a folder for each bucket.

    key, secret: what its clients sign with. host: the address on which it listens.
    """

    name = "s3proxy"

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        supervisor: Supervisor | None = None,
        *,
        key: str,
        secret: str,
        host: str = HOST,
    ) -> None:
        super().__init__(folder, port, supervisor)
        self._key, self._secret, self._host = key, secret, host

    @property
    def endpoint(self) -> str:
        """What AWS_ENDPOINT_URL takes on this machine."""
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
            "AWS_ACCESS_KEY_ID": self._key,
            "AWS_SECRET_ACCESS_KEY": self._secret,
            "AWS_REGION": REGION,
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
            "s3proxy.endpoint": f"http://{self._host}:{self.port}",
            "s3proxy.authorization": "aws-v2-or-v4",
            "s3proxy.identity": self._key,
            "s3proxy.credential": self._secret,
            "s3proxy.ignore-unknown-headers": "true",  # else a bulk delete with a checksum gets 501
            "jclouds.provider": "filesystem-nio2",
            "jclouds.filesystem.basedir": buckets,
            "jclouds.identity": self._key,
            "jclouds.credential": self._secret,
        }
        logging = self.folder / "logback.xml"
        logging.write_text(_LOGBACK)
        file = self.folder / "s3proxy.properties"
        write_private(file, "".join(f"{key}={value}\n" for key, value in properties.items()))
        class_path = ":".join(map(str, JARS.checked()))
        options = (*_JVM, f"-Dlogback.configurationFile={logging}", "-cp", class_path)
        command = (programs.java(), *options, "org.gaul.s3proxy.Main", "--properties", file)
        return Program(self.name, command, self.folder / "s3proxy.out")

    def ready(self) -> bool:
        """It answers, be it that nobody may ask without a key."""
        try:
            urllib.request.urlopen(self.endpoint, timeout=5)  # noqa: S310 - http of our own
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True
