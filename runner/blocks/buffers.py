"""Page-aligned memory, as O_DIRECT wants it, and the test for zeroes."""

from __future__ import annotations

import ctypes
import mmap

PAGE = 4096
_memcmp = ctypes.CDLL(None).memcmp  # ctypes lets go of the interpreter's lock; comparing memoryviews does not
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_memcmp.restype = ctypes.c_int
_HEAD = bytes(16)


def aligned_buffer(size: int) -> memoryview:
    """Writable anonymous memory of `size` bytes that starts on a page; it lives as long as a view of it does."""
    return memoryview(mmap.mmap(-1, size))


def address(view: memoryview) -> int:
    """Where a writable, contiguous view starts in memory."""
    return ctypes.addressof(ctypes.c_char.from_buffer(view))


def is_aligned(view: memoryview, offset: int) -> bool:
    """Whether O_DIRECT takes the view's start at this file offset; its length is looked at by the caller."""
    return not view.readonly and len(view) >= PAGE and offset % PAGE == 0 and address(view) % PAGE == 0


def is_zero(view: memoryview) -> bool:
    """Whether all bytes are zero. The view is writable.

    The first 16 bytes are zero and each byte equals the one 16 further on: one stream of memory is read, and data
    ends the comparison at its first byte.
    """
    if view[:16] != _HEAD[: len(view)]:
        return False
    if len(view) <= 16:
        return True
    start = address(view)
    return bool(_memcmp(start, start + 16, len(view) - 16) == 0)


def is_same(one: memoryview, other: memoryview) -> bool:
    """Whether two writable views of equal length hold the same bytes."""
    return len(one) == len(other) and (not len(one) or _memcmp(address(one), address(other), len(one)) == 0)
