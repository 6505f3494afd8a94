"""Signatures inside program files, in files made after Microsoft's "PE Format"."""

import random
import struct

import pytest

from runner.guest.windows.portable import has_signature, is_amd64
from tests.runner.guest.windows.packages import portable

# Offsets of "PE Format" in a file whose PE header is at 0x40: the optional header at 0x58.
MAGIC, COUNT, ENTRY, CERTIFICATE = 0x58, 0x58 + 108, 0x58 + 112 + 32, 0x58 + 240


def patched(at: int, layout: str, number: int) -> bytes:
    data = bytearray(portable())
    struct.pack_into(layout, data, at, number)
    return bytes(data)


def test_a_signed_driver_is_known() -> None:
    assert is_amd64(portable()) and has_signature(portable())
    assert is_amd64(portable(signed=False)) and not has_signature(portable(signed=False))
    assert not is_amd64(portable(0xAA64)) and not is_amd64(b"MZ") and not is_amd64(b"")


UNSIGNED = {
    "an image of 32 bits": patched(MAGIC, "<H", 0x10B),
    "fewer directories than five": patched(COUNT, "<I", 4),
    "a table at no place": patched(ENTRY, "<I", 0),
    "a table beyond the end": patched(ENTRY, "<I", 10**6),
    "a table that goes on beyond the end": patched(ENTRY + 4, "<I", 10**6),
    "a table of nothing": patched(ENTRY + 4, "<I", 0),
    "a certificate longer than the table": patched(CERTIFICATE, "<I", 25),
    "a certificate of nothing": patched(CERTIFICATE, "<I", 8),
    "another kind of certificate": patched(CERTIFICATE + 6, "<H", 1),
    "a file that was cut": portable()[:-1],
}


@pytest.mark.parametrize("name", UNSIGNED)
def test_what_is_no_signature_is_taken_for_none(name: str) -> None:
    assert not has_signature(UNSIGNED[name])


def test_damaged_files_are_read_to_an_end() -> None:
    chance = random.Random(4)
    for _ in range(300):
        data = bytearray(portable())
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        assert has_signature(bytes(data[: chance.randrange(len(data) + 1)])) in (True, False)
