"""A bundle of Windows drivers: a directory with Amazon's packages and drivers.lock, which pins each of them.

Opening one looks at every file, so what the bundle lacks for a Windows release is known before a byte is copied.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from runner.guest.windows.archive import Archive
from runner.guest.windows.bundle_refusals import ArchiveChanged, BundleIncomplete, BundleMissing
from runner.guest.windows.contents import Contents
from runner.guest.windows.kit import Kit, Payload
from runner.guest.windows.releases import RELEASES
from schemas.document import read_document
from schemas.drivers import DriversLock, LockedPackage

LOCK = "drivers.lock"
_LOCK_MOST = 1024 * 1024


@dataclass(frozen=True)
class Lack:
    """What is missing for a release, in words."""

    release: str
    missing: str


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are what its lock says. `files` are the names that make it up, the lock among them."""

    directory: str
    files: tuple[str, ...]
    kits: tuple[Kit, ...]
    lacks: tuple[Lack, ...]

    def for_release(self, release: str) -> Kit:
        """What a release takes. Raises `BundleIncomplete`."""
        kit = next((each for each in self.kits if each.release == release), None)
        if kit is None:
            lack = next((each.missing for each in self.lacks if each.release == release), "it knows no such Windows")
            raise BundleIncomplete(self.directory, release, lack)
        return kit


def read_lock(directory: Path) -> DriversLock:
    """The lock of a bundle. Raises `BundleMissing`, and `DocumentDamaged` for one that is not as it was written."""
    path = directory / LOCK
    try:
        with path.open("rb") as file:
            text = file.read(_LOCK_MOST + 1)
    except OSError as error:
        raise BundleMissing(str(directory), f"{LOCK} cannot be read ({error.strerror})") from error
    return read_document(text[:_LOCK_MOST], "drivers", DriversLock, str(path))


def open_bundle(directory: Path) -> Bundle:
    """Check every file against the lock and find out what each release takes.

    Raises `BundleMissing`, `ArchiveChanged`, `ArchiveHostile`, `InfBroken` and `DocumentDamaged`.
    """
    lock = read_lock(directory)
    for package in lock.packages:
        verify(directory / package.file, package)
    with Contents(directory, lock.packages) as contents:
        kits, lacks = [], []
        for release in RELEASES:
            missing = contents.missing(release)
            if missing:
                lacks.append(Lack(release.name, ", ".join(missing)))
            else:
                kits.append(contents.kit(release))
    return Bundle(str(directory), (LOCK, *(each.file for each in lock.packages)), tuple(kits), tuple(lacks))


def read_payload(directory: Path, payload: Payload) -> bytes:
    """The bytes of a file that a kit names. Raises `ArchiveHostile`."""
    if not payload.member:
        return (directory / payload.archive).read_bytes()
    with Archive(directory / payload.archive) as archive:
        return archive.read(payload.member)


def verify(path: Path, package: LockedPackage) -> None:
    """Raise `ArchiveChanged` or `BundleMissing` unless a file is the one the lock pins."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleMissing(str(path.parent), f"{path.name} cannot be read ({error.strerror})") from error
    if found != package.sha256:
        raise ArchiveChanged(str(path), package.sha256, found)
