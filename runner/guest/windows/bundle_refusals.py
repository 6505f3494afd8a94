"""Why a bundle of drivers is refused: one class a reason."""

from __future__ import annotations

from schemas.errors import HotaddError, IntegrityViolated, Refused


class InfBroken(Refused):
    """An INF file breaks the rules of its format, or a bound that keeps a hostile one from filling the memory."""

    def __init__(self, inf: str, fault: str) -> None:
        super().__init__(f"The driver description {inf} cannot be read: {fault}.", "Fetch the bundle again.")
        self.inf = inf
        self.fault = fault


class BundleMissing(Refused):
    """The directory holds no bundle."""

    def __init__(self, directory: str, reason: str) -> None:
        super().__init__(
            f"{directory} holds no bundle of Windows drivers: {reason}.",
            f"Make one with `hotadd drivers fetch {directory}` on a machine with internet, and copy it here.",
        )
        self.directory = directory
        self.reason = reason


class BundleIncomplete(Refused):
    """The bundle lacks what a Windows release needs."""

    def __init__(self, directory: str, release: str, missing: str) -> None:
        super().__init__(
            f"The bundle {directory} lacks what {release} needs: {missing}.",
            f"Add it with `hotadd drivers fetch {directory}` on a machine with internet.",
        )
        self.directory = directory
        self.release = release
        self.missing = missing


class ArchiveChanged(IntegrityViolated):
    """A file of the bundle is not the one its lock file names."""

    def __init__(self, file: str, expected: str, found: str) -> None:
        super().__init__(
            f"{file} is not what drivers.lock pins: its SHA-256 is {found}, not {expected}.",
            "Do not use it; remove it and fetch it again, or copy the bundle again.",
        )
        self.file = file
        self.expected = expected
        self.found = found


class ArchiveHostile(Refused):
    """A ZIP archive holds what no driver package has."""

    def __init__(self, file: str, fault: str) -> None:
        super().__init__(f"{file} is no driver package: {fault}.", "Do not use it; fetch it again.")
        self.file = file
        self.fault = fault


class VersionSkipped(Refused):
    """The newest version is one that must not be used."""

    def __init__(self, product: str, version: str) -> None:
        super().__init__(
            f"The newest {product} is {version}, which is known to fail.",
            f"Name another version with `--{product} VERSION`.",
        )
        self.product = product
        self.version = version


class FetchFailed(HotaddError):
    """A download failed."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} could not be fetched: {reason}.", "Check the connection, and run it again.")
        self.url = url
        self.reason = reason


class LockDiffers(IntegrityViolated):
    """What is published now is not what the lock pins."""

    def __init__(self, url: str, expected: str, found: str) -> None:
        super().__init__(
            f"{url} is not what drivers.lock pins: its SHA-256 is {found}, not {expected}.",
            "If a newer version came out, take it with --update; a numbered version never changes: do not use it.",
        )
        self.url = url
        self.expected = expected
        self.found = found


class PinDiffers(Refused):
    """A version is asked for, and the bundle's lock pins another."""

    def __init__(self, product: str, version: str, url: str) -> None:
        super().__init__(
            f"{product} {version} is asked for, and drivers.lock pins {url}.",
            "Take the version that you name with --update, or leave it out to keep the locked one.",
        )
        self.product = product
        self.version = version
        self.url = url


class MirrorUnsafe(Refused):
    """Drivers would come from a place that anybody on the way could change."""

    def __init__(self, mirror: str) -> None:
        super().__init__(
            f"{mirror} is no safe place to fetch drivers from.",
            "Name https://..., file:///..., or http://127.0.0.1:PORT for a server on this machine.",
        )
        self.mirror = mirror


EVERY = (*(InfBroken, BundleMissing, BundleIncomplete, ArchiveChanged, ArchiveHostile, VersionSkipped, FetchFailed),)
