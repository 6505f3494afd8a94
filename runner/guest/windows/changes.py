"""What a decider may ask of a registry hive, as plain values, and the makers of the usual kinds of value.

A key is its path from the hive's root, without the root's own name: ("ControlSet001", "Services", "stornvme").
The numbers of the kinds of value are those of winnt.h (REG_SZ and so on).
"""

from __future__ import annotations

from dataclasses import dataclass

Key = tuple[str, ...]

NONE = 0
SZ = 1
EXPAND_SZ = 2
BINARY = 3
DWORD = 4
MULTI_SZ = 7
KINDS = {NONE: "REG_NONE", SZ: "REG_SZ", EXPAND_SZ: "REG_EXPAND_SZ", BINARY: "REG_BINARY", DWORD: "REG_DWORD"} | {
    MULTI_SZ: "REG_MULTI_SZ"
}


@dataclass(frozen=True)
class SetValue:
    """A value of a key, made with the keys above it where they are not there yet. `name` "" is the default value."""

    key: Key
    name: str
    kind: int
    data: bytes
    why: str


@dataclass(frozen=True)
class DropValue:
    """A value that must not be there; its key stays."""

    key: Key
    name: str
    why: str


@dataclass(frozen=True)
class DropKey:
    """A key that must not be there, nor anything below it."""

    key: Key
    why: str


Change = SetValue | DropValue | DropKey


def text(value: str) -> bytes:
    """A string as the registry keeps it: UTF-16LE with its closing null."""
    return (value + "\0").encode("utf-16-le")


def dword(key: Key, name: str, value: int, why: str) -> SetValue:
    """A 32-bit number."""
    return SetValue(key, name, DWORD, value.to_bytes(4, "little"), why)


def sz(key: Key, name: str, value: str, why: str) -> SetValue:
    """A string."""
    return SetValue(key, name, SZ, text(value), why)


def expand_sz(key: Key, name: str, value: str, why: str) -> SetValue:
    """A string with %VARIABLES% in it."""
    return SetValue(key, name, EXPAND_SZ, text(value), why)


def multi_sz(key: Key, name: str, values: tuple[str, ...], why: str) -> SetValue:
    """A list of strings, none of them empty: an empty one would end the list."""
    return SetValue(key, name, MULTI_SZ, b"".join(text(value) for value in values) + b"\0\0", why)


def binary(key: Key, name: str, data: bytes, why: str) -> SetValue:
    """Bytes."""
    return SetValue(key, name, BINARY, data, why)


def none(key: Key, name: str, why: str) -> SetValue:
    """A value that is only there."""
    return SetValue(key, name, NONE, b"", why)


def line(change: Change) -> str:
    """One change as a line of the record."""
    path = "\\".join(change.key)
    match change:
        case SetValue(_, name, kind, data, _):
            return f"{path}\\{name or '(default)'} = {KINDS.get(kind, kind)} {readable(kind, data)}"
        case DropValue(_, name, _):
            return f"{path}\\{name or '(default)'} removed"
        case DropKey():
            return f"{path}\\ removed"


def readable(kind: int, data: bytes) -> str:
    """A value's data for a reader: numbers and strings as such, the rest as its first 16 bytes in hexadecimal."""
    if kind == DWORD and len(data) == 4:
        return f"0x{int.from_bytes(data, 'little'):x}"
    if kind in (SZ, EXPAND_SZ, MULTI_SZ):
        return repr("; ".join(part for part in data.decode("utf-16-le", "replace").split("\0") if part))
    return data[:16].hex() + ("..." if len(data) > 16 else "")
