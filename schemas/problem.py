"""What is wrong with a document: every fault at once, each with its file, line and path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.errors import Refused

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One fault. `line` counts from 1 (0: the whole file); `path` is like ``source.disks[1].path``."""

    file: str
    line: int
    path: str
    sentence: str
    hint: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        at = f" {self.path}:" if self.path else ""
        return f"{where}:{at} {self.sentence}" + (f" ({self.hint})" if self.hint else "")


class SpecInvalid(Refused):
    """One or more specs are not valid; `problems` holds every fault."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = "1 fault" if len(problems) == 1 else f"{len(problems)} faults"
        super().__init__("\n".join(str(p) for p in problems), f"Mend the {count}, then `hotadd validate` again.")
        self.problems = tuple(problems)


def written(place: Place) -> str:
    """A place in a document as users write it: ``source.disks[1].path``."""
    path = ""
    for part in place:
        path += f"[{part}]" if isinstance(part, int) else (f".{part}" if path else str(part))
    return path
