"""The few requests to the API server that the launcher makes, and what its errors mean.

A seam: `Cluster` is what backends lean on, `Kubernetes` the real one. Every write is a server-side apply
under a manager of ours without force, so that a field which somebody else has set is refused, not taken.

    CorpusworksError
    ├── Conflict            the object has changed since it was read: look again
    │   └── Held            another manager owns the field
    ├── ConfigurationError  what the server does not take
    └── DependencyDown      it does not answer, is overloaded or refuses us: wait and try again
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from services.runtime import ConfigurationError, CorpusworksError, DependencyDown

MANAGER = "corpusworks-launcher"
_TIMEOUT_S = (3.0, 10.0)  # to connect, to answer
_APPLY = "application/apply-patch+yaml"
_WRONG_TYPE = "failed to create typed patch object"  # of an apply that does not fit the schema: a 500
_MERGE = "application/merge-patch+json"

Object = Mapping[str, Any]


class Conflict(CorpusworksError):
    """The object has changed since it was read."""


class Held(Conflict):
    """Another manager owns the field. manager: its name."""

    def __init__(self, manager: str) -> None:
        super().__init__(manager)
        self.manager = manager


class Kind(NamedTuple):
    """A kind of custom object."""

    group: str
    version: str
    plural: str
    name: str

    @property
    def api_version(self) -> str:
        """As `apiVersion` has it."""
        return f"{self.group}/{self.version}"


class Cluster(Protocol):
    """One namespace. Each method may raise Conflict, ConfigurationError, DependencyDown."""

    namespace: str

    def serves(self, kind: Kind) -> bool:
        """Whether its CRD is installed."""

    def get(self, kind: Kind, name: str) -> Object | None:
        """None where there is none."""

    def apply(self, kind: Kind, name: str, fields: Object, manager: str = MANAGER) -> None:
        """Make the object, or these fields of it. Raises Held where another manager has another value."""

    def set_status(self, kind: Kind, name: str, fields: Object) -> None:
        """Merge these fields into what stands beside the status; Conflict where resourceVersion is old."""

    def delete(self, kind: Kind, name: str, uid: str) -> None:
        """With all that belongs to it, before it; one that is gone, or another by now, stays so."""

    def tell(self, event: Object) -> None:
        """A Kubernetes event."""


def connect() -> None:
    """By a kubeconfig, or else by the pod's ServiceAccount. Raises ConfigurationError without either."""
    from kubernetes import client, config

    try:
        config.load_config()
    except (config.ConfigException, OSError) as error:
        raise ConfigurationError(f"no cluster to launch in ({error}): set KUBECONFIG") from error
    found = client.Configuration.get_default_copy()
    found.retries = 0  # who asks tries again in its own time; the lease's is short
    client.Configuration.set_default(found)


class Kubernetes:
    """The real one."""

    def __init__(self, namespace: str, client: Any = None) -> None:
        """client: kubernetes.client.ApiClient; None: as `connect` has set it up."""
        from kubernetes.client import CoreV1Api, CustomObjectsApi

        self.namespace = namespace
        self._custom = CustomObjectsApi(client)
        self._core = CoreV1Api(client)

    def serves(self, kind: Kind) -> bool:
        """See Cluster."""
        with _errors():
            try:
                found = self._custom.get_api_resources(kind.group, kind.version, _request_timeout=_TIMEOUT_S)
            except Exception as error:
                if _status(error) == 404:
                    self._check_ready()
                    return False
                raise
        return any(resource.name == kind.plural for resource in found.resources)

    def get(self, kind: Kind, name: str) -> Object | None:
        """See Cluster."""
        with _errors():
            try:
                found: Object = self._custom.get_namespaced_custom_object(
                    *self._place(kind, name), _request_timeout=_TIMEOUT_S
                )
            except Exception as error:
                if _is_absent(error, name):
                    return None
                if _status(error) == 404:
                    self._check_ready()
                raise
        return found

    def apply(self, kind: Kind, name: str, fields: Object, manager: str = MANAGER) -> None:
        """See Cluster."""
        body = {"apiVersion": kind.api_version, "kind": kind.name, **fields}
        body["metadata"] = {"name": name, **fields.get("metadata", {})}
        with _errors():
            self._custom.patch_namespaced_custom_object(
                *self._place(kind, name),
                body,
                field_manager=manager,
                _content_type=_APPLY,
                _request_timeout=_TIMEOUT_S,
            )

    def set_status(self, kind: Kind, name: str, fields: Object) -> None:
        """See Cluster."""
        with _errors():
            self._custom.patch_namespaced_custom_object_status(
                *self._place(kind, name),
                fields,
                field_manager=MANAGER,
                _content_type=_MERGE,
                _request_timeout=_TIMEOUT_S,
            )

    def delete(self, kind: Kind, name: str, uid: str) -> None:
        """See Cluster."""
        body = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid}}
        with _errors():
            try:
                self._custom.delete_namespaced_custom_object(
                    *self._place(kind, name), body=body, _request_timeout=_TIMEOUT_S
                )
            except Exception as error:
                if _status(error) not in (404, 409):
                    raise

    def tell(self, event: Object) -> None:
        """See Cluster."""
        with _errors():
            self._core.create_namespaced_event(self.namespace, event, _request_timeout=_TIMEOUT_S)

    def _check_ready(self) -> None:
        """A server that has just begun does not know its custom resources yet. Raises DependencyDown."""
        client = self._custom.api_client
        asked = client.param_serialize("GET", "/readyz", auth_settings=["BearerToken"])
        answer = client.call_api(*asked, _request_timeout=_TIMEOUT_S)
        if answer.status != 200:
            raise DependencyDown("Kubernetes", "it is not ready yet")

    def _place(self, kind: Kind, name: str) -> tuple[str, str, str, str, str]:
        return kind.group, kind.version, self.namespace, kind.plural, name


def _status(error: Exception) -> int:
    """The HTTP status of an answer; 0 where there was none."""
    from kubernetes.client import ApiException

    return int(error.status or 0) if isinstance(error, ApiException) else 0


def _is_absent(error: Exception, name: str) -> bool:
    """Whether it says that there is no object of this name, and not that it does not know the kind."""
    return (
        _status(error) == 404 and _parsed(getattr(error, "body", "")).get("details", {}).get("name") == name
    )


@contextmanager
def _errors() -> Iterator[None]:
    """The one place where the client's errors become ours."""
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        raise meaning(int(error.status or 0), error.body or error.reason) from error
    except (HTTPError, OSError) as error:
        raise DependencyDown("Kubernetes", error) from error


def meaning(status: int, body: object) -> CorpusworksError:
    """Of an answer that is none: what the caller should do about it."""
    answer = _parsed(body)
    told = " ".join(str(answer.get("message") or body).split())[:500]
    if status == 409:
        causes = answer.get("details", {}).get("causes", [])
        held = [c for c in causes if c.get("reason") == "FieldManagerConflict"]
        return Held(str(held[0].get("message", ""))) if held else Conflict(told)
    if status in (401, 403):  # also what a server says that has just begun and does not know its rules yet
        why = f"it refuses: {told}; the rules it takes: services/launcher/rbac.yaml"
        return DependencyDown("Kubernetes", why)
    if status in (400, 404, 405, 415, 422) or told.startswith(_WRONG_TYPE):
        return ConfigurationError(f"Kubernetes does not take it: {told}")
    return DependencyDown("Kubernetes", f"{status}: {told}")


def _parsed(body: object) -> dict[str, Any]:
    try:
        found = json.loads(str(body))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
