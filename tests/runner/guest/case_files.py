"""Cases that are files: adding one is adding a YAML file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml


@cache
def read(path: Path, keys: frozenset[str]) -> dict[str, Any]:
    """A case, with no other keys than these: a misspelt one would check nothing."""
    found: dict[str, Any] = yaml.load(path.read_text(), yaml.CSafeLoader)
    assert set(found) <= keys, f"{path.name}: {set(found) - keys}"
    return found
