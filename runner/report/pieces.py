"""What the parts of the page are made of: tables, ids, good and bad news."""

from __future__ import annotations

from collections.abc import Iterable

from runner.report.markup import NOTHING, Content, Markup, tag

# Lists are cut here, and say so: a replica that drifted everywhere must not make a page of its own.
MOST = 20


def table(heads: Iterable[tuple[str, bool]], rows: Iterable[Iterable[Content]], class_: str = "") -> Markup:
    """A table; heads are (text, whether its column holds numbers)."""
    columns = list(heads)
    classes = ["number" if numeric else "" for _, numeric in columns]
    top = [tag("th", text, scope="col", class_=c or False) for (text, _), c in zip(columns, classes, strict=True)]
    lines = (
        tag("tr", *(tag("td", cell, class_=c or False) for cell, c in zip(row, classes, strict=True))) for row in rows
    )
    body = tag("tbody", *lines)
    return tag("div", tag("table", tag("thead", tag("tr", *top)), body, class_=class_ or False), class_="scroll")


def mood(good: bool) -> str:
    """The class of words that are good or bad news."""
    return "good" if good else "bad"


def id_of(text: str) -> Markup:
    """An id, or a dash for none."""
    return tag("span", text, class_="id") if text else tag("span", "–", class_="soft")


def left_over(count: int) -> Markup:
    """How many rows a list of so many leaves out."""
    return tag("p", f"... and {count - MOST:,} more.", class_="soft") if count > MOST else NOTHING
