"""A bundle of Windows drivers: a directory with Amazon's packages and drivers.lock, which pins each of them.

Opening one looks at every file, so what the bundle lacks for a Windows release is known before a byte is copied.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from runner.guest.windows.archive import Archive
from runner.guest.windows.bundle_refusals import ArchiveChanged, BundleMissing
from runner.guest.windows.contents import Contents
from runner.guest.windows.kit import Bundle, Lack, Payload
from runner.guest.windows.releases import RELEASES
from schemas.document import read_document
from schemas.drivers import DriversLock, LockedPackage

LOCK = "drivers.lock"
_LOCK_MOST = 1024 * 1024


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
    """Check every file against the lock and find out what each release takes, in each of its builds.

    Raises `BundleMissing`, `ArchiveChanged`, `ArchiveHostile`, `InfBroken` and `DocumentDamaged`.
    """
    lock = read_lock(directory)
    for package in lock.packages:
        verify(directory / package.file, package)
    with Contents(directory, lock.packages) as contents:
        kits, lacks = [], []
        for release in RELEASES:
            for build in contents.builds(release):
                missing = contents.missing(release, build)
                if missing:
                    lacks.append(Lack(release.name, build, ", ".join(missing)))
                else:
                    kits.append(contents.kit(release, build))
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
