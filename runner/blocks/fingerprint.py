"""What tells whether a disk is still the one it was."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Of a source: bytes, modification in nanoseconds since the epoch, inode and file system's device number.

    Of a source in several files: their bytes together, the latest modification, and the first one's inode.
    `version` pins what has no inode: the version and ETag of an S3 object. Of an NBD export the size alone is known.
    A block device has no modification time that means anything: its `mtime_ns` is 0 and `device` its own number.
    """

    size: int
    mtime_ns: int
    inode: int
    device: int
    version: str = ""

    def to_document(self) -> dict[str, int | str]:
        """For the manifest and the checkpoint."""
        return asdict(self)

    def changes(self, later: Fingerprint) -> str:
        """Which fields differ, in words; empty if none."""
        names = [f.name for f in fields(self) if getattr(self, f.name) != getattr(later, f.name)]
        return ", ".join(f"{n} was {getattr(self, n)}, is {getattr(later, n)}" for n in names)


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """Of a target: its path as given, bytes, and for a regular file inode and file system's device number.

    A block device's node is made anew whenever it is attached, so its inode says nothing: both are 0. The path of
    an EBS volume (by-id) holds the volume's id.
    """

    path: str
    size: int
    inode: int
    device: int

    def to_document(self) -> dict[str, str | int]:
        """For the checkpoint."""
        return asdict(self)
