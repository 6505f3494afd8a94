"""The one module that opens a registry hive with hivex, to read it and to change it.

hivex is C over bytes of the guest: this runs in the confined worker alone. Only a hive that `replay.ready` returned may
come here: hivex itself does not look at the sequence numbers. Names are compared as Windows does, without case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hivex

from runner.guest.windows import cells
from runner.guest.windows.changes import Change, DropKey, DropValue, Key, SetValue
from runner.guest.windows.refusals import HiveBroken

_NUMBERS = {4: 4, 11: 8}  # REG_DWORD, REG_QWORD: bytes each
_BIG_ENDIAN = 5
# Data beyond this is kept in segments, and hivex, which writes all values of a key anew, would not cut it.
_MOST_DATA = 16344


@dataclass(frozen=True)
class Value:
    """A value of a key: `name` "" is the default one, `kind` the REG_* number, `data` the bytes as they are kept."""

    name: str
    kind: int
    data: bytes

    @property
    def text(self) -> str:
        """A string value up to its null."""
        return self.data[: len(self.data) & ~1].decode("utf-16-le", "replace").partition("\0")[0]

    @property
    def texts(self) -> tuple[str, ...]:
        """The strings of a REG_MULTI_SZ."""
        whole = self.data[: len(self.data) & ~1].decode("utf-16-le", "replace")
        return tuple(part for part in whole.split("\0") if part)

    @property
    def number(self) -> int | None:
        """The number of a REG_DWORD or REG_QWORD, None when it is none."""
        if self.kind == _BIG_ENDIAN and len(self.data) == 4:
            return int.from_bytes(self.data, "big")
        return int.from_bytes(self.data, "little") if _NUMBERS.get(self.kind) == len(self.data) else None


class Hive:
    """A hive on a local file, open for reading. `name` ("SYSTEM") is for refusals. Raises `HiveBroken` throughout."""

    def __init__(self, path: Path, name: str = "SYSTEM", write: bool = False) -> None:
        self.name = name
        with self._told("opening it"):
            self._hive: Any = hivex.Hivex(str(path), write=write)

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        # hivex tells of a broken hive by these three; UnicodeError is a name that is no UTF-16.
        try:
            yield
        except (RuntimeError, OSError, UnicodeError) as error:
            raise HiveBroken(self.name, f"{doing} failed: {error}") from error

    def _node(self, key: Key) -> Any | None:
        with self._told("looking for " + "\\".join(key)):
            node = self._hive.root()
            for part in key:
                node = self._hive.node_get_child(node, part)
                if node is None:
                    return None
            return node

    def has(self, key: Key) -> bool:
        """Whether a key is there."""
        return self._node(key) is not None

    def keys(self, key: Key) -> tuple[str, ...]:
        """The names of the keys below a key; none when it is not there."""
        node = self._node(key)
        if node is None:
            return ()
        with self._told("listing " + "\\".join(key)):
            return tuple(self._hive.node_name(child) for child in self._hive.node_children(node))

    def values(self, key: Key) -> tuple[Value, ...]:
        """All values of a key; none when it is not there."""
        node = self._node(key)
        if node is None:
            return ()
        with self._told("reading " + "\\".join(key)):
            found = []
            for handle in self._hive.node_values(node):
                kind, data = self._hive.value_value(handle)
                found.append(Value(self._hive.value_key(handle), kind, data))
            return tuple(found)

    def value(self, key: Key, name: str) -> Value | None:
        """One value of a key, None when it or the key is not there."""
        wanted = name.casefold()
        return next((value for value in self.values(key) if value.name.casefold() == wanted), None)

    def text(self, key: Key, name: str) -> str:
        """A string value, empty when it is not there."""
        found = self.value(key, name)
        return found.text if found else ""

    def number(self, key: Key, name: str) -> int | None:
        """A number, None when it is not there or is none."""
        found = self.value(key, name)
        return found.number if found else None

    def current_control_set(self) -> str:
        """The name of the control set that Windows would start with: that of Select\\Current, whatever its number."""
        number = self.number(("Select",), "Current")
        name = f"ControlSet{number:03}" if number is not None else ""
        if not name or not self.has((name,)):
            raise HiveBroken(self.name, f"Select\\Current names no control set (it says {number})")
        return name

    def pending(self, changes: Sequence[Change]) -> tuple[Change, ...]:
        """Those of the changes that the hive does not have yet, in the same order."""
        return tuple(change for change in changes if not self._holds(change))

    def _holds(self, change: Change) -> bool:
        match change:
            case SetValue(key, name, kind, data, _):
                found = self.value(key, name)
                return found is not None and (found.kind, found.data) == (kind, data)
            case DropValue(key, name, _):
                return self.value(key, name) is None
            case DropKey(key, _):
                return not self.has(key)

    def _do(self, change: Change) -> None:
        if self._holds(change):  # an earlier one took its key away
            return
        if not isinstance(change, DropKey) and any(len(value.data) > _MOST_DATA for value in self.values(change.key)):
            raise HiveBroken(self.name, "\\".join(change.key) + " has a value too long for hivex to keep as it is")
        with self._told("changing " + "\\".join(change.key)):
            match change:
                case SetValue(key, name, kind, data, _):
                    self._hive.node_set_value(self._made(key), {"key": name, "t": kind, "value": data})
                case DropValue(key, name, _):
                    rest = [value for value in self.values(key) if value.name.casefold() != name.casefold()]
                    kept = [{"key": value.name, "t": value.kind, "value": value.data} for value in rest]
                    self._hive.node_set_values(self._node(key), kept)
                case DropKey(key, _):
                    self._hive.node_delete_child(self._node(key))

    def _made(self, key: Key) -> Any:
        node = self._hive.root()
        for part in key:
            child = self._hive.node_get_child(node, part)
            node = child if child is not None else self._hive.node_add_child(node, part)
        return node

    def _commit(self) -> None:
        with self._told("writing it"):
            self._hive.commit(None)


def apply(path: Path, changes: Sequence[Change], name: str = "SYSTEM") -> tuple[Change, ...]:
    """Make the changes to the hive in a file, in order, and see in the file, opened anew, that they are there.

    Returns those that were not there before; with none the file is not written. Raises `HiveBroken`.
    """
    cells.check(path.read_bytes(), name)
    hive = Hive(path, name, write=True)
    done = hive.pending(changes)
    if not done:
        return ()
    for change in done:
        hive._do(change)
    hive._commit()
    lost = Hive(path, name).pending(changes)
    if lost:
        raise HiveBroken(name, f"{len(lost)} of {len(done)} changes are not in it after they were written")
    return done
