"""A changed-block list: what a source's own system (a hypervisor's tracking, a storage array) says has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ChangedExtent:
    """A piece of the disk that may have changed, in bytes."""

    offset: int
    length: int


@dataclass(frozen=True)
class ChangeList:
    """What may differ between the state `base` of a disk and its present state `id`; `size` of the disk in bytes.

    The ids are the source's own, of any form. A list without a base (empty) gives the present state its name: the next
    list may build on it.
    """

    version: Literal[1]
    id: str
    base: str
    size: int
    extents: tuple[ChangedExtent, ...]
