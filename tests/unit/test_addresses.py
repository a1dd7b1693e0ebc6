"""Nobody makes a worker connect to what only the worker can reach: every special address is known for what it is."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronos.adapters.addresses import OWN, Kind, kind, refusal

KINDS = {
    Kind.PUBLIC: "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 "
    "169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0 198.17.255.255 "
    "198.20.0.0 223.255.255.255 168.63.129.15 2606:4700::1111 2a00:1450:4001::8 2400:cb00:: "
    "::ffff:8.8.8.8 64:ff9b::8.8.8.8",
    Kind.LOOPBACK: "127.0.0.1 127.255.255.254 ::1 ::ffff:127.0.0.1 64:ff9b::127.0.0.1",
    Kind.PRIVATE: "10.0.0.1 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.1 100.64.0.1 100.127.255.255 "
    "fc00::1 fdff::1 fec0::1 ::ffff:10.0.0.1 64:ff9b::c0a8:101",
    Kind.LINK_LOCAL: "169.254.0.1 169.254.255.255 fe80::1 fe80::1%eth0 febf::1 ::ffff:169.254.1.1",
    Kind.METADATA: "169.254.169.254 169.254.170.2 169.254.170.23 100.100.100.200 168.63.129.16 192.0.0.192 "
    "fd00:ec2::254 fd00:ec2::23 fd20:ce::254 ::ffff:169.254.169.254 ::ffff:a9fe:a9fe 64:ff9b::a9fe:a9fe",
    Kind.MULTICAST: "224.0.0.1 239.255.255.255 ff02::1 ff00:: ::ffff:224.0.0.1",
    Kind.UNSPECIFIED: "0.0.0.0 :: ::ffff:0.0.0.0",
    Kind.RESERVED: "0.0.0.1 0.255.255.255 192.0.0.1 192.0.2.1 192.88.99.1 198.18.0.1 198.19.255.255 198.51.100.1 "
    "203.0.113.1 240.0.0.1 255.255.255.255 2001:db8::1 2001:10::1 2001:20::1 2001:1::1 3fff::1 64:ff9b:1::1 "
    "100::1 4000::1 5f00::1 8000::1 e000::1 1fff::1 ::1:0:0:1",
    Kind.TUNNEL: "2002:7f00:1::1 2002:a9fe:a9fe::1 2002:808:808::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 ::7f00:1 "
    "::8.8.8.8 ::ffff:0:7f00:1",
}


@pytest.mark.parametrize(("text", "found"), [(one, found) for found, many in KINDS.items() for one in many.split()])
def test_an_address_is_known_for_what_it_is(text: str, found: Kind) -> None:
    assert kind(ip_address(text)) is found
    assert (refusal(text) is None) == (found is Kind.PUBLIC)
    assert (refusal(text, allow_own=True) is None) == (found is Kind.PUBLIC or found in OWN)


@pytest.mark.parametrize("text", ["", "example.org", "0x7f.1", "2130706433", "127.1", "0177.0.0.1", "1.2.3.4/8", "::g"])
def test_what_is_no_address_in_full_is_refused(text: str) -> None:
    assert refusal(text, allow_own=True) == "no address"


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_an_address_cannot_hide_inside_another(plain: IPv4Address) -> None:
    mapped = IPv6Address(0xFFFF << 32 | int(plain))
    through = IPv6Address((0x64FF9B << 96) | int(plain))
    assert kind(mapped) is kind(through) is kind(plain)
    six_to_four = IPv6Address((0x2002 << 112) | (int(plain) << 80) | 1)
    assert kind(six_to_four) is Kind.TUNNEL


@given(st.ip_addresses())
def test_nothing_is_public_that_python_knows_as_private(address: IPv4Address | IPv6Address) -> None:
    if kind(address) is Kind.PUBLIC and not (isinstance(address, IPv6Address) and address.ipv4_mapped):
        inner = int(address) & 0xFFFFFFFF if str(address).startswith("64:ff9b::") else None
        judged = IPv4Address(inner) if inner is not None else address
        assert judged.is_global
        assert not judged.is_multicast
