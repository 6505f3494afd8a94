"""Block states, two bits each on disk and a byte each in memory."""

from __future__ import annotations


def packed_size(blocks: int) -> int:
    """Bytes that the states of so many blocks take."""
    return -(-blocks // 4)


def packed(states: bytes | bytearray) -> bytes:
    """Four states a byte. Whole lanes are shifted as one big number: no loop over millions of blocks."""
    size = packed_size(len(states))
    if states and not len(states) % 4 and states == states[:1] * len(states):
        return bytes([states[0] * 0b01010101]) * size  # a huge disk is one state nearly everywhere
    total = 0
    for lane in range(4):
        total |= int.from_bytes(states[lane::4].ljust(size, b"\0"), "little") << (2 * lane)
    return total.to_bytes(size, "little")


def unpacked(packed: bytes, blocks: int) -> bytearray:
    """The inverse of `packed`, for so many blocks."""
    states = bytearray(4 * len(packed))
    for lane in range(4):
        states[lane::4] = packed.translate(bytes(value >> (2 * lane) & 3 for value in range(256)))
    return states[:blocks]
