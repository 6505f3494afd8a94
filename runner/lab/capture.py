"""Signs of life in a guest's network capture: EC2's instance check is an ARP request to the interface."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

_FILE_HEADER = 24  # bytes (libpcap's classic format)
_RECORD = struct.Struct("=IIII")  # seconds, microseconds, captured length, original length
_ETHERNET = 14
_IPV4, _ARP = 0x0800, 0x0806
_UDP = 17
_DHCP_MAGIC = b"\x63\x82\x53\x63"
_DHCP_ACK = b"\x35\x01\x05"  # option 53, one byte, DHCPACK (RFC 2132, 9.6)
_NO_ADDRESS = b"\0\0\0\0"


def frames(path: Path) -> Iterator[bytes]:
    """The Ethernet frames of a capture that may still be written to."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    offset = _FILE_HEADER
    while offset + _RECORD.size <= len(data):
        length = _RECORD.unpack_from(data, offset)[2]
        offset += _RECORD.size
        if offset + length > len(data):
            return
        yield data[offset : offset + length]
        offset += length


def shows_life(frame: bytes, mac: bytes) -> bool:
    """Whether the interface `mac` has an address: it speaks ARP or IP with one, or DHCP has just given it one."""
    if len(frame) < _ETHERNET + 20:
        return False
    (kind,) = struct.unpack_from("!H", frame, 12)
    body = frame[_ETHERNET:]
    if frame[6:12] == mac:
        # The sender's address: bytes 14 to 17 of ARP (RFC 826), 12 to 15 of IPv4 (RFC 791).
        return (kind == _ARP and body[14:18] != _NO_ADDRESS) or (kind == _IPV4 and body[12:16] != _NO_ADDRESS)
    if kind != _IPV4 or body[9] != _UDP:
        return False
    header = (body[0] & 0x0F) * 4
    ports, dhcp = body[header : header + 4], body[header + 8 :]
    if ports != struct.pack("!HH", 67, 68) or dhcp[28:34] != mac:
        return False
    return dhcp[236:240] == _DHCP_MAGIC and _DHCP_ACK in dhcp[240:]


def has_life(path: Path, mac: str) -> bool:
    """Whether the capture shows the interface alive. `mac` as EC2 writes it, with colons."""
    wanted = bytes.fromhex(mac.replace(":", ""))
    return any(shows_life(frame, wanted) for frame in frames(path))
