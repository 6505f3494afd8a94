from __future__ import annotations

import errno

import pytest

from runner.blocks.errors import ShortRead
from runner.blocks.memory import MemoryDevice, MemorySource


def test_a_device_never_grows():
    device = MemoryDevice(1000)
    for act in (lambda: device.write(996, memoryview(b"12345")), lambda: device.write_zeroes(999, 2)):
        with pytest.raises(OSError) as caught:
            act()
        assert caught.value.errno == errno.ENOSPC
    assert len(device.content) == 1000 and device.bytes_written == device.bytes_zeroed == 0
    with pytest.raises(ShortRead):
        device.read_into(999, memoryview(bytearray(2)))


def test_a_picture_is_what_it_shows():
    source = MemorySource.from_picture("D0Z-D", 100, seed=1, trim=1)
    assert source.size == 499
    assert [(e.offset, e.length, e.kind) for e in source.extents()] == [
        (0, 200, "data"),
        (200, 100, "zero"),
        (300, 100, "hole"),
        (400, 99, "data"),
    ]
    assert any(source.content[:100]) and not any(source.content[100:400]) and any(source.content[400:])
