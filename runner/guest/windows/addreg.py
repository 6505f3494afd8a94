"""Registry values as INF files write them: numbers, and the lines of AddReg sections. Pure.

Source: "INF AddReg Directive" of Microsoft's INF reference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.guest.windows.bundle_refusals import InfBroken
from runner.guest.windows.driver import Setting
from runner.guest.windows.inf import Inf

# The flags that give a value's type, and the bits that make a line no plain value.
_TYPES = {0x0: 1, 0x1: 3, 0x10000: 7, 0x20000: 2, 0x10001: 4, 0x20001: 0, 0xB0001: 11}
_TYPE_MASK = 0xFFFF0001
_NO_VALUE = 0x4 | 0x8 | 0x10 | 0x20  # delete, append, key only, overwrite only


def settings(inf: Inf, sections: Sequence[str]) -> tuple[Setting, ...]:
    """The values that the AddReg directives of some sections set below HKR, in order. Raises `InfBroken`."""
    made = []
    names = [name for section in sections for line in inf.entries(section, "AddReg") for name in line.values]
    for line in (line for name in names for line in inf.lines(name)):
        if line.value(0).upper() != "HKR":
            continue
        flags = number(inf, line.value(3) or "0")
        kind = _TYPES.get(flags & _TYPE_MASK)
        if flags & _NO_VALUE or kind is None:
            continue
        subkey = tuple(part for part in line.value(1).split("\\") if part)
        made.append(Setting(subkey, line.value(2), kind, _data(inf, kind, line.values[4:]).hex()))
    return tuple(made)


def _data(inf: Inf, kind: int, values: Sequence[str]) -> bytes:
    if kind in (1, 2):
        return ",".join(values).encode("utf-16-le") + b"\0\0"
    if kind == 7:
        return b"".join(each.encode("utf-16-le") + b"\0\0" for each in values if each) + b"\0\0"
    if kind in (4, 11) and len(values) <= 1:
        size = 4 if kind == 4 else 8
        return (number(inf, values[0] if values else "0") % (1 << 8 * size)).to_bytes(size, "little")
    return bytes(number(inf, each if each.lower().startswith("0x") else f"0x{each}") & 0xFF for each in values if each)


def number(inf: Inf, text: str) -> int:
    """A number as INF files write it, decimal or with 0x. Raises `InfBroken`."""
    cleaned = text.strip()
    if re.fullmatch(r"-?[0-9]{1,10}|0[xX][0-9a-fA-F]{1,16}", cleaned, re.ASCII) is None:
        raise InfBroken(inf.name, f"{cleaned[:40]!r} is no number")
    return int(cleaned, 16) if cleaned[1:2] in ("x", "X") else int(cleaned)
