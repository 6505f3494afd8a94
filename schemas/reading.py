"""Safe reading of a YAML or JSON document, with the line of every value.

Scalars follow YAML 1.2's core schema ("no" is a word, 010 is ten, 2026-11-23 a string), which is also JSON's.
Duplicate keys are faults (YAML 1.1 parsers keep the last one silently). Aliases are followed, but the document may not
grow beyond `_NODES_MOST` values and `_CHARACTERS_MOST` characters in all, which stops "billion laughs" documents.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from schemas.problem import Place, Problem, SpecInvalid, written

_BYTES_MOST = 1024 * 1024
_NODES_MOST = 20_000
_CHARACTERS_MOST = 4 * _BYTES_MOST
_DEPTH_MOST = 64


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's implicit types only."""


_TAG = "tag:yaml.org,2002:"
_Loader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?[0-9]{1,18}$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), list(_first))


@dataclass(frozen=True)
class Read:
    """A document's plain values, and the line (from 1) of each place in it."""

    file: Path
    value: Any
    lines: dict[Place, int]

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest one around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read(file: Path) -> Read:
    """Read a file. Raises `SpecInvalid` with every duplicate key, or with the one fault that ends the reading."""
    try:
        with file.open("rb") as stream:  # a pipe or a device tells no size
            data = stream.read(_BYTES_MOST + 1)
    except OSError as error:
        hint = "Name a spec file; examples/ has some to start from."
        raise SpecInvalid([Problem(str(file), 0, "", f"It cannot be read: {error.strerror}.", hint)]) from error
    if len(data) > _BYTES_MOST:
        raise SpecInvalid([Problem(str(file), 0, "", "It is larger than 1 MiB.", "A spec is a page of text.")])
    return parse(data, file)


def parse(data: bytes, file: Path) -> Read:
    """Parse the bytes of a document that came from `file`; see `read`."""
    try:
        text = _spaced(data.decode("utf-8"))
        _count(text, file)
        node = _Loader(text).get_single_node()
    except UnicodeDecodeError as error:
        raise SpecInvalid([Problem(str(file), 0, "", "It is not UTF-8 text.", "Save it as UTF-8.")]) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # PyYAML lets ValueError and OverflowError out for escapes beyond Unicode and versions of 5,000 digits.
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 0
        fault = getattr(error, "problem", None) or str(error).partition("\n")[0]
        hint = "Check the indentation and the quotes there."
        raise SpecInvalid([Problem(str(file), line, "", f"It is no YAML: {fault}.", hint)]) from error
    if node is None:
        raise SpecInvalid([Problem(str(file), 1, "", "It is empty.", "examples/ has specs to start from.")])
    walk = _Walk(file)
    value = walk.value(node, ())
    if walk.problems:
        raise SpecInvalid(walk.problems)
    return Read(file, value, walk.lines)


def _spaced(text: str) -> str:
    """JSON may be indented with tabs, which PyYAML refuses; a tab in JSON is never part of a value."""
    if "\t" not in text or text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text.replace("\t", " ")


def _count(text: str, file: Path) -> None:
    """Refuse what would exhaust the composer's stack, or our patience (PyYAML takes 35 s for 1 MiB of brackets)."""
    depth = 0
    for at, event in enumerate(yaml.parse(text, Loader=_Loader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEPTH_MOST or at > 2 * _NODES_MOST:  # a value and its key are two events
            line = 0 if event.start_mark is None else event.start_mark.line + 1
            deep = f"It nests more than {_DEPTH_MOST} levels deep."
            fault = deep if depth > _DEPTH_MOST else f"It has more than {_NODES_MOST} values."
            raise SpecInvalid([Problem(str(file), line, "", fault, "A spec is a page of text.")])


class _Walk:
    """Composed nodes to plain values, with lines and duplicate keys noted on the way."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lines: dict[Place, int] = {}
        self.problems: list[Problem] = []
        self._characters = 0

    def value(self, node: yaml.Node, place: Place) -> Any:
        self.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            self._characters += len(node.value)
        if len(self.lines) > _NODES_MOST or self._characters > _CHARACTERS_MOST or len(place) > _DEPTH_MOST:
            fault = f"Its aliases make it grow beyond {_NODES_MOST} values, or without end."
            line = node.start_mark.line + 1
            raise SpecInvalid([Problem(str(self.file), line, "", fault, "Write the values out.")])
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.value(item, (*place, at)) for at, item in enumerate(node.value)]
        try:
            return _scalar(node)
        except ValueError:
            kind = node.tag.removeprefix(_TAG)
            fault = f"It is no {kind}." if kind in _KINDS else f"The type {node.tag} is not allowed."
            self._fault(node, place, fault, "Use plain text, numbers, true and false.")
            return None

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, item in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(key_node, place, "A key is not text.", "Write `key: value`.")
                continue
            if key in found:
                first = self.lines[(*place, key)]
                self._fault(
                    key_node, (*place, key), f"The key stands twice (first on line {first}).", "Keep one of them."
                )
                continue
            self.lines[(*place, key)] = key_node.start_mark.line + 1
            found[key] = self.value(item, (*place, key))
        return found

    def _fault(self, node: yaml.Node, place: Place, sentence: str, hint: str) -> None:
        self.problems.append(Problem(str(self.file), node.start_mark.line + 1, written(place), sentence, hint))


_KINDS = ("str", "null", "bool", "int", "float")


def _scalar(node: yaml.Node) -> str | int | float | bool | None:
    """One scalar's value; `ValueError` for what its tag forbids, and for every tag beyond JSON's types.

    SafeConstructor would read 010 as eight, and lets KeyError and others out for a wrong value after a tag.
    """
    kind, text = node.tag.removeprefix(_TAG), node.value
    if not isinstance(text, str):
        raise ValueError(kind)  # a list or a map of another type
    if kind == "str":
        # JSON writes characters beyond the first plane as two surrogates; one alone is no text.
        return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16")
    if kind == "null":
        return None
    if kind == "bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind == "int":
        return int(text)
    if kind == "float" and math.isfinite(number := float(text)):
        return number
    raise ValueError(text)
