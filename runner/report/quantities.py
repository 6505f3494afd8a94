"""Sizes, shares, times and durations as people read them."""

from __future__ import annotations

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def size(count: int) -> str:
    """Bytes with at most three digits that count: ``1.5 GiB``, ``40 GiB``."""
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    digits = 0 if value >= 100 or value == int(value) else 1
    return f"{value:.{digits}f} {_UNITS[unit]}"


def share(part: int, whole: int) -> str:
    """A part as a percentage. What is not nothing never reads as nothing, and what is not all never as all."""
    if part == 0 or whole == 0:
        return "0 %"
    percent = 100 * part / whole
    if percent < 0.01:
        return "< 0.01 %"
    if part < whole and percent > 99.9:
        return "> 99.9 %"
    return f"{percent:.2f} %" if percent < 1 else f"{percent:.1f} %".replace(".0 %", " %")


def duration(seconds: float) -> str:
    """Seconds as ``0.4 s``, ``51 s``, ``4 min 05 s``, ``2 h 07 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def moment(time: str) -> str:
    """A time of our documents (RFC 3339, UTC) to the second: ``2026-11-23 06:00:12 UTC``; a dash for none."""
    return f"{time[:10]} {time[11:19]} UTC" if time else "–"


def count(number: int, noun: str) -> str:
    """A number and its noun: ``1 block``, ``2,048 blocks``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
