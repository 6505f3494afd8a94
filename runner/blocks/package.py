"""Packages of a machine: an OVA, which is a tar read in place, or an OVF description with its files beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from runner.blocks.bytefile import ByteFile, FilePart, open_local
from runner.blocks.errors import FileMissing, ImageRefused
from runner.blocks.gzip_part import GzipPart
from runner.blocks.ovf import OvfDescription, OvfDisk, OvfFile, disk_files, parse_ovf, said_files
from runner.blocks.ovf_digests import MAX_MANIFEST, StatedDigest, check_digest, parse_manifest
from runner.blocks.tar_index import TarFile, read_tar_index
from runner.blocks.vmdk import VmdkSource
from runner.blocks.xml_tree import MAX_XML


class Package(Protocol):
    """Files that belong together, one of them the description."""

    @property
    def path(self) -> str:
        """The package's own path."""

    @property
    def description(self) -> str:
        """The description's name."""

    def has(self, name: str) -> bool:
        """Whether there is a file of this name; raises `ImageRefused` if it is a link or device."""

    def open(self, name: str) -> ByteFile:
        """The file of this name; closing the package closes it. Raises `ImageRefused` if there is none."""

    def hand_over(self, name: str) -> ByteFile:
        """The file, which is the caller's to close from now on; the rest of the package is closed."""

    def close(self) -> None:
        """Close it and all files of it."""


class OvaPackage:
    """The files of a tar archive. Owns the archive."""

    def __init__(self, archive: ByteFile) -> None:
        self.path = archive.path
        self._archive = archive
        try:
            self._files = read_tar_index(archive)
            texts = [name for name in self._files if name.lower().endswith(".ovf")]
            if len(texts) != 1:
                raise ImageRefused(
                    self.path, "description", f"it holds {len(texts)} .ovf files, not one", "Name an OVA, made whole."
                )
        except BaseException:
            self.close()
            raise
        self.description = texts[0]

    def has(self, name: str) -> bool:
        """Whether the archive holds it."""
        return name in self._files

    def open(self, name: str) -> ByteFile:
        """A part of the archive."""
        file: TarFile | None = self._files.get(name)
        if file is None:
            raise FileMissing(self.path, name)
        return FilePart(self._archive, file.start, file.size, name)

    def hand_over(self, name: str) -> ByteFile:
        """A part that owns the archive."""
        return self.open(name)

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()


class OvfPackage:
    """A description, and the files of its folder. Owns all that it opens."""

    def __init__(self, description: ByteFile) -> None:
        self.path = description.path
        self.description = os.path.basename(description.path)
        self._files: dict[str, ByteFile] = {self.description: description}

    def has(self, name: str) -> bool:
        """Whether the folder holds it; raises `ImageRefused` if what it holds cannot be used."""
        try:
            self.open(name)
        except FileMissing:
            return False
        return True

    def open(self, name: str) -> ByteFile:
        """A file of the folder, opened once."""
        if name not in self._files:
            self._files[name] = self._files[self.description].beside(name)
        return self._files[name]

    def hand_over(self, name: str) -> ByteFile:
        """The file itself."""
        file = self.open(name)
        del self._files[name]
        self.close()
        return file

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()


PACKAGES: dict[str, Callable[[ByteFile], Package]] = {"ova": OvaPackage, "ovf": OvfPackage}


@dataclass(frozen=True, slots=True)
class PackageCheck:
    """What `check_package` found. `files` were read whole and have the digests that the manifest states.

    `files` is empty without a manifest. A certificate (.cert) signs the manifest; the signature itself is not checked.
    """

    files: tuple[str, ...]
    certificate: bool


def describe_package(file: ByteFile, format: str) -> OvfDescription:
    """The machine in an open package of the format "ova" or "ovf", which is closed; raises `ImageRefused`."""
    package = PACKAGES[format](file)
    try:
        return parse_ovf(_text(package), package.path)
    finally:
        package.close()


def read_ovf(location: str) -> OvfDescription:
    """The machine in a local package; a name that ends in .ova says OVA, any other OVF.

    Raises `SourceMissing`, `SourceUnusable`, `ImageRefused`.
    """
    return describe_package(open_local(location), "ova" if location.lower().endswith(".ova") else "ovf")


def open_disk(file: ByteFile, format: str, member: str) -> VmdkSource:
    """A disk of an open package as a source, which owns the package; `member` is its file's name ("": the only one).

    The manifest's digest of the description is checked, that of the disk is not: that would read it twice, and
    `check_package` does it. Raises `ImageRefused`, `PackageDiffers`, `SourceEmpty`.
    """
    package = PACKAGES[format](file)
    try:
        text = _text(package)
        stated = _manifest(package)
        if stated:
            check_digest(package.open(package.description), _stated(stated, package.description, package))
        disk, name = _pick(package, disk_files(text, package.path), member)
        # The format is a URI that VMware has changed twice; it may be missing, and then the name says it.
        if "vmdk" not in (disk.format or name).lower():
            raise ImageRefused(
                package.path, "format", f"{name} is {disk.format[:100]!r}; only VMDK is supported", "Export it as VMDK."
            )
        opened = package.hand_over(name)
    except BaseException:
        package.close()
        raise
    return VmdkSource(GzipPart(opened) if disk.file is not None and disk.file.compressed else opened)


def open_ova(file: ByteFile, member: str) -> VmdkSource:
    """`open_disk` of an OVA."""
    return open_disk(file, "ova", member)


def open_ovf(file: ByteFile, member: str) -> VmdkSource:
    """`open_disk` of an OVF description with its files beside it."""
    return open_disk(file, "ovf", member)


def check_package(file: ByteFile, format: str, member: str = "") -> PackageCheck:
    """Read the description and the disk's file (all disks' without `member`) and hold them against the manifest.

    The file is closed. Raises `PackageDiffers`, `ImageRefused`, `OSError`.
    """
    package = PACKAGES[format](file)
    try:
        certificate = package.has(_beside(package, ".cert"))
        stated = _manifest(package)
        if not stated:
            return PackageCheck((), certificate)
        names = [package.description]
        for said in said_files(_text(package), package.path):
            name = _name_in(package, said)
            if not member or name == member:
                names.append(name)
        for name in names:
            check_digest(package.open(name), _stated(stated, name, package))
        return PackageCheck(tuple(names), certificate)
    finally:
        package.close()


def _pick(package: Package, disks: tuple[OvfDisk, ...], member: str) -> tuple[OvfDisk, str]:
    named = [(disk, _name_in(package, disk.file)) for disk in disks if disk.file is not None]
    found = [pair for pair in named if not member or pair[1] == member]
    if len(found) == 1:
        return found[0]
    names = ", ".join(name for _, name in named) or "none"
    reason = f"the package has no disk {member[:80]!r}" if member else f"the package has {len(named)} disks"
    raise ImageRefused(package.path, "member", reason, f"Name one of its disks: {names}.")


def _name_in(package: Package, file: OvfFile) -> str:
    """A href is a URL, where a blank is %20; not everybody writes it so."""
    return file.name if package.has(file.name) else unquote(file.name)


def _beside(package: Package, ending: str) -> str:
    return os.path.splitext(package.description)[0] + ending


def _manifest(package: Package) -> dict[str, StatedDigest]:
    name = _beside(package, ".mf")
    if not package.has(name):
        return {}
    return parse_manifest(_read(package.open(name), MAX_MANIFEST, "manifest"), f"{package.path} ({name})")


def _stated(stated: dict[str, StatedDigest], name: str, package: Package) -> StatedDigest:
    if name not in stated:
        raise ImageRefused(package.path, "manifest", f"it has no digest of {name!r}")
    return stated[name]


def _text(package: Package) -> bytes:
    return _read(package.open(package.description), MAX_XML, "description")


def _read(file: ByteFile, most: int, field: str) -> bytes:
    if file.size > most:
        raise ImageRefused(file.path, field, f"it has {file.size} bytes, {most} are allowed")
    data = bytearray(file.size)
    file.read_into(0, memoryview(data))
    return bytes(data)
