"""The private Triton: the real server, its python backend running the judges with onnxruntime.

`Triton` is started and kept running as Kafka and Redis are; `refresh` switches a running one, of this process
or another, to the versions that its model folders hold now.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.local.child import Program
from services.local.packages import wheels
from services.local.private import private_folder
from services.local.process import ProcessFailed, Supervisor
from services.local.servers.repository import CONFIG, derive_all, derived, model_folders
from services.local.servers.server import START_TIMEOUT_S, Server
from services.runtime import ConfigurationError, DependencyDown, Tls

REPOSITORY = "repository"
SOURCES = "models.json"  # beside the repository: where it came from, for a refresh
DEFAULT_MODELS = Path(__file__).parents[2] / "inference" / "models"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where the backend and its stub talk to each other
# Of shared memory for each version of a model, taken at once, so that it need not grow (by default from 1 MB;
# a request takes a third of one). Once in hundreds of runs, on a busy machine, the backend's stub crashed, as
# it wrote at the end of a mapping, and took the server with it; that a region had grown is a guess.
_SHARED_BYTES = 8 << 20
REFRESH_TIMEOUT_S = 120.0
READY_TIMEOUT_S = 1.0
SOCKET = "grpc"
_LINK = "folder"  # beside such a socket, to the server's own
NUMBER = 1  # stands for a port: Triton puts one behind every address
MAX_SOCKET_BYTES = 107  # of its path, sun_path in unix(7)
PLAIN = re.compile(r"[A-Za-z0-9/._-]+")  # what gRPC's addresses take as it is
# Channels of one process share connections, also one that waits before it tries a server again.
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]

OPTIONS = {
    # Triton knows no passwords, and who may ask it may also load and unload models. A socket in a folder that
    # only its user may enter asks for none.
    "allow-http": "false",
    "allow-metrics": "false",
    # A model is loaded when it is asked for, so that a version that does not load is answered with its reason
    # and the former one stays; a poll would find half a copy.
    "model-control-mode": "explicit",
    "load-model": "*",
    "pinned-memory-pool-byte-size": "0",  # 256 MB for GPUs
    # A version that is refused would make the whole server unready, though the former one answers.
    "strict-readiness": "false",
}


class Triton(Server):
    """Triton on one folder: repository/, models.json, triton.log, and the socket on which gRPC is spoken.

    models: model repositories; every model in them is served. threads: of onnxruntime for each model,
    None: half of the CPUs. One thread asks least CPU of a batch, and the services want the other half.
    options: of tritonserver over the defaults above.
    """

    name = "triton"

    def __init__(
        self,
        folder: Path,
        models: Sequence[Path],
        supervisor: Supervisor | None = None,
        threads: int | None = None,
        options: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(folder, None, supervisor)
        self._options = {**OPTIONS, **(options or {})}
        self.models = [path.absolute() for path in models]
        self.threads = threads or max(1, (os.cpu_count() or 1) // 2)
        self.socket = socket_path(self.folder)
        self._log = self.folder / "triton.log"
        self._log_begin = 0  # of what is written from this start on
        self._regions = f"corpusworks-triton-{zlib.crc32(str(self.folder).encode()):08x}-"  # of shared memory

    @property
    def url(self) -> str:
        """What CORPUSWORKS_TRITON_URL takes."""
        return f"unix:{self.socket}"

    @property
    def access(self) -> dict[str, str | Path]:
        """See Server."""
        return {"triton_url": self.url}

    def prepare(self) -> Program:
        """See Server. Derives the repository anew."""
        server = wheels.found()
        here = self._plain_path()
        derive_all(self.models, self.folder / REPOSITORY, self.threads)
        sources = {"models": [str(path) for path in self.models], "threads": self.threads}
        (self.folder / SOURCES).write_text(json.dumps(sources))
        self._log_begin = self._log.stat().st_size if self._log.exists() else 0
        options = {
            "model-repository": here / REPOSITORY,
            "backend-directory": server.backends,
            "backend-config": f"python,shm-region-prefix-name={self._regions}",
            "grpc-address": f"unix:{self.socket.with_name(SOCKET)}",
            "grpc-port": NUMBER,
            **self._options,
        }
        # Completing a configuration would start the stub twice.
        arguments = [f"--{key}={value}" for key, value in options.items()]
        arguments.append(f"--backend-config=python,shm-default-byte-size={_SHARED_BYTES}")
        return Program(
            self.name,
            [server.binary, *arguments, "--disable-auto-complete-config"],
            self._log,
            environment=server.environment,
            leaves=(SHARED_MEMORY / self._regions, self.socket),  # with each kill a little more
            stop=signal.SIGKILL,  # it holds nothing, and takes two seconds to end by itself
        )

    def _plain_path(self) -> Path:
        """The folder by a path that Triton takes, whose shell wants no spaces and whose Python ASCII."""
        beside = self.socket.parent
        if beside == self.folder:
            return self.folder
        private_folder(beside)
        link = beside / _LINK
        link.unlink(missing_ok=True)
        link.symlink_to(self.folder)
        return link

    def stop(self) -> None:
        """See Server. The plain path to its folder goes with it."""
        was_launched = self._child is not None  # else another may run there
        super().stop()
        beside = self.socket.parent
        if was_launched and beside != self.folder:
            with contextlib.suppress(OSError):
                (beside / _LINK).unlink()
                beside.rmdir()

    def wait(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """See Server; a model that cannot be loaded is named, with Triton's own reason."""
        try:
            super().wait(timeout_s)
        except ProcessFailed as error:
            if reasons := self._refused():
                raise ProcessFailed(f"Triton cannot load {reasons}. More in {self._log}") from error
            raise

    def ready(self) -> bool:
        """Every model was loaded, and requests are answered."""
        import grpc
        from tritonclient.grpc import service_pb2, service_pb2_grpc

        if not self.socket.exists():
            return False
        with grpc.insecure_channel(self.url, OWN_CONNECTION) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            try:
                answer = stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=READY_TIMEOUT_S)
            except grpc.RpcError:
                return False
        return bool(answer.ready)

    def _refused(self) -> str:
        """The models that could not be loaded since the start and why, as the log says, or nothing."""
        with self._log.open("rb") as file:
            file.seek(self._log_begin)
            log = file.read().decode(errors="replace")
        found = re.findall(r"failed to load '(\S+)' version (\d+): (.*)", log)
        return "; ".join(
            dict.fromkeys(f"{name} version {version}: {_reason(why)}" for name, version, why in found)
        )

    def refresh(self) -> dict[str, int]:
        """See the function below."""
        return refresh(self.folder, self.url)


def refresh(folder: Path, url: str) -> dict[str, int]:
    """Switch a running server to the newest versions in its model folders; the version of each model now.

    folder: the server's (`state/triton` of a river); url: address of its gRPC. What is under way is
    finished by the version that it was begun with. Raises ConfigurationError: no such folder, a version that
    does not load (the former one goes on); DependencyDown: no answer.
    """
    import grpc
    from tritonclient.grpc import service_pb2, service_pb2_grpc

    try:
        sources = json.loads((folder / SOURCES).read_text())
        models, threads = [Path(path) for path in sources["models"]], int(sources["threads"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigurationError(f"{folder} is not the folder of a Triton that was started here") from error
    with grpc.insecure_channel(url, OWN_CONNECTION) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        try:
            for name, source in model_folders(models).items():
                with derived(source, folder / REPOSITORY / name, threads):
                    request = service_pb2.RepositoryModelLoadRequest(model_name=name)
                    stub.RepositoryModelLoad(request, timeout=REFRESH_TIMEOUT_S)
            index = stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(), timeout=REFRESH_TIMEOUT_S)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise DependencyDown("triton", error) from error
            raise ConfigurationError(f"Triton goes on as before: {_reason(error.details())}") from error
    return {row.name: int(row.version) for row in index.models if row.state == "READY"}


def socket_path(folder: Path) -> Path:
    """Where the socket of a server on this folder lies: there, or where its path is short and plain."""
    path = folder / f"{SOCKET}:{NUMBER}"
    if len(os.fsencode(path)) <= MAX_SOCKET_BYTES and PLAIN.fullmatch(str(folder)):
        return path
    digest = zlib.crc32(os.fsencode(folder))
    return Path(tempfile.gettempdir(), f"corpusworks-{os.getuid()}-{digest:08x}", path.name)


def require(url: str, tls: Tls, timeout_s: float = 5.0) -> None:
    """Raises DependencyDown if nobody listens there, ConfigurationError: no address, or TLS is refused."""
    if url.startswith("unix:"):
        return  # on this machine; the first batch says what is wrong
    scheme, _, address = url.rpartition("://")
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        raise ConfigurationError(f"CORPUSWORKS_TRITON_URL={url}: give host:port of a Triton's gRPC, or onnx:")
    try:
        if scheme == "grpcs":
            tls.check("Triton", host.strip("[]"), int(port), timeout_s, "h2")
        else:
            socket.create_connection((host.strip("[]"), int(port)), timeout_s).close()
    except (OSError, OverflowError) as error:
        raise DependencyDown(f"Triton at {url}", error) from error


def _reason(said: str) -> str:
    """Without the Python stack that follows."""
    return re.split(r"(\n|\\n)+At:", said)[0].strip(' \n"')


def try_out() -> None:
    """Serve the default models once from the wheels that were just installed, and write down how it went.

    Where it does not run (an older C library, no libpython) the judges run inside the services. Raises
    ProcessFailed.
    """
    if not any(DEFAULT_MODELS.glob(f"*/{CONFIG}")):
        return
    wheels.record("")
    try:
        with tempfile.TemporaryDirectory() as scratch, Triton(Path(scratch), [DEFAULT_MODELS]):
            pass
    except ProcessFailed as error:
        wheels.record(f"Triton does not run on this machine: {error}")
        raise
