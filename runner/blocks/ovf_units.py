"""Numbers as OVF writes them. Pure."""

from __future__ import annotations

import re

from runner.blocks.errors import ImageRefused

_UNITS = re.compile(r"byte(?:\s*\*\s*(\d{1,4})(?:\s*\^\s*(\d{1,3}))?)?", re.IGNORECASE)
_OLD_UNITS = {"kilobytes": 1 << 10, "megabytes": 1 << 20, "gigabytes": 1 << 30}


def read_units(text: str, location: str) -> int:
    """Bytes of an allocation unit as DSP0004 writes it ("byte * 2^30"), or as OVF 0.9 did ("MegaBytes"); "" is 1."""
    text = text.strip()
    if not text:
        return 1
    if text.lower() in _OLD_UNITS:
        return _OLD_UNITS[text.lower()]
    match = _UNITS.fullmatch(text)
    if match is None or int(match[2] or 1) > 60:
        raise ImageRefused(location, "AllocationUnits", f"{text[:40]!r} is unknown")
    unit: int = int(match[1] or 1) ** int(match[2] or 1)
    return unit


def read_count(text: str, location: str, field: str) -> int:
    """A number; 0 where nothing is said, or a property stands whose value only the deployment knows."""
    text = text.strip()
    if not text or text.startswith("${"):
        return 0
    if not re.fullmatch(r"[0-9]{1,19}", text):
        raise ImageRefused(location, field, f"{text[:40]!r} is no number")
    return int(text)
