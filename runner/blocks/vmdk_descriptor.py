"""The text part of a VMDK: which files make up the disk. Pure.

Rules after "Virtual Disk Format 5.0" (VMware, 2011), and our own for images that nobody vouches for: a descriptor
may name only files beside itself (CVE-2022-47951 read the host's files through one).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from runner.blocks.errors import ImageRefused

SECTOR = 512
MAX_TEXT = 64 * 1024  # bytes; VMware writes under 2 KiB, and reserves 10 KiB inside sparse files
MAX_SECTORS = 64 << 31  # 64 TiB, the largest EBS volume (io2 Block Express)
_MAX_EXTENTS = 32768  # 64 TiB in files of 2 GiB
_SIGNATURE = "# disk descriptorfile"
_EXTENT = re.compile(r'(RW|RDONLY|NOACCESS)\s+(\d{1,20})\s+([A-Z]+)(?:\s+"([^"]*)"(?:\s+(\d{1,20}))?)?\s*')
_SNAPSHOTS = {"vmfsSparse": "an ESXi snapshot", "seSparse": "an ESXi snapshot", "SESPARSE": "an ESXi snapshot"}
_KINDS: dict[str, frozenset[str]] = {
    "monolithicSparse": frozenset({"SPARSE"}),
    "streamOptimized": frozenset({"SPARSE"}),
    "monolithicFlat": frozenset({"FLAT", "ZERO"}),
    "twoGbMaxExtentSparse": frozenset({"SPARSE", "ZERO"}),
    "twoGbMaxExtentFlat": frozenset({"FLAT", "ZERO"}),
    "vmfs": frozenset({"VMFS", "ZERO"}),
    "vmfsThin": frozenset({"VMFS", "ZERO"}),
}
CREATE_TYPES = tuple(_KINDS)
ExtentKind = Literal["sparse", "flat", "zero"]


@dataclass(frozen=True, slots=True)
class ExtentLine:
    """One extent: `sectors` of 512 bytes from `offset` (in sectors) of the file `name`; "" for zeroes."""

    sectors: int
    kind: ExtentKind
    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor that has passed all checks; its extents follow one another on the disk."""

    create_type: str
    extents: tuple[ExtentLine, ...]

    @property
    def sectors(self) -> int:
        """The disk's size in sectors of 512 bytes."""
        return sum(extent.sectors for extent in self.extents)


def is_descriptor(start: bytes) -> bool:
    """Whether a file that begins so is a descriptor."""
    return start[: len(_SIGNATURE)].lower() == _SIGNATURE.encode()


def parse_descriptor(text: bytes, location: str) -> Descriptor:
    """Read a descriptor; raises `ImageRefused` with the field and the rule it breaks."""
    if len(text) > MAX_TEXT:
        raise ImageRefused(location, "descriptor", f"it has {len(text)} bytes, {MAX_TEXT} are allowed")
    if not is_descriptor(text):
        raise ImageRefused(location, "descriptor", "it does not begin with '# Disk DescriptorFile'")
    settings: dict[str, str] = {}
    lines: list[ExtentLine] = []
    for raw in text.partition(b"\0")[0].decode("utf-8", "surrogateescape").splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if re.match(r"(RW|RDONLY|NOACCESS)\s", line):
            lines.append(_extent(line, location))
            if len(lines) > _MAX_EXTENTS:
                raise ImageRefused(location, "extents", f"there are more than {_MAX_EXTENTS}")
            continue
        name, found, value = line.partition("=")
        if found:
            settings.setdefault(name.strip().lower(), value.strip().strip('"'))
    kind = settings.get("createtype", "")
    _check_kind(kind, settings.get("parentcid", "ffffffff"), location)
    descriptor = Descriptor(kind, tuple(lines))
    _check_extents(descriptor, location)
    return descriptor


def _extent(line: str, location: str) -> ExtentLine:
    match = _EXTENT.fullmatch(line)
    if match is None:
        raise ImageRefused(location, "extent", f"the line {line[:80]!r} is none")
    access, sectors, kind, name, offset = match.groups()
    if access == "NOACCESS":
        raise ImageRefused(location, "extent", "NOACCESS extents have no bytes to copy")
    if kind not in ("SPARSE", "FLAT", "VMFS", "ZERO"):
        hint = "Consolidate the snapshots first." if kind in ("VMFSSPARSE", "SESPARSE") else "Export the disk as OVF."
        raise ImageRefused(location, "extent", f"the type {kind} is not supported", hint)
    if kind != "ZERO":
        check_name(name or "", location)
    kinds: dict[str, ExtentKind] = {"SPARSE": "sparse", "FLAT": "flat", "VMFS": "flat", "ZERO": "zero"}
    return ExtentLine(int(sectors), kinds[kind], (name or "") if kind != "ZERO" else "", int(offset or 0))


def check_name(name: str, location: str, field: str = "extent file") -> None:
    """Refuse a file name that could lead anywhere but beside the descriptor."""
    if not name or name in (".", "..") or any(c in name for c in "/\\\0") or not name.isprintable():
        raise ImageRefused(
            location,
            field,
            f"{name[:80]!r} is no plain file name; only files of the same folder are read",
            "Put all files of the disk into one directory, and name them without a path.",
        )


def _check_kind(kind: str, parent: str, location: str) -> None:
    consolidate = "Consolidate the snapshots first, then export the disk."
    if kind in _SNAPSHOTS:
        raise ImageRefused(location, "createType", f"{kind} is {_SNAPSHOTS[kind]}", consolidate)
    if kind not in _KINDS:
        known = ", ".join(CREATE_TYPES)
        raise ImageRefused(location, "createType", f"{kind[:40]!r} is not supported", f"Supported: {known}.")
    if parent.lower() != "ffffffff":
        raise ImageRefused(location, "parentCID", f"{parent[:40]!r} names a parent: this is a snapshot", consolidate)


def _check_extents(descriptor: Descriptor, location: str) -> None:
    kinds = {"sparse": {"SPARSE"}, "flat": {"FLAT", "VMFS"}, "zero": {"ZERO"}}
    for extent in descriptor.extents:
        if not kinds[extent.kind] & _KINDS[descriptor.create_type]:
            raise ImageRefused(location, "extent", f"{extent.kind} extents do not belong in {descriptor.create_type}")
        if not 0 < extent.sectors <= MAX_SECTORS or extent.offset > MAX_SECTORS:
            raise ImageRefused(location, "extent", f"{extent.sectors} sectors at {extent.offset} are out of range")
    if not 0 < descriptor.sectors <= MAX_SECTORS:
        raise ImageRefused(location, "extents", f"{descriptor.sectors} sectors; 1 to {MAX_SECTORS} are allowed")
    if len(descriptor.extents) > 1 and descriptor.create_type in ("monolithicSparse", "streamOptimized"):
        raise ImageRefused(location, "extents", f"{descriptor.create_type} has exactly one")
