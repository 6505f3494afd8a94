"""Changes to a valid file: numbers that break limits at places that mean something, and damage anywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hypothesis import strategies as st

_EDGES = sorted(
    {0, 1, 2, 3, 21, 22, 127, 128, *(2**n + d for n in (7, 8, 15, 16, 31, 32, 40, 62, 63, 64) for d in (-1, 0, 1))}
)
NUMBERS = st.sampled_from(_EDGES) | st.integers(0, 2**64 - 1)


@dataclass(frozen=True)
class Change:
    """At byte `at` (counted around the file's end), `cut` bytes are replaced by `put`; `to_end` cuts all behind it."""

    at: int
    cut: int
    put: bytes
    to_end: bool = False

    def apply(self, image: bytearray) -> None:
        at = self.at % (len(image) + 1)
        end = len(image) if self.to_end else at + self.cut
        image[at:end] = self.put


def changes(places: list[int], words: list[bytes]) -> st.SearchStrategy[list[Change]]:
    """Up to three; most at the places, which are byte offsets of fields, or with one of the words."""
    at = st.sampled_from(places) | st.integers(0, 1 << 20)
    number = st.builds(
        lambda at, value, width: Change(at, width, (value % (1 << 8 * width)).to_bytes(width, "little")),
        at,
        NUMBERS,
        st.sampled_from([1, 2, 4, 8]),
    )
    word = st.builds(
        lambda at, put, insert: Change(at, 0 if insert else len(put), put), at, st.sampled_from(words), st.booleans()
    )
    damage = st.builds(Change, at, st.integers(0, 600), st.binary(max_size=40))
    cut = st.builds(lambda at: Change(at, 0, b"", to_end=True), at)
    return st.lists(st.one_of(*[number] * 6, *[word] * 2, damage, cut), min_size=1, max_size=3)


def replacements(image: bytes, pieces: re.Pattern[bytes], words: list[bytes]) -> st.SearchStrategy[bytes]:
    """Up to four pieces (the pattern's first group that matched) replaced: by a word, another piece, nothing, twice."""
    spans = [match.span(match.lastindex or 0) for match in pieces.finditer(image)]
    found = [image[start:end] for start, end in spans]
    put = st.sampled_from([*words, *found, b""]) | NUMBERS.map(lambda number: b"%d" % number)
    made = st.dictionaries(st.integers(0, len(spans) - 1), st.tuples(put, st.integers(1, 2)), min_size=1, max_size=4)

    def replaced(chosen: dict[int, tuple[bytes, int]]) -> bytes:
        result = bytearray(image)
        for number in sorted(chosen, reverse=True):
            word, times = chosen[number]
            result[slice(*spans[number])] = word * times
        return bytes(result)

    return made.map(replaced)


def changed(image: bytes, made: list[Change]) -> bytes:
    """The file with all changes."""
    result = bytearray(image)
    for change in made:
        change.apply(result)
    return bytes(result)
