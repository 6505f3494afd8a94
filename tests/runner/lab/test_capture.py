"""Signs of life, in frames laid out by hand from RFC 826, 791, 2131."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from runner.lab.capture import has_life

GUEST = bytes.fromhex("020000123456")
ROUTER = bytes.fromhex("525400aabbcc")
ADDRESS, NONE = bytes([172, 31, 0, 77]), bytes(4)


def arp(sender: bytes, address: bytes) -> bytes:
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + sender + address + bytes(6) + bytes([172, 31, 0, 1])
    return (b"\xff" * 6 + sender + b"\x08\x06" + body).ljust(60, b"\0")


def ipv4(sender: bytes, source: bytes, payload: bytes, protocol: int = 17) -> bytes:
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0) + source + b"\xff" * 4
    return b"\xff" * 6 + sender + b"\x08\x00" + header + payload


def dhcp(kind: int, client: bytes, ports: tuple[int, int] = (67, 68)) -> bytes:
    fixed = struct.pack("!BBBBIHH", 2, 1, 6, 0, 7, 0, 0) + NONE + ADDRESS + NONE + NONE + client.ljust(16, b"\0")
    message = fixed + bytes(192) + b"\x63\x82\x53\x63" + bytes([53, 1, kind, 255])
    return struct.pack("!HHHH", *ports, 8 + len(message), 0) + message


CASES = [
    ("nothing", [], False),
    ("arp with an address", [arp(GUEST, ADDRESS)], True),
    ("arp probe, address not yet taken", [arp(GUEST, NONE)], False),
    ("the router's arp", [arp(ROUTER, ADDRESS)], False),
    ("asking for a lease", [ipv4(GUEST, NONE, dhcp(1, GUEST, (68, 67)))], False),
    ("offered a lease", [ipv4(ROUTER, ADDRESS, dhcp(2, GUEST))], False),
    ("given a lease", [ipv4(ROUTER, ADDRESS, dhcp(5, GUEST))], True),
    ("another's lease", [ipv4(ROUTER, ADDRESS, dhcp(5, ROUTER))], False),
    ("ip with a static address", [ipv4(GUEST, ADDRESS, b"", protocol=1)], True),
    ("runt", [b"\0" * 20], False),
]


def capture(frames: list[bytes]) -> bytes:
    head = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(struct.pack("=IIII", 0, 0, len(f), len(f)) + f for f in frames)


@pytest.mark.parametrize(("frames", "alive"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_life(frames: list[bytes], alive: bool, tmp_path: Path) -> None:
    path = tmp_path / "network.pcap"
    path.write_bytes(capture(frames))
    assert has_life(path, "02:00:00:12:34:56") is alive


def test_no_capture_yet(tmp_path: Path) -> None:
    assert not has_life(tmp_path / "network.pcap", "02:00:00:12:34:56")


def test_a_record_half_written_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "network.pcap"
    path.write_bytes(capture([arp(GUEST, ADDRESS)])[:-1])
    assert not has_life(path, "02:00:00:12:34:56")
