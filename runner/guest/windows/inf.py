"""The text of an INF file as sections of lines, after Microsoft's "General Syntax Rules for INF Files". Pure.

An INF comes out of a downloaded archive: its size, its lines and the growth of its strings are bounded.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from runner.guest.windows.bundle_refusals import InfBroken

# Amazon's are some KiB; the longest of Windows itself have 500 KiB.
_SIZE_MOST = 4 * 1024 * 1024
_LINES_MOST = 65536
_FIELD_MOST = 4096  # "Specifying a Line Length": a line has 4096 characters at most, and so has a field once expanded
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True)
class Line:
    """`key = value, value` or, with an empty key, `value, value`."""

    key: str
    values: tuple[str, ...]

    def value(self, at: int) -> str:
        """The value at a place, "" where the line is shorter."""
        return self.values[at] if at < len(self.values) else ""


class Inf:
    """An INF file. `name` is what errors call it. Sections are found whatever their case; %strings% are put in."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self._sections: dict[str, list[Line]] = {}
        self._strings: dict[str, str] = {}
        self._read(_text(name, data))
        for line in self._sections.get("strings", []):
            self._strings.setdefault(line.key.lower(), line.value(0))

    def has(self, section: str) -> bool:
        """Whether there is a section of that name, be it empty."""
        return section.lower() in self._sections

    def lines(self, section: str) -> tuple[Line, ...]:
        """The lines of a section (of all its parts, in order), none when it is not there."""
        found = self._sections.get(section.lower(), [])
        return tuple(Line(self.expand(line.key), tuple(map(self.expand, line.values))) for line in found)

    def entries(self, section: str, key: str) -> tuple[Line, ...]:
        """All lines of a section with that key, whatever its case."""
        return tuple(line for line in self.lines(section) if line.key.lower() == key.lower())

    def entry(self, section: str, key: str) -> str:
        """The first value of the first line with that key, "" when there is none."""
        found = self.entries(section, key)
        return found[0].value(0) if found else ""

    def expand(self, text: str) -> str:
        """Put in %strings%; %% is a percent sign; a name that no string has (a dirid) stays. Raises `InfBroken`."""
        if "%" not in text:
            return text
        parts, at = [], 0
        while (start := text.find("%", at)) >= 0 and (end := text.find("%", start + 1)) >= 0:
            name = text[start + 1 : end]
            found = self._strings.get(name.lower(), f"%{name}%") if name else "%"
            parts += [text[at:start], found]
            at = end + 1
        expanded = "".join(parts) + text[at:]
        if len(expanded) > _FIELD_MOST:
            raise InfBroken(self.name, f"a value becomes longer than {_FIELD_MOST} characters")
        return expanded

    def _read(self, text: str) -> None:
        section: list[Line] | None = None
        for line in _logical(self.name, text):
            if line.startswith("["):
                name, closed, _ = line[1:].partition("]")
                if not closed:
                    raise InfBroken(self.name, f"the section {line[:40]!r} has no closing bracket")
                section = self._sections.setdefault(name.strip().lower(), [])
            elif section is not None:
                key, values = _split(line)
                section.append(Line(key, values))


def _text(name: str, data: bytes) -> str:
    """The file's text, without control characters: it comes to be shown on terminals and written into registries."""
    if len(data) > _SIZE_MOST:
        raise InfBroken(name, f"it has {len(data)} bytes; an INF has no more than {_SIZE_MOST}")
    # Without a mark it is in the ANSI code page of whoever wrote it; names and numbers are ASCII in any of them.
    bom, encoding = next(((bom, encoding) for bom, encoding in _BOMS if data.startswith(bom)), (b"", "cp1252"))
    return _CONTROL.sub("", data[len(bom) :].decode(encoding, "replace"))


def _logical(name: str, text: str) -> list[str]:
    """Lines without comments and blanks, continued ones joined."""
    joined: list[str] = []
    before = ""
    for number, raw in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")):
        if number >= _LINES_MOST:
            raise InfBroken(name, f"it has more than {_LINES_MOST} lines")
        line = _without_comment(raw).strip()
        if line.endswith("\\"):
            before += line[:-1]
        else:
            line, before = before + line, ""
            if line:
                joined.append(line)
        if len(before) > _FIELD_MOST or len(line) > _FIELD_MOST:
            raise InfBroken(name, f"line {number + 1} has more than {_FIELD_MOST} characters")
    return [*joined, before] if before else joined


def _without_comment(line: str) -> str:
    quoted = False
    for at, character in enumerate(line):
        if character == '"':
            quoted = not quoted
        elif character == ";" and not quoted:
            return line[:at]
    return line


def _split(line: str) -> tuple[str, tuple[str, ...]]:
    """A line's key and values. Quotes keep commas, blanks and equal signs; two of them inside quotes are one."""
    key: str | None = None
    values: list[str] = []
    field: list[str] = []
    solid = 0  # how much of the field was quoted: blanks there are kept
    quoted, at = False, 0

    def close() -> str:
        nonlocal solid
        text = "".join(field)
        field.clear()
        kept, solid = solid, 0
        return text if kept == len(text) else text[:kept] + text[kept:].rstrip()

    while at < len(line):
        character = line[at]
        if character == '"':
            if quoted and line[at + 1 : at + 2] == '"':
                field.append('"')
                at += 1
            else:
                quoted = not quoted
            solid = len(field)
        elif quoted:
            field.append(character)
            solid = len(field)
        elif character == "=" and key is None and not values:
            key = close()
        elif character == ",":
            values.append(close())
        elif field or not character.isspace():
            field.append(character)
        at += 1
    values.append(close())
    if key is not None and values == [""]:
        values = []
    return key or "", tuple(values)
