"""Read a VMDK's data with our reader and four threads, writing and digesting nothing."""

from __future__ import annotations

import sys

from runner.blocks.extent import BLOCK
from runner.blocks.pool import Pool
from runner.blocks.source import open_source

_REQUEST = 4 * BLOCK

source = open_source(sys.argv[1], "vmdk")
requests = (
    (at, min(_REQUEST, extent.end - at))
    for extent in source.extents()
    if extent.kind == "data"
    for at in range(extent.offset, extent.end, _REQUEST)
)
Pool(requests, lambda request, buffer: source.read_into(request[0], buffer[: request[1]]), _REQUEST).run(
    4, lambda: None
)
