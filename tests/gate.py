"""A gRPC server before a Triton, for tests: it forwards, counts, and makes trouble when told to."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import grpc
from tritonclient.grpc import service_pb2_grpc

from tests.servers import free_port


class Gate(service_pb2_grpc.GRPCInferenceServiceServicer):
    """most: requests that were under way at once. tries: requests that came. refuse: how many of the next
    to turn away with `code`. delay_s: how long to hold each. max_rows: that a request may have, instead of
    what the server says.
    """

    def __init__(self, target: str) -> None:
        self.most = self.tries = self.refuse = 0
        self.code = grpc.StatusCode.UNAVAILABLE
        self.delay_s = 0.0
        self.max_rows: int | None = None
        self._now = 0
        self._lock = threading.Lock()
        self._channel = grpc.insecure_channel(target)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(32)
        self._server = grpc.server(self._pool)
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        self.url = f"127.0.0.1:{free_port()}"
        self._server.add_insecure_port(self.url)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.stop(None).wait()
        self._pool.shutdown()
        self._channel.close()

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:
        with self._lock:
            self.tries += 1
            self._now += 1
            self.most = max(self.most, self._now)
            refused, self.refuse = self.refuse > 0, max(0, self.refuse - 1)
        try:
            self._over.wait(self.delay_s)
            if refused:
                context.abort(self.code, "the gate is shut")
            return self._forward(self._stub.ModelInfer, request, context)
        finally:
            with self._lock:
                self._now -= 1

    def ModelConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        answer = self._forward(self._stub.ModelConfig, request, context)
        answer.config.max_batch_size = self.max_rows or answer.config.max_batch_size
        return answer

    def RepositoryIndex(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._forward(self._stub.RepositoryIndex, request, context)

    def _forward(self, method: Any, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(request, timeout=30)
        except grpc.RpcError as error:
            return context.abort(error.code(), error.details())
