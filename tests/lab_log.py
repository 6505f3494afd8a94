"""The lab's own logs, one JSON object a line, as tests read them while the lab goes on writing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_log(file: Path) -> list[dict[str, Any]]:
    """Every whole line, in order; none where the log is not there yet.

    A line is one write, but a reader may see the first part of it: what ends without a newline is left for the next
    look. A damaged line before that is an error.
    """
    if not file.exists():
        return []
    whole, _, _ = file.read_bytes().rpartition(b"\n")
    return [json.loads(line) for line in whole.splitlines()]
