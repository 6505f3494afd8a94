from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.blocks.buffers import PAGE, address, aligned_buffer, is_aligned, is_same, is_zero


@settings(deadline=None)
@given(st.integers(0, 200), st.lists(st.integers(0, 199)), st.integers(0, 20))
def test_zero_is_zero_wherever_the_one_byte_sits(length, ones, shift):
    view = memoryview(bytearray(length + shift))[shift:]
    for at in ones:
        if at < length:
            view[at] = 1
    assert is_zero(view) == (not any(view))


@pytest.mark.parametrize("at", [0, 15, 16, 17, 512 * 1024 - 1])
def test_one_byte_in_a_block_is_found(at):
    view = aligned_buffer(512 * 1024)
    assert is_zero(view)
    view[at] = 0x80
    assert not is_zero(view)


def test_alignment_is_of_memory_place_and_kind():
    buffer = aligned_buffer(3 * PAGE)
    assert address(buffer) % PAGE == 0
    assert is_aligned(buffer, 0) and is_aligned(buffer[PAGE:], 7 * PAGE)
    assert not is_aligned(buffer, 512)
    assert not is_aligned(buffer[512:], 0)
    assert not is_aligned(buffer[: PAGE - 1], 0)
    assert not is_aligned(buffer.toreadonly(), 0)


@settings(deadline=None)
@given(st.binary(max_size=50), st.binary(max_size=50))
def test_same_is_equal_bytes(one, other):
    assert is_same(memoryview(bytearray(one)), memoryview(bytearray(other))) == (one == other)
    assert is_same(memoryview(bytearray(one)), memoryview(bytearray(one)))
