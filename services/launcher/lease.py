"""One launcher leads, by a Lease; one that has lost it ends at once.

Kubernetes' own client elects. Two things it leaves open are closed here. It has no time-out for its requests,
so that a server which hangs would let a leader work on beyond its lease; and where it has lost, its work goes
on in another thread. So requests have a time-out, the time of the last renewal is kept, `check` is asked
before every write, and a watchdog ends the process (os._exit: no clean-up that writes once more) when the
lease was not renewed in time, be it that the server is away or that this process was stopped for a while.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

from services.runtime import metrics
from services.runtime.logs import log

EXIT_LOST = 75  # EX_TEMPFAIL: whoever is started next stands by
_TIMEOUT_S = 3.0
_TICK_S = 0.2


class Lease:
    """Stands for one identity in an election.

    Of lease_s without a renewal two thirds may pass, as with client-go.

    identity: of this process, and of no other.
    """

    def __init__(self, name: str, namespace: str, identity: str, lease_s: float) -> None:
        self._name, self._namespace, self._identity, self._lease_s = name, namespace, identity, lease_s
        self._renew_s = lease_s * 2 / 3
        self._renewed = 0.0
        self._leads = threading.Event()
        self._released = False
        self._lock: Any = None

    def stand(self) -> None:
        """Begin to try, in a thread. It ends with the process, or takes the process with it."""
        threading.Thread(target=self._run, name="lease", daemon=True).start()
        threading.Thread(target=self._watch, name="lease watchdog", daemon=True).start()

    def leads(self) -> bool:
        """Whether it is the leader now."""
        return self._leads.is_set() and not self._released

    def check(self) -> None:
        """Before a write: ends the process if the lease has run out."""
        if self.leads() and time.monotonic() - self._renewed > self._renew_s:
            _lost(f"the lease {self._name} was not renewed for {self._renew_s:.0f} s")

    def release(self) -> None:
        """Give it up, so that another one need not wait for its end. What leads does nothing after this."""
        if not self.leads():
            return
        self._released = True
        self._lock.release()

    def _run(self) -> None:
        from kubernetes.leaderelection.electionconfig import Config
        from kubernetes.leaderelection.leaderelection import LeaderElection

        self._lock = _lock(self._name, self._namespace, self._identity, self._note)
        election = LeaderElection(
            Config(
                self._lock,
                lease_duration=self._lease_s,
                renew_deadline=self._renew_s,
                retry_period=max(1.0, self._lease_s / 7.5),  # client-go: 15, 10 and 2 s
                onstarted_leading=self._begin,
                onstopped_leading=lambda: None,
            )
        )
        try:
            election.run()
        except BaseException as error:  # noqa: BLE001 - whatever it is, nobody renews any more
            log.error("the election failed", error=repr(error))
        if not self._released:
            _lost(f"the lease {self._name} is another's, or cannot be renewed")

    def _begin(self) -> None:
        log.info("leads", lease=self._name, identity=self._identity)
        metrics.LAUNCHER_LEADS.set(1)
        self._leads.set()

    def _note(self) -> None:
        self._renewed = time.monotonic()

    def _watch(self) -> None:
        while not self._released:
            self.check()
            time.sleep(_TICK_S)


def _lock(name: str, namespace: str, identity: str, renewed: Any) -> Any:
    """The client's LeaseLock, whose requests end in time and whose failures are answers, not exceptions.

    renewed: called with each success, as of the time when the request was sent.
    """
    from kubernetes.client import CoordinationV1Api
    from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock
    from urllib3.exceptions import HTTPError

    class Lock(LeaseLock):  # type: ignore[misc, unused-ignore]
        _given_up = False
        _mutex = threading.Lock()

        def __init__(self) -> None:
            super().__init__(name, namespace, identity)
            self.api_instance: Any = _Timely(CoordinationV1Api())

        def get(self, *place: Any) -> Any:
            try:
                return super().get(*place)
            except (HTTPError, OSError) as error:
                return False, _Failed(error)

        def create(self, *args: Any, **fields: Any) -> bool:
            return self._noted(super().create, *args, **fields)

        def update(self, *args: Any, **fields: Any) -> bool:
            return self._noted(super().update, *args, **fields)

        def release(self) -> None:
            with self._mutex:
                self._given_up = True
                try:  # what the client keeps is from before its own last renewal
                    lease = self.api_instance.read_namespaced_lease(name, namespace)
                    lease.spec.holder_identity = None
                    self.api_instance.replace_namespaced_lease(name, namespace, lease)
                except Exception as error:  # noqa: BLE001 - then it runs out by itself
                    log.warning("the lease was not released", error=str(error))

        def _noted(self, write: Any, *args: Any, **fields: Any) -> bool:
            with self._mutex:
                if self._given_up:
                    return False
                try:
                    done = bool(write(*args, **fields))
                except (HTTPError, OSError):
                    return False
                if done:
                    renewed()
                return done

    return Lock()


class _Timely:
    """The client's API with a time-out on each call."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._api, name)
        return lambda *args, **fields: call(*args, **fields, _request_timeout=_TIMEOUT_S)


class _Failed:
    """In place of the answer that did not come."""

    body = ""

    def __init__(self, error: Exception) -> None:
        self.reason = str(error)


def _lost(why: str) -> None:
    print(f"corpusworks: {why}; another launcher may lead by now", file=sys.stderr, flush=True)
    os._exit(EXIT_LOST)
