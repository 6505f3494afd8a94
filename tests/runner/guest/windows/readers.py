"""Two readers of hives that share no code with ours or hivex: whole trees as plain values, to be compared.

`lists` reads the raw cells itself, by the regf format specification: Windows finds a key by binary search in a list
that is sorted in upper case, and by its hash, so a key can be there for every reader and yet not for Windows.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from pathlib import Path

from regipy.registry import RegistryHive
from Registry import Registry

logging.getLogger("regipy").setLevel(logging.ERROR)

Tree = dict[tuple[str, ...], dict[str, tuple[int, bytes]]]
_DELETED = 0xFFFFFFFF


def by_python_registry(path: Path) -> Tree:
    """Every key with its values: name ("" for the default), kind, bytes."""
    tree: Tree = {}

    def walk(key: Registry.RegistryKey, at: tuple[str, ...]) -> None:
        tree[at] = {
            "" if value.name() == "(default)" else value.name(): (value.value_type(), bytes(value.raw_data()))
            for value in key.values()
        }
        for child in key.subkeys():
            walk(child, (*at, child.name()))

    walk(Registry.Registry(str(path)).root(), ())
    return tree


def keys_by_regipy(path: Path) -> set[tuple[str, ...]]:
    """Every key that regipy finds."""
    found = set()

    def walk(key: object, at: tuple[str, ...]) -> None:
        found.add(at)
        for child in key.iter_subkeys() or ():  # type: ignore[attr-defined]  # regipy has no types
            walk(child, (*at, child.name))

    walk(RegistryHive(str(path)).root, ())
    return found


def value_by_regipy(path: Path, key: tuple[str, ...], name: str) -> object:
    """One value as regipy decodes it, None when it is not there."""
    found = RegistryHive(str(path)).get_key("\\" + "\\".join(key))
    return next((v.value for v in found.iter_values() if v.name == (name or "(default)")), None)


def lists(hive: bytes) -> Iterator[tuple[tuple[str, ...], list[str], list[int | None]]]:
    """For every key with subkeys: its path, their names as the lists have them in order, and their hashes, if any."""
    (root,) = struct.unpack_from("<I", hive, 36)
    stack: list[tuple[int, tuple[str, ...]]] = [(root, ())]
    while stack:
        node, path = stack.pop()
        cell = 4096 + node + 4
        (count, _, children) = struct.unpack_from("<III", hive, cell + 20)
        if count == 0:
            continue
        entries = list(_elements(hive, children))
        assert len(entries) == count, path
        names = [_name(hive, offset) for offset, _ in entries]
        yield path, names, [hint for _, hint in entries]
        stack += [(offset, (*path, name)) for (offset, _), name in zip(entries, names, strict=True)]


def _elements(hive: bytes, offset: int) -> Iterator[tuple[int, int | None]]:
    cell = 4096 + offset + 4
    signature, count = struct.unpack_from("<2sH", hive, cell)
    for index in range(count):
        if signature == b"ri":
            yield from _elements(hive, struct.unpack_from("<I", hive, cell + 4 + 4 * index)[0])
        elif signature == b"li":
            yield struct.unpack_from("<I", hive, cell + 4 + 4 * index)[0], None
        else:
            node, hint = struct.unpack_from("<II", hive, cell + 4 + 8 * index)
            yield node, hint if signature == b"lh" else None


def _name(hive: bytes, node: int) -> str:
    cell = 4096 + node + 4
    (flags,) = struct.unpack_from("<H", hive, cell + 2)
    (length,) = struct.unpack_from("<H", hive, cell + 72)
    raw = hive[cell + 76 : cell + 76 + length]
    return raw.decode("latin-1") if flags & 0x20 else raw.decode("utf-16-le")


def hashed(name: str) -> int:
    """The hash of a key's name in a hash leaf."""
    value = 0
    for character in name.upper():
        value = (37 * value + ord(character)) & 0xFFFFFFFF
    return value
