"""A page as a tree, by the standard library's parser: what a reader finds in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "link", "br", "col"}


@dataclass
class Node:
    """An element."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node | str] = field(default_factory=list)

    def all(self, name: str, class_: str = "") -> list[Node]:
        """The elements below of this name and class, in order."""
        return [n for n in self._below() if n.name == name and (not class_ or class_ in n.classes)]

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()

    @property
    def text(self) -> str:
        """All text below."""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def rows(self) -> list[list[str]]:
        """The texts of a table's body."""
        return [[cell.text for cell in row.all("td")] for row in self.all("tbody")[0].all("tr")]

    def _below(self) -> Iterator[Node]:
        for child in self.children:
            if isinstance(child, Node):
                yield child
                yield from child._below()


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Node("")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute of {tag} stands twice"
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(node)
        if tag not in _VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].name == tag, f"{tag} closes {self.open[-1].name}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parsed(page: str) -> Node:
    """The tree of a page; every element must be closed."""
    builder = _Builder()
    builder.feed(page)
    builder.close()
    assert len(builder.open) == 1, f"{builder.open[-1].name} is never closed"
    return builder.open[0]


def after(card: Node, title: str) -> list[Node]:
    """What stands under a heading of a card, up to the next one."""
    found: list[Node] = []
    taking = False
    for child in card.all("div", "inside")[0].children:
        if isinstance(child, Node) and child.name == "h3":
            taking = child.text.startswith(title)
        elif isinstance(child, Node) and taking:
            found.append(child)
    return found
