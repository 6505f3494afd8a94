"""OVF packages made by hand, with the standard library's tar writer: to be broken field by field."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

DISK = '<Disk ovf:capacity="{1}" ovf:diskId="{0}" ovf:fileRef="{0}" ovf:format="{2}"/>'
FILE = '<File ovf:href="{}" ovf:id="{}" {}/>'
STREAM = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
TEXT = """{head}<?xml version="1.0" encoding="UTF-8"?>{doctype}
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
<References>{files}</References><DiskSection><Info/>{disks}</DiskSection>
<VirtualSystem ovf:id="vm"><Info/><Name>{name}</Name></VirtualSystem></Envelope>"""

Entry = tuple[str, bytes] | tarfile.TarInfo


def description(
    *disks: str,
    size: int = 0,
    more: str = "",
    format: str = STREAM,
    name: str = "vm",
    doctype: str = "",
    head: str = "",
) -> bytes:
    """Of disks by their files' names; `more` stands in each File element."""
    files = "".join(FILE.format(disk, f"f{n}", more) for n, disk in enumerate(disks))
    parts = "".join(DISK.format(f"f{n}", size, format) for n in range(len(disks)))
    return TEXT.format(files=files, disks=parts, name=name, doctype=doctype, head=head).encode()


def manifest(files: Iterable[tuple[str, bytes]], algorithm: str = "sha256") -> bytes:
    lines = [f"{algorithm.upper()}({name})= {hashlib.new(algorithm, data).hexdigest()}" for name, data in files]
    return "\n".join(lines).encode() + b"\n"


def archive(path: Path, entries: Iterable[Entry], format: int = tarfile.USTAR_FORMAT) -> None:
    """Entries as name and bytes, or as headers without content."""
    with tarfile.open(path, "w", format=format) as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
                continue
            info = tarfile.TarInfo(entry[0])
            info.size = len(entry[1])
            tar.addfile(info, io.BytesIO(entry[1]))


def package(path: Path, disks: dict[str, bytes], *, algorithm: str = "sha256", more: str = "", **change: str) -> None:
    """An OVA of these disks, whole and with a manifest."""
    files = [("vm.ovf", description(*disks, more=more, **change)), *disks.items()]
    listed = [files[0], ("vm.mf", manifest(files, algorithm)), *files[1:]]
    archive(path, listed)
