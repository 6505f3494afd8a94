"""Logs of the lab, one JSON object a line: tests count effects here, not in what the runner says of itself."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path


def write_line(path: Path, **fields: object) -> None:
    """Append one object with the time (UTC, ISO 8601); a single write, so lines of threads never mix."""
    line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **fields}) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
