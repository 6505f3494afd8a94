"""A reader of what QEMU captured on the guest's wire: DHCP messages (RFC 2131) in a classic pcap file."""

from __future__ import annotations

import struct
from pathlib import Path

_DHCP_MAGIC = bytes.fromhex("63825363")


def dhcp_messages(file: Path) -> list[tuple[int, str]]:
    """(message type, offered address) of each DHCP message; type 5 is DHCPACK (RFC 2132, 9.6)."""
    data = file.read_bytes()
    (magic,) = struct.unpack_from("<I", data)
    assert magic == 0xA1B2C3D4, "no little-endian pcap file"
    found, at = [], 24
    while at + 16 <= len(data):
        (captured,) = struct.unpack_from("<I", data, at + 8)
        packet, at = data[at + 16 : at + 16 + captured], at + 16 + captured
        where = packet.find(_DHCP_MAGIC)
        if where < 236:
            continue
        address = ".".join(map(str, packet[where - 236 + 16 : where - 236 + 20]))
        options = packet[where + 4 :]
        while options and options[0] != 255:
            if options[0] == 0:
                options = options[1:]
                continue
            if options[0] == 53:
                found.append((options[2], address))
            options = options[2 + options[1] :]
    return found
