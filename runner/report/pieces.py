"""What the parts of the page are made of: tables, ids, good and bad news."""

from __future__ import annotations

from collections.abc import Iterable

from runner.report.markup import NOTHING, Content, Markup, tag

# Lists are cut here, and say so: a replica that drifted everywhere must not make a page of its own.
MOST = 20


def table(heads: Iterable[tuple[str, bool]], rows: Iterable[Iterable[Content]], class_: str = "") -> Markup:
    """A table; heads are (text, whether its column holds numbers)."""
    columns = list(heads)
    # On the table, not on each cell: cells are most of what a fleet's page is made of.
    classes = " ".join([*([class_] if class_ else []), *(f"n{at}" for at, (_, n) in enumerate(columns, 1) if n)])
    top = tag("thead", tag("tr", *(tag("th", text) for text, _ in columns)))
    body = tag("tbody", *(tag("tr", *(tag("td", cell) for cell in row)) for row in rows))
    return tag("div", tag("table", top, body, class_=classes or False), class_="scroll")


def mood(good: bool) -> str:
    """The class of words that are good or bad news."""
    return "good" if good else "bad"


def id_of(text: str) -> Markup:
    """An id, or a dash for none."""
    return tag("span", text, class_="id") if text else tag("span", "–", class_="soft")


def left_over(count: int) -> Markup:
    """How many rows a list of so many leaves out."""
    return tag("p", f"... and {count - MOST:,} more.", class_="soft") if count > MOST else NOTHING
