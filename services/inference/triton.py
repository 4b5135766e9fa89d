"""The client of a Triton Inference Server, over gRPC."""

from __future__ import annotations

import queue
import random
import re
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from services.inference.batches import Batch, pad, plan
from services.inference.config import InferenceConfig
from services.inference.description import SHA256, Description
from services.inference.model import Inferred, Logits, gather
from services.runtime import ConfigurationError, DependencyDown, Tls

if TYPE_CHECKING:
    from tritonclient.grpc import InferenceServerClient, InferResult
    from tritonclient.utils import InferenceServerException

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
_REFUSED, _LATE = "StatusCode.INVALID_ARGUMENT", "StatusCode.DEADLINE_EXCEEDED"
_EXAMINATION_S = 5.0  # for the server to say what it serves
_ROUNDS = 3  # tries to have one version answer a whole call


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
        self._client: InferenceServerClient | None = None

    def infer(self, windows: Sequence[Sequence[int]]) -> Inferred:
        """As Model.

        During a switch both versions may answer: what the older one said is asked again. Where both stay
        (servers behind one address, rolled out one by one) the newest one that answered is named.
        """
        batches = plan(
            [len(window) for window in windows],
            multiple=self._options.bucket,
            longest=self.description.max_length,
            max_rows=self.description.max_batch_size,
            max_tokens=self._options.max_tokens,
        )
        answers: dict[int, _Answer] = {}
        stale = list(range(len(batches)))
        for _ in range(_ROUNDS):
            asked = self._ask(windows, [batches[number] for number in stale])
            answers.update(zip(stale, asked, strict=True))
            newest = max((answer.version for answer in answers.values()), default=0)
            stale = [number for number, answer in answers.items() if answer.version < newest]
            if not stale:
                break
        logits = [answers[number].logits for number in range(len(batches))]
        return Inferred(gather(self.description, batches, logits, len(windows)), newest)

    def close(self) -> None:
        """As Model."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _ask(self, windows: Sequence[Sequence[int]], batches: Sequence[Batch]) -> list[_Answer]:
        """The answers to batches, at most `in_flight` of them under way at once."""
        from tritonclient.utils import InferenceServerException

        if not batches:
            return []
        try:
            return _Exchange(self._connected(), self.description, self._options, windows, batches).run()
        except ConfigurationError:
            self.close()  # the next call examines the model again
            raise
        except InferenceServerException as error:
            self.close()
            if error.status() == _REFUSED:  # these rows, since the model was found to fit
                raise ValueError(f"triton refuses {self.description.name}: {error.message()}") from error
            raise DependencyDown("triton", _text(error)) from error

    def _connected(self) -> InferenceServerClient:
        """The client, opened and its model examined on first use."""
        from tritonclient.grpc import InferenceServerClient

        if self._client is None:
            if self._tls is not None:
                self._shake_hands(self._tls)
            client = InferenceServerClient(self._address, **_secured(self._tls), channel_args=_CHANNEL)
            try:
                self._examine(client)
            except BaseException:
                client.close()
                raise
            self._client = client
        return self._client

    def _shake_hands(self, tls: Tls) -> None:
        """To gRPC a certificate that it refuses is a server that is away. Raises ConfigurationError."""
        host, _, port = self._address.rpartition(":")
        try:
            tls.check("Triton", host.strip("[]"), int(port), _EXAMINATION_S, "h2")
        except (OSError, OverflowError) as error:
            raise DependencyDown("triton", error) from error

    def _examine(self, client: InferenceServerClient) -> None:
        """Refuse a server whose model is not the one that our folder describes. Raises ConfigurationError."""
        from tritonclient.utils import InferenceServerException

        name, described = self.description.name, self.description
        try:
            config = client.get_model_config(name, client_timeout=_EXAMINATION_S).config
        except InferenceServerException:
            known = client.get_model_repository_index(client_timeout=_EXAMINATION_S).models
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


class _Exchange:
    """One call's requests and answers. All of it runs in the caller's thread but the callbacks of gRPC."""

    def __init__(
        self,
        client: InferenceServerClient,
        description: Description,
        options: InferenceConfig,
        windows: Sequence[Sequence[int]],
        batches: Sequence[Batch],
    ) -> None:
        self._client = client
        self._description = description
        self._options = options
        self._windows = windows
        self._batches = batches
        self._tries = [0] * len(batches)
        self._deadlines = [0.0] * len(batches)  # by time.monotonic, set with the first try
        self._done: queue.SimpleQueue[tuple[int, Any, Any]] = queue.SimpleQueue()

    def run(self) -> list[_Answer]:
        """Answers in the order of the batches. Raises InferenceServerException, ConfigurationError."""
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
                    number, result, error = self._done.get(timeout=pause if waiting and pause > 0 else None)
                except queue.Empty:
                    continue
                del flying[number]
                if error is None:
                    answers[number] = self._read(number, result)
                else:
                    resume = max(resume, self._next_try(number, error))
                    waiting.appendleft(number)
        finally:
            for call in flying.values():
                call.cancel()
        return [answers[number] for number in range(len(self._batches))]

    def _send(self, number: int) -> Any:
        from tritonclient.grpc import InferInput, InferRequestedOutput

        described = self._description
        batch = self._batches[number]
        ids = {"cls_id": described.cls_id, "sep_id": described.sep_id, "pad_id": described.pad_id}
        inputs = []
        for name, array in zip(_INPUTS, pad(self._windows, batch, **ids), strict=True):
            inputs.append(InferInput(name, array.shape, "INT64"))
            inputs[-1].set_data_from_numpy(array)
        now = time.monotonic()
        self._deadlines[number] = self._deadlines[number] or now + self._options.deadline_s
        return self._client.async_infer(
            described.name,
            inputs,
            lambda result, error: self._done.put((number, result, error)),
            outputs=[InferRequestedOutput(name) for name in described.heads],
            client_timeout=max(0.001, self._deadlines[number] - now),
        )

    def _next_try(self, number: int, error: InferenceServerException) -> float:
        """When to send again; raises the error where that is of no use or too late."""
        pause = self._options.backoff_s * 2 ** self._tries[number] * random.uniform(0.5, 1.5)
        self._tries[number] += 1
        again: float = time.monotonic() + pause
        hopeless = self._tries[number] > self._options.retries or again > self._deadlines[number]
        if hopeless or error.status() in (_REFUSED, _LATE):
            raise error
        return again

    def _read(self, number: int, result: InferResult) -> _Answer:
        version = int(result.get_response().model_version)
        logits = {}
        for name, head in self._description.heads.items():
            array = result.as_numpy(name)
            shape = len(self._batches[number].rows), head.size
            if array is None or array.shape != shape:
                raise ConfigurationError(
                    f"version {version} of {self._description.name} on the Triton answers {name} with "
                    f"{'nothing' if array is None else array.shape} and not {shape}: take it back, or give "
                    "server and client the same export"
                )
            logits[name] = array
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


def _secured(tls: Tls | None) -> dict[str, Any]:
    """The client's options for TLS."""
    if tls is None:
        return {}
    files = {
        "root_certificates": tls.ca_file,
        "private_key": tls.key_file or tls.certificate_file,
        "certificate_chain": tls.certificate_file,
    }
    return {"ssl": True, **{name: str(file) for name, file in files.items() if file}}


def _text(error: InferenceServerException) -> str:
    return f"{str(error.status()).removeprefix('StatusCode.')}: {error.message()}"
