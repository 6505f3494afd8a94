"""Block maps, strips and bars as SVG.

They are drawn here, so that they need no script, and coloured by page.css, so that they follow the theme.

All cells of one look are one path of horizontal strokes, a stroke for each run of cells in a row. The gaps between
cells are the stroke's dashes. So 2,048 cells are a few hundred bytes where little moved, and 15 KB at worst.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from runner.report import quantities
from runner.report.blockmap import LOOKS, BlockMap, Cell, Look
from runner.report.machine import DiskMap, StepTime
from runner.report.markup import NOTHING, Markup, joined, tag

COLUMNS = 128
_STRIP = 96
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

# How each look is called in the legend, and what it means.
MEANINGS: dict[Look, tuple[str, str]] = {
    "drifted": ("drifted", "found different by the last hotadd drift"),
    "changed": ("changed", "differs from the generation before"),
    "sparse": ("changed in places", "less than an eighth of the cell changed"),
    "injected": ("injected", "written to make the guest bootable on EC2"),
    "data": ("unchanged", "data, as it was"),
    "zero": ("zero", "nothing but zeroes"),
}


def block_map(disk: DiskMap, machine: str) -> Markup:
    """A disk's map: 128 cells a row, read like a page; its counts for the script that shows them on demand."""
    if disk.map is None:
        return NOTHING
    rows = -(-len(disk.map) // COLUMNS)
    looks = [cell.look for cell in disk.map]
    lines = [looks[at : at + COLUMNS] for at in range(0, len(looks), COLUMNS)]
    total = disk.map.total()
    return tag(
        "svg",
        *_paths(lines),
        class_="map",
        viewBox=f"0 0 {COLUMNS} {rows}",
        role="img",
        tabindex=0,
        aria_label=f"Block map of {machine} {disk.id}: {summary(total)}",
        data_blocks=disk.map.blocks,
        data_cells=len(disk.map),
        data_counts=encoded(disk.map),
    )


def summary(total: Cell) -> str:
    """A disk in one sentence, for those who do not see the map."""
    parts = [
        f"{quantities.share(count, total.blocks)} {name}"
        for name, count in (
            ("drifted", total.drifted),
            ("changed", total.changed),
            ("injected", total.injected),
            ("unchanged", total.data),
            ("zero", total.zero),
        )
        if count
    ]
    return ", ".join(parts)


def strip(disks: Sequence[DiskMap], name: str) -> Markup:
    """All disks of a machine in one line of cells, each disk's part as large as its share of the blocks."""
    maps = [disk.map for disk in disks if disk.map is not None]
    if not maps:
        return NOTHING
    blocks = sum(one.blocks for one in maps)
    looks: list[Look] = ["zero"] * _STRIP
    begin = 0
    for one in maps:
        for cell in one:
            first = (begin + cell.first) * _STRIP // blocks
            last = (begin + cell.first + cell.blocks - 1) * _STRIP // blocks
            for at in range(first, last + 1):
                looks[at] = min(looks[at], cell.look, key=LOOKS.index)
        begin += one.blocks
    label = f"All disks of {name} at a glance"
    return tag(
        "svg",
        *_paths([looks]),
        class_="strip",
        viewBox=f"0 0 {_STRIP} 1",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )


def bar(step: StepTime, longest: float) -> Markup:
    """How long a step took beside the longest."""
    width = max(0.5, 100 * step.seconds / longest) if longest > 0 else 0.5
    drawn = tag("rect", class_=step.outcome, width=f"{width:.1f}%", height="100%")
    return tag("svg", drawn, class_="bars", aria_hidden="true")


def encoded(made: BlockMap) -> str:
    """The counts of all cells, for the script: ``zero,changed,injected,drifted,both`` a cell, separated by ``;``.

    Numbers are to base 36; ``~`` is the whole cell; nothing is 0, and trailing nothing is left out. `both` is what
    counts more than once among changed, injected and drifted. ``*n`` after a cell repeats it: n cells in all.
    """
    words = []
    for word, group in groupby(map(_counts, made)):
        repeated = sum(1 for _ in group)
        words.append(word if repeated == 1 else f"{word}*{_base36(repeated)}")
    return ";".join(words)


def _counts(cell: Cell) -> str:
    both = cell.changed + cell.injected + cell.drifted + cell.data + cell.zero - cell.blocks
    numbers = (cell.zero, cell.changed, cell.injected, cell.drifted, both)
    return ",".join("~" if n == cell.blocks else _base36(n) if n else "" for n in numbers).rstrip(",")


def _base36(number: int) -> str:
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits


def _paths(lines: Sequence[Sequence[Look]]) -> Iterator[Markup]:
    """A path for each look that occurs, the least telling first."""
    strokes: dict[Look, list[str]] = {}
    ends: dict[Look, tuple[int, int]] = {}
    for row, line in enumerate(lines):
        at = 0
        for look, group in groupby(line):
            length = sum(1 for _ in group)
            last, column = ends.get(look, (-1, 0))
            # From the end of the stroke before it in the row: mostly a digit or two.
            move = f"m{at - column} 0" if last == row else f"M{at} {row}"
            strokes.setdefault(look, []).append(f"{move}h{length}")
            at += length
            ends[look] = row, at
    for look in reversed(LOOKS):
        if look in strokes:
            path = "".join(strokes[look])
            yield tag("path", class_=look, d=path)
            if look in ("drifted", "injected"):  # a mark in each cell, for those who do not tell its colour
                yield tag("path", class_=f"mark {look}", d=path)


def legend() -> Markup:
    """What the colours mean."""
    entries = []
    for look, (name, meaning) in MEANINGS.items():
        sample = tag("svg", *_paths([[look, look]]), class_="sample", viewBox="0 0 2 1", aria_hidden="true")
        entries.append(tag("li", sample, tag("b", name), f" {meaning}"))
    return tag("ul", joined(*entries), class_="legend")
