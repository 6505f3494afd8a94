"""One copy by our engine, as a process of its own: SOURCE TARGET VERIFY. Start-up counts, as it does for the peers."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from runner.blocks.copy import copy_disk
from runner.blocks.device import open_device
from runner.blocks.source import open_source

source, target, verify = sys.argv[1:]
with tempfile.TemporaryDirectory(prefix="hotadd-bench-") as folder:
    copy_disk(
        open_source(source, "raw"),
        open_device(target),
        disk="bench",
        generation=1,
        digests=Path(folder, "digests"),
        checkpoint=Path(folder, "checkpoint"),
        zeroes="skip",  # the peers are told that the target is zero as well (--target-is-zero)
        verify="written" if verify == "written" else "none",
    )
