"""Which network addresses a download may connect to: public ones, and by a setting those of the own network. Pure.

The table is IANA's registries of special addresses (RFC 6890 and what has been added since), kept here because the
`is_private` and `is_global` of Python's ipaddress have changed between patch releases.
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Kind(Enum):
    """What an address is for. The value is how messages call it."""

    PUBLIC = "public"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    LINK_LOCAL = "link-local"
    METADATA = "a cloud's metadata service"
    MULTICAST = "multicast"
    UNSPECIFIED = "unspecified"
    RESERVED = "reserved"
    TUNNEL = "a tunnel to another address"


OWN = frozenset({Kind.LOOPBACK, Kind.PRIVATE, Kind.LINK_LOCAL})
"""What a setting may allow. No video is behind the others, whatever is set."""

_TABLE: dict[Kind, str] = {
    Kind.METADATA: "169.254.169.254/32 169.254.170.2/32 169.254.170.23/32 100.100.100.200/32 168.63.129.16/32 "
    "192.0.0.192/32 fd00:ec2::/32 fd20:ce::254/128",
    Kind.LOOPBACK: "127.0.0.0/8 ::1/128",
    Kind.UNSPECIFIED: "0.0.0.0/32 ::/128",
    Kind.TUNNEL: "2001::/32 2002::/16 ::ffff:0:0:0/96 ::/96",
    Kind.PRIVATE: "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7 fec0::/10",
    Kind.LINK_LOCAL: "169.254.0.0/16 fe80::/10",
    Kind.MULTICAST: "224.0.0.0/4 ff00::/8",
    Kind.RESERVED: "0.0.0.0/8 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 "
    "240.0.0.0/4 64:ff9b:1::/48 2001::/23 2001:db8::/32 2620:4f:8000::/48 3fff::/20",
}
"""The first that holds an address is its kind: the metadata services of AWS, Alibaba, Azure, Oracle and Google lie in
ranges that are also something else. Tunnels: Teredo, 6to4, SIIT, and IPv4-compatible addresses."""


def _networks(kind: Kind, version: int) -> tuple[Network, ...]:
    pieces = [piece for piece in _TABLE[kind].split() if (":" in piece) == (version == 6)]
    return tuple(IPv6Network(piece) if version == 6 else IPv4Network(piece) for piece in pieces)


_NETWORKS = {version: [(kind, _networks(kind, version)) for kind in _TABLE] for version in (4, 6)}

_GLOBAL = IPv6Network("2000::/3")  # all that IANA has ever given out for the public
_NAT64 = IPv6Network("64:ff9b::/96")  # how a network without IPv4 reaches it (RFC 6052)


def kind(address: Address) -> Kind:
    """What the address is for. An IPv4 address inside an IPv6 one (mapped, NAT64) is judged as what it is."""
    inner = _inside(address)
    if inner is not None:
        return kind(inner)
    plain = address if isinstance(address, IPv4Address) else IPv6Address(int(address))  # no scope: fe80::1%eth0
    for found, networks in _NETWORKS[address.version]:
        if any(plain in network for network in networks):
            return found
    return Kind.PUBLIC if isinstance(plain, IPv4Address) or plain in _GLOBAL else Kind.RESERVED


def refusal(address: str, *, allow_own: bool = False) -> str | None:
    """Why nobody may connect there; None where one may.

    Args:
        allow_own: also loopback, private and link-local addresses.
    """
    try:
        found = kind(ip_address(address))
    except ValueError:
        return "no address"
    return None if found is Kind.PUBLIC or (allow_own and found in OWN) else str(found.value)


def _inside(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
