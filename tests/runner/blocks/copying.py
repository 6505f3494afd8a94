"""One copy as a process of its own, for tests that kill it: SOURCE TARGET FOLDER SAVE_BYTES LOG.

Each write that reached the target appends its length to LOG, so that a killed process' writes count too.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from runner.blocks.copy import copy_disk
from runner.blocks.device import open_device
from runner.blocks.source import open_source

source, target, folder, save_bytes, log = sys.argv[1:]
device = open_device(target)
log_fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
write = device.write


def logged(offset: int, buffer: memoryview) -> None:
    write(offset, buffer)
    # 32 bytes, which lie in one page of the file: a kill leaves no part of a line.
    os.write(log_fd, f"{offset:>15} {len(buffer):>15}\n".encode())
    time.sleep(0.003)  # so that a killer on a busy machine comes in time


device.write = logged
result = copy_disk(
    open_source(source, "raw"),
    device,
    disk="disk0",
    generation=1,
    digests=Path(folder, "disk.digests"),
    checkpoint=Path(folder, "disk.checkpoint"),
    blank=True,
    save_bytes=int(save_bytes),
)
print(result.bytes_resumed, result.digest_file_digest)
