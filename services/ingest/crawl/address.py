"""Which addresses are public. What is not in here as refused is still refused unless it is global unicast.

The special-purpose registries of IANA (RFC 6890 and what updates it), and what clouds put elsewhere. An
address that carries another one (mapped, NAT64, 6to4, Teredo, ISATAP) is refused as a whole: no public host
needs it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network; Linux takes 0.0.0.0 for itself
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  # private, RFC 1918
        "100.64.0.0/10",  # behind a carrier's NAT, RFC 6598; Alibaba's metadata at 100.100.100.200
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's host, a public address that answers inside
        "169.254.0.0/16",  # link-local; metadata of most clouds at 169.254.169.254
        "192.0.0.0/24",  # IETF protocols; Oracle's metadata at 192.0.0.192
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",  # documentation
        "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.175.48.0/24",  # AS112, AMT, 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "224.0.0.0/4", "240.0.0.0/4",  # multicast; reserved and broadcast
        "2001::/23",  # IETF protocols: Teredo, ORCHID, benchmarks
        "2001:db8::/32", "3fff::/20",  # documentation
        "2002::/16",  # 6to4: carries an IPv4 address
        "2620:4f:8000::/48",  # AS112
    )
)  # fmt: skip
# All that is global unicast today; mapped, NAT64, unique-local, link-local and multicast lie outside.
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # RFC 5214: the interface identifier before an IPv4 address


@dataclass(frozen=True)
class Admission:
    """Decides by address. allowed: networks that count as public, for tests and mirrors inside."""

    allowed: tuple[Network, ...] = ()

    @classmethod
    def of(cls, networks: Iterable[str]) -> Admission:
        """Raises ValueError naming the network that is none."""
        return cls(tuple(ipaddress.ip_network(network) for network in networks))

    def admits(self, address: IPAddress) -> bool:
        """Whether it may be connected to."""
        if any(address.version == network.version and address in network for network in self.allowed):
            return True
        return is_public(address)


def is_public(address: IPAddress) -> bool:
    """Whether every network of the world may use it, and for one host."""
    if any(address.version == network.version and address in network for network in _REFUSED):
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    if address.scope_id is not None or address not in _GLOBAL_V6:
        return False
    return (int(address) >> 32) & 0xFFFF_FFFF not in _ISATAP
