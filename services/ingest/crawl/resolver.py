"""Names to addresses, once for each connection: what was checked is what is connected to.

Twisted asks it with every connection, for names and for addresses written out alike, and connects to nothing
but what it answers. A name that points inside on its second look-up therefore gains nothing, and neither does
one with a public and a private address: the private one is left out.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet import threads
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHostnameResolver, IHostResolution
from zope.interface import implementer

from services.ingest.crawl.address import Admission, IPAddress
from services.runtime import ConfigurationError

Lookup = Callable[[str], Sequence[str]]


class NotPublic(OSError):
    """None of a name's addresses may be connected to."""


def system(name: str) -> Sequence[str]:
    """The addresses of a name as this machine knows them, in its order. Raises OSError."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def read_hosts(path: Path | None) -> dict[str, list[str]]:
    """A file as /etc/hosts: `address name name…`. Raises ConfigurationError."""
    found: dict[str, list[str]] = {}
    try:
        lines = path.read_text().splitlines() if path else []
        for line in lines:
            address, *names = line.partition("#")[0].split() or [""]
            if address:
                ipaddress.ip_address(address)
            for name in names:
                found.setdefault(name.lower(), []).append(address)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"hosts_file {path} cannot be read: {error}") from error
    return found


def admitted(name: str, lookup: Lookup, admission: Admission) -> list[IPAddress]:
    """The addresses of a name that may be connected to. Raises NotPublic, OSError."""
    try:
        found = [ipaddress.ip_address(name)]
    except ValueError:
        found = [ipaddress.ip_address(address) for address in lookup(name)]
    public = [address for address in found if admission.admits(address)]
    if found and not public:
        raise NotPublic(f"{name} is {found[0]}, which is not a public address")
    return public


@implementer(IHostResolution)
class _Resolution:
    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """It ends by itself."""


@implementer(IHostnameResolver)
class CheckingResolver:
    """refused: names that were, and why; asked by who sees no more than that a name has no address."""

    def __init__(
        self, admission: Admission, hosts: Mapping[str, Sequence[str]], lookup: Lookup = system
    ) -> None:
        self._admission = admission
        self._hosts = hosts
        self._lookup = lookup
        self.refused: dict[str, str] = {}

    def resolveHostName(  # noqa: N802 - Twisted's names for all of it
        self,
        resolutionReceiver: Any,  # noqa: N803
        hostName: str,  # noqa: N803
        portNumber: int = 0,  # noqa: N803
        addressTypes: Any = None,  # noqa: N803
        transportSemantics: str = "TCP",  # noqa: N803
    ) -> Any:
        """As IHostnameResolver. What is not public has no address."""
        receiver, name, port = resolutionReceiver, hostName, portNumber
        resolution = _Resolution(name)
        receiver.resolutionBegan(resolution)
        if self._quick(name):
            self._tell(receiver, name, port, self._addresses(name))
        else:
            done = threads.deferToThread(self._addresses, name)
            done.addCallback(lambda found: self._tell(receiver, name, port, found))
        return resolution

    def _quick(self, name: str) -> bool:
        """Whether nobody has to be asked."""
        if name.lower() in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _addresses(self, name: str) -> Sequence[IPAddress]:
        self.refused.pop(name, None)
        try:
            return admitted(
                name, lambda asked: self._hosts.get(asked.lower()) or self._lookup(asked), self._admission
            )
        except NotPublic as error:
            if len(self.refused) > 10_000:
                self.refused.clear()
            self.refused[name] = str(error)
        except (OSError, ValueError):
            pass
        return ()

    @staticmethod
    def _tell(receiver: Any, name: str, port: int, found: Sequence[IPAddress]) -> None:
        for address in found:
            kind = IPv4Address if address.version == 4 else IPv6Address
            receiver.addressResolved(kind("TCP", str(address), port))
        receiver.resolutionComplete()
