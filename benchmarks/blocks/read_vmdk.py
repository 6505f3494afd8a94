"""Read a VMDK to its end with libvmdk, writing nothing."""

from __future__ import annotations

import sys

import pyvmdk

handle = pyvmdk.handle()
handle.open(sys.argv[1])
handle.open_extent_data_files()
left = handle.get_media_size()
while left > 0:
    left -= len(handle.read_buffer(min(left, 1 << 20)))
