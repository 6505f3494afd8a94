"""Makes a bundle: downloads Amazon's packages, pins what came first, and takes nothing else afterwards.

Amazon publishes no digests for them, so the first download is trusted for its TLS and pinned by its SHA-256; from then
on, and on every machine that the lock file goes to, a file with another digest is refused.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from runner.atomic import write_atomically
from runner.guest.windows.bundle import LOCK, read_lock, verify
from runner.guest.windows.bundle_refusals import (
    ArchiveHostile,
    FetchFailed,
    LockDiffers,
    MirrorUnsafe,
    PinDiffers,
    VersionSkipped,
)
from runner.guest.windows.contents import versions_in
from runner.guest.windows.releases import LATEST, SKIPPED, Wanted
from schemas.document import write_document
from schemas.drivers import DriversLock, LockedPackage, Product

AMAZON = "https://s3.amazonaws.com"
_SIZE_MOST = 512 * 1024 * 1024  # bytes; Amazon's largest has some 60 MiB
_CHUNK = 1024 * 1024
_SECONDS = 60.0  # for a connection, and for each piece that it brings
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_MSI_MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")  # an OLE compound file (MS-CFB), which a Windows Installer package is


def fetch(
    directory: Path,
    wanted: Iterable[Wanted],
    *,
    mirror: str = AMAZON,
    pins: Mapping[Product, str] | None = None,
    update: bool = False,
    said: Callable[[str], None] = lambda _: None,
) -> DriversLock:
    """Make the bundle hold all that is wanted; what it holds already and its lock pins is not fetched again.

    `pins` give versions to take for "latest". With `update` a package may be another than the locked one. `said` gets a
    line a package. Raises `MirrorUnsafe`, `FetchFailed`, `LockDiffers`, `PinDiffers`, `VersionSkipped`,
    `ArchiveHostile`, and what `read_lock` and `verify` raise.
    """
    _check_mirror(mirror)
    directory.mkdir(parents=True, exist_ok=True)
    packages = {each.file: each for each in read_lock(directory).packages} if (directory / LOCK).exists() else {}
    for each in dict.fromkeys(wanted):
        version = (pins or {}).get(each.product, LATEST) if each.version == LATEST else each.version
        path = Wanted(each.product, version).path
        locked = packages.get(each.file)
        if locked is not None and not update:
            if version != each.version and not locked.url.endswith(path):
                raise PinDiffers(each.product, version, locked.url)
            path = _locked_path(path, locked)
        if locked is not None and not update and (directory / each.file).exists():
            verify(directory / each.file, locked)
            said(f"{each.file}: already there, as {LOCK} pins it.")
            continue
        url = f"{mirror.rstrip('/')}/{path}"
        fetched = _download(directory, each, url)
        try:
            if locked is not None and not update and fetched.sha256 != locked.sha256:
                raise LockDiffers(url, locked.sha256, fetched.sha256)
            _look_at(directory / _part(each.file), each)
            os.replace(directory / _part(each.file), directory / each.file)
        finally:
            (directory / _part(each.file)).unlink(missing_ok=True)
        same = locked is not None and locked.sha256 == fetched.sha256
        packages[each.file] = locked if locked is not None and same else fetched
        lock = DriversLock(1, tuple(packages[file] for file in sorted(packages)))
        write_atomically(directory / LOCK, write_document(lock, "drivers"))
        how = "as the lock pins it" if same else "pinned now; nothing vouches for it but TLS"
        said(f"{each.file}: {fetched.bytes} bytes from {url}, {how}.")
    return read_lock(directory)


def _locked_path(path: str, locked: LockedPackage) -> str:
    """The path below a mirror that the lock was made from: its "latest" may be a version that a pin named."""
    bucket = path.split("/")[0] + "/"
    _, found, key = locked.url.partition(f"/{bucket}")
    return bucket + key if found else path


def _check_mirror(mirror: str) -> None:
    parts = urlsplit(mirror)
    loopback = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not (parts.scheme in ("https", "file") or loopback) or parts.query or parts.fragment:
        raise MirrorUnsafe(mirror)
    if not re.fullmatch(r"[!-~]{1,1000}", mirror):
        raise MirrorUnsafe(mirror)


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows a redirect from https to https alone."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urlsplit(newurl).scheme != "https":
            raise FetchFailed(req.full_url, f"it leads to {newurl[:200]}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _part(file: str) -> str:
    return f".{file}.part"


def _download(directory: Path, wanted: Wanted, url: str) -> LockedPackage:
    digest = hashlib.sha256()
    total = 0
    opener = urllib.request.build_opener(_NoDowngrade())
    part = directory / _part(wanted.file)
    try:
        with opener.open(url, timeout=_SECONDS) as answer, part.open("wb") as file:
            while chunk := answer.read(_CHUNK):
                total += len(chunk)
                if total > _SIZE_MOST:
                    raise FetchFailed(url, f"it has more than {_SIZE_MOST} bytes")
                digest.update(chunk)
                file.write(chunk)
            _complete(answer, total, url)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, http.client.HTTPException, ValueError) as error:
        part.unlink(missing_ok=True)
        raise FetchFailed(url, str(error)) from error
    except FetchFailed:
        part.unlink(missing_ok=True)
        raise
    return LockedPackage(wanted.product, wanted.version, url, wanted.file, total, digest.hexdigest())


def _complete(answer: IO[bytes], total: int, url: str) -> None:
    """A connection that ends early ends the file early: urllib says nothing when it is read in pieces."""
    stated = getattr(answer, "headers", {}).get("Content-Length")
    if total == 0 or (stated is not None and stated != str(total)):
        raise FetchFailed(url, f"it ended after {total} bytes of {stated or 'an unknown number'}")


def _look_at(path: Path, wanted: Wanted) -> None:
    """What was fetched is of its kind, and no version that must not be used."""
    if wanted.file.endswith(".msi"):
        with path.open("rb") as file:
            if file.read(len(_MSI_MAGIC)) != _MSI_MAGIC:
                raise ArchiveHostile(wanted.file, "it is no Windows Installer package")
        return
    for version in versions_in(path):
        for skipped in SKIPPED.get(wanted.product, ()):
            if version == skipped or version.startswith(f"{skipped}."):
                raise VersionSkipped(wanted.product, version)
