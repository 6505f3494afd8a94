"""A small XML reader for documents that nobody vouches for: no DTD, no entities, bounded size and depth. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from runner.blocks.errors import ImageRefused

MAX_XML = 4 * 1024 * 1024  # bytes; a machine with 60 disks describes itself in 100 KiB
_MAX_DEPTH = 64
_MAX_ELEMENTS = 100_000


@dataclass(slots=True)
class Element:
    """One element. Names of elements and attributes are local: OVF's namespaces differ between its versions."""

    name: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def all(self, *names: str) -> Iterator[Element]:
        """Direct children of these names, in order."""
        return (child for child in self.children if child.name in names)

    def first(self, name: str) -> Element | None:
        """The first direct child of this name."""
        return next(self.all(name), None)

    def said(self, name: str) -> str:
        """The text of the first direct child of this name, stripped; "" without one."""
        child = self.first(name)
        return child.text.strip() if child is not None else ""

    def walk(self) -> Iterator[Element]:
        """This element and all below it, in the document's order."""
        yield self
        for child in self.children:
            yield from child.walk()


def parse_xml(text: bytes, location: str) -> Element:
    """The document's root; raises `ImageRefused` for what is no XML, has a DTD (entities live there), or is too large.

    A DTD could name files of this machine (XXE) or blow up a small text (billion laughs).
    """
    if len(text) > MAX_XML:
        raise ImageRefused(location, "XML", f"it has {len(text)} bytes, {MAX_XML} are allowed")
    top = Element("", {})
    stack = [top]
    count = 0

    def refuse(rule: str) -> ImageRefused:
        return ImageRefused(location, "XML", rule, "Export the machine anew; the description may be damaged.")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > _MAX_ELEMENTS or len(stack) > _MAX_DEPTH:
            raise refuse(f"more than {_MAX_ELEMENTS} elements, or nested deeper than {_MAX_DEPTH}")
        element = Element(_local(name), {_local(key): value for key, value in attributes.items()})
        stack[-1].children.append(element)
        stack.append(element)

    def end(_: str) -> None:
        stack.pop()

    def data(piece: str) -> None:
        stack[-1].text += piece

    def doctype(*_: object) -> None:
        raise refuse("it has a document type declaration, which no OVF needs and entities live in")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = data
    parser.StartDoctypeDeclHandler = doctype
    parser.EntityDeclHandler = doctype
    try:
        parser.Parse(text, True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # an encoding that nobody knows is a LookupError
        raise refuse(f"it cannot be parsed ({error})") from error
    return top.children[0]


def _local(name: str) -> str:
    return name.rpartition(" ")[2]
