"""The client of a Triton Inference Server, over gRPC."""

from __future__ import annotations

import queue
import random
import re
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from services.inference.batches import Batch, pad, plan
from services.inference.config import InferenceConfig
from services.inference.description import SHA256, Description
from services.inference.model import Inferred, Logits, gather
from services.runtime import ConfigurationError, DependencyDown, Tls

_CHANNEL = (
    # gRPC waits up to two minutes before it looks again for a server that was away
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.use_local_subchannel_pool", 1),  # a new client does not inherit the old one's wait
    ("grpc.enable_http_proxy", 0),  # the server is next door, as Kafka and Redis are
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)
_INPUTS = ("input_ids", "attention_mask")
_REFUSED, _LATE = "INVALID_ARGUMENT", "DEADLINE_EXCEEDED"
_EXAMINATION_S = 5.0  # for the server to say what it serves
_ROUNDS = 3  # tries to have one version answer a whole call


@dataclass(frozen=True)
class _Server:
    """A channel to a server whose model fits. max_rows: of one request, as its configuration says."""

    channel: Any
    stub: Any  # its methods
    max_rows: int


@dataclass(frozen=True)
class _Answer:
    logits: Logits
    version: int


class TritonModel:
    """Connects on first use, and again after any trouble.

    Never names a version, so that the server's policy decides and a switch there is seen here at once.
    """

    def __init__(
        self, url: str, description: Description, options: InferenceConfig, tls: Tls | None = None
    ) -> None:
        self.description = description
        self._options = options
        self._address, secured = _parse(url)
        self._tls = (tls or Tls("CORPUSWORKS_TRITON_")) if secured else None
        self._server: _Server | None = None

    def infer(self, windows: Sequence[Sequence[int]]) -> Inferred:
        """As Model.

        During a switch both versions may answer: what the older one said is asked again. Where both stay
        (servers behind one address, rolled out one by one) the newest one that answered is named.
        """
        import grpc

        if not windows:
            return Inferred(gather(self.description, [], [], 0), 0)
        try:
            return self._infer(self._connected(), windows)
        except ConfigurationError:
            self.close()  # the next call examines the model again
            raise
        except grpc.RpcError as error:
            self.close()
            if error.code().name == _REFUSED:  # these rows, since the model was found to fit
                raise ValueError(f"triton refuses {self.description.name}: {error.details()}") from error
            raise DependencyDown("triton", f"{error.code().name}: {error.details()}") from error

    def close(self) -> None:
        """As Model."""
        server, self._server = self._server, None
        if server is not None:
            server.channel.close()

    def _infer(self, server: _Server, windows: Sequence[Sequence[int]]) -> Inferred:
        batches = plan(
            [len(window) for window in windows],
            multiple=self._options.bucket,
            longest=self.description.max_length,
            max_rows=server.max_rows,
            max_tokens=self._options.max_tokens,
        )
        answers: dict[int, _Answer] = {}
        stale = list(range(len(batches)))
        for _ in range(_ROUNDS):
            asked = [batches[number] for number in stale]
            exchange = _Exchange(server.stub, self.description, self._options, windows, asked)
            answers.update(zip(stale, exchange.run(), strict=True))
            newest = max(answer.version for answer in answers.values())
            stale = [number for number, answer in answers.items() if answer.version < newest]
            if not stale:
                break
        logits = [answers[number].logits for number in range(len(batches))]
        return Inferred(gather(self.description, batches, logits, len(windows)), newest)

    def _connected(self) -> _Server:
        """The server, its channel opened and its model examined on first use."""
        from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

        if self._server is None:
            if self._tls is not None:
                self._shake_hands(self._tls)
            channel = _channel(self._address, self._tls)
            try:
                stub = GRPCInferenceServiceStub(channel)
                self._server = _Server(channel, stub, self._examine(stub))
            except BaseException:
                channel.close()
                raise
        return self._server

    def _shake_hands(self, tls: Tls) -> None:
        """To gRPC a certificate that it refuses is a server that is away. Raises ConfigurationError."""
        host, _, port = self._address.rpartition(":")
        try:
            tls.check("Triton", host.strip("[]"), int(port), _EXAMINATION_S, "h2")
        except (OSError, OverflowError) as error:
            raise DependencyDown("triton", error) from error

    def _examine(self, stub: Any) -> int:
        """The rows that the server takes at once; refuses one whose model is not that of our folder.

        Raises ConfigurationError, grpc.RpcError.
        """
        import grpc
        from tritonclient.grpc import service_pb2 as messages

        name, described = self.description.name, self.description
        try:
            asked = messages.ModelConfigRequest(name=name)
            config = stub.ModelConfig(asked, timeout=_EXAMINATION_S).config
        except grpc.RpcError:
            known = stub.RepositoryIndex(messages.RepositoryIndexRequest(), timeout=_EXAMINATION_S).models
            if all(model.name != name for model in known):
                names = ", ".join(sorted({model.name for model in known})) or "none"
                raise ConfigurationError(
                    f"the Triton at {self._address} has no model {name}; it has: {names}. "
                    "Put the model folder into its repository, or choose another model"
                ) from None
            raise  # it is there and not loaded, or not yet
        where = f"the model {name} of the Triton at {self._address}"
        described.require_tokenizer(config.parameters[SHA256].string_value, where)
        inputs = {each.name for each in config.input}
        outputs = {each.name: tuple(each.dims) for each in config.output}
        heads = {head: (described.heads[head].size,) for head in described.heads}
        fits = inputs == set(_INPUTS) and heads.items() <= outputs.items()
        if not fits or config.max_batch_size < described.max_batch_size:
            raise ConfigurationError(
                f"{where} does not fit {described.folder}/model.json: it takes {sorted(inputs)} and gives "
                f"{outputs} for {config.max_batch_size} rows at once; the heads are {heads} and the rows "
                f"{described.max_batch_size}. Give server and client the same export"
            )
        return int(config.max_batch_size)


class _Exchange:
    """One call's requests and answers. All of it runs in the caller's thread but the callbacks of gRPC."""

    def __init__(
        self,
        stub: Any,
        description: Description,
        options: InferenceConfig,
        windows: Sequence[Sequence[int]],
        batches: Sequence[Batch],
    ) -> None:
        self._stub = stub
        self._description = description
        self._options = options
        self._windows = windows
        self._batches = batches
        self._tries = [0] * len(batches)
        self._deadlines = [0.0] * len(batches)  # by time.monotonic, set with the first try
        self._done: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()  # batch and its ended call

    def run(self) -> list[_Answer]:
        """Answers in the order of the batches. Raises grpc.RpcError, ConfigurationError."""
        waiting = deque(range(len(self._batches)))
        flying: dict[int, Any] = {}
        answers: dict[int, _Answer] = {}
        resume = 0.0  # when to send again after a failure
        try:
            while len(answers) < len(self._batches):
                pause = resume - time.monotonic()
                while waiting and len(flying) < self._options.in_flight and pause <= 0:
                    number = waiting.popleft()
                    flying[number] = self._send(number)
                try:
                    number, call = self._done.get(timeout=pause if waiting and pause > 0 else None)
                except queue.Empty:
                    continue
                del flying[number]
                error = call.exception()
                if error is None:
                    answers[number] = self._read(number, call.result())
                else:
                    resume = max(resume, self._next_try(number, error))
                    waiting.appendleft(number)
        finally:
            for call in flying.values():
                call.cancel()
        return [answers[number] for number in range(len(self._batches))]

    def _send(self, number: int) -> Any:
        """Begin the call for a batch, which will be put among the ended ones."""
        now = time.monotonic()
        self._deadlines[number] = self._deadlines[number] or now + self._options.deadline_s
        call = self._stub.ModelInfer.future(
            self._request(self._batches[number]), timeout=max(0.001, self._deadlines[number] - now)
        )
        call.add_done_callback(lambda ended: self._done.put((number, ended)))
        return call

    def _request(self, batch: Batch) -> Any:
        from tritonclient.grpc import service_pb2 as messages

        described = self._description
        ids = {"cls_id": described.cls_id, "sep_id": described.sep_id, "pad_id": described.pad_id}
        request = messages.ModelInferRequest(model_name=described.name)
        for name, array in zip(_INPUTS, pad(self._windows, batch, **ids), strict=True):
            request.inputs.add(name=name, datatype="INT64", shape=array.shape)
            request.raw_input_contents.append(array.tobytes())
        for name in described.heads:
            request.outputs.add(name=name)
        return request

    def _next_try(self, number: int, error: Any) -> float:
        """When to send again; raises the error where that is of no use or too late."""
        pause = self._options.backoff_s * 2 ** self._tries[number] * random.uniform(0.5, 1.5)
        self._tries[number] += 1
        again: float = time.monotonic() + pause
        hopeless = self._tries[number] > self._options.retries or again > self._deadlines[number]
        if hopeless or error.code().name in (_REFUSED, _LATE):
            raise error
        return again

    def _read(self, number: int, response: Any) -> _Answer:
        version = int(response.model_version)
        found = {
            output.name: (tuple(output.shape) if output.datatype == "FP32" else output.datatype, raw)
            for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)
        }
        logits = {}
        for name, head in self._description.heads.items():
            shape = len(self._batches[number].rows), head.size
            answered, raw = found.get(name, ("nothing", b""))
            if answered != shape:
                raise ConfigurationError(
                    f"version {version} of {self._description.name} on the Triton answers {name} with "
                    f"{answered} and not {shape}: take it back, or give server and client the same export"
                )
            logits[name] = np.frombuffer(raw, np.float32).reshape(shape)
        return _Answer(logits, version)


def _parse(url: str) -> tuple[str, bool]:
    """(address for gRPC, whether TLS) of CORPUSWORKS_TRITON_URL."""
    if re.fullmatch(r"unix:/\S+", url):
        return url, False
    match = re.fullmatch(r"(?:(grpcs?)://)?([^/\s]+:\d{1,5})", url)
    if match is None:
        raise ConfigurationError(
            f"CORPUSWORKS_TRITON_URL={url}: give the gRPC address of a Triton as host:8001 "
            "(grpcs://host:8001 for TLS) or unix:/path, or onnx: to run the model in this process"
        )
    return match[2], match[1] == "grpcs"


def _channel(address: str, tls: Tls | None) -> Any:
    """To the server; its connection is made when it is first used."""
    import grpc

    if tls is None:
        return grpc.insecure_channel(address, _CHANNEL)
    files = (tls.ca_file, tls.key_file or tls.certificate_file, tls.certificate_file)
    contents = (Path(file).read_bytes() if file else None for file in files)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(*contents), _CHANNEL)
