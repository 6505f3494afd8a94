"""A guest after its steps, as the probe would find it, without a guest: for "a second conversion edits nothing"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from re import fullmatch

from runner.guest import reading_list
from runner.guest.edits import Aside, Copy, Link, Move, Rebuild, Step, Write
from runner.guest.facts import GuestFacts, SymbolicLink, TextFile


def is_read(path: str) -> bool:
    """Whether the probe reads the text of a file at `path`."""
    directory, _, name = path.rpartition("/")
    patterns = [pattern for where, pattern in reading_list.DIRECTORIES if where == directory]
    return path in reading_list.FILES or any(fullmatch(pattern, name) for pattern in patterns)


def after(facts: GuestFacts, steps: Sequence[Step]) -> GuestFacts:
    """The facts of the guest once the steps are done. A step on a file that is not there fails, as it would there."""
    texts = {file.path: file.text for file in facts.files}
    paths = dict.fromkeys(facts.paths)
    links = {link.path: link.target for link in facts.links}
    kernels = facts.kernels

    def appear(path: str, text: str | None) -> None:
        if text is not None and is_read(path):
            texts[path] = text
        if path in reading_list.PATHS:
            paths[path] = None

    def leave(path: str) -> str | None:
        assert path in texts or path in paths or path in links, f"{path} is not there"
        paths.pop(path, None)
        links.pop(path, None)
        return texts.pop(path, None)

    for step in steps:
        match step:
            case Write(path, text):
                appear(path, text)
            case Aside(path, _, suffix):
                appear(path + suffix, leave(path))
            case Move(path, to):
                appear(to, leave(path))
            case Copy(path, source):
                appear(path, texts.get(source))
            case Link(path, target):
                texts.pop(path, None)
                links[path] = target
            case Rebuild(version, image, _, modules):
                kernels = tuple(
                    replace(k, packed=modules, initramfs=image) if k.version == version else k for k in kernels
                )
    return replace(
        facts,
        files=tuple(TextFile(path, text) for path, text in texts.items()),
        paths=tuple(paths),
        links=tuple(SymbolicLink(path, target) for path, target in links.items()),
        kernels=kernels,
    )
