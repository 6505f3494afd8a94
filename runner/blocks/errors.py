"""What can go wrong between a source and a device, with the offset and the cause."""

from __future__ import annotations

import errno
import os

from schemas.errors import HotaddError, IntegrityViolated, Refused


class SourceMissing(Refused):
    """The source's file is not there."""

    def __init__(self, location: str) -> None:
        super().__init__(
            f"The source disk {location} does not exist.", "Check the path, and that its file system is mounted."
        )
        self.location = location


class SourceUnusable(Refused):
    """The source is there and cannot be read as a disk (a directory, a pipe, no permission)."""

    def __init__(self, location: str, reason: str) -> None:
        super().__init__(
            f"The source {location} cannot be read as a disk: {reason}.", "Name the disk image itself, readable for us."
        )
        self.location = location
        self.reason = reason


class SourceEmpty(Refused):
    """The source has no bytes."""

    def __init__(self, location: str) -> None:
        super().__init__(f"The source disk {location} is empty (0 bytes).", "Check that its export or upload finished.")
        self.location = location


class FormatUnknown(Refused):
    """No reader for this format."""

    def __init__(self, format: str, known: tuple[str, ...]) -> None:
        super().__init__(
            f"The source format {format!r} is not supported.",
            f"State one of: {', '.join(known)}; or convert the image with qemu-img first.",
        )
        self.format = format
        self.known = known


class DeviceMissing(Refused):
    """The target is not there."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"The target {path} does not exist.", "Attach the volume, or make a file with truncate -s SIZE."
        )
        self.path = path


class DeviceUnusable(Refused):
    """The target is there and cannot be opened as a disk."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"The target {path} cannot be opened as a disk: {reason}.", "Name a block device or a regular file."
        )
        self.path = path
        self.reason = reason


class DeviceBusy(Refused):
    """Somebody else holds the block device: a mount, LVM, md, multipath or another copy."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"The target {path} is in use by somebody else on this machine.",
            f"See what holds it: lsblk {path}; then unmount or deactivate that.",
        )
        self.path = path


class DeviceTooSmall(Refused):
    """The target has fewer bytes than the source."""

    def __init__(self, path: str, size: int, needed: int) -> None:
        super().__init__(
            f"The target {path} has {size} bytes, the source {needed}.", "Use a target of at least the source's size."
        )
        self.path = path
        self.size = size
        self.needed = needed


class SameDisk(Refused):
    """Source and target are one and the same."""

    def __init__(self, path: str) -> None:
        super().__init__(f"Source and target are the same disk: {path}.", "Name another target.")
        self.path = path


class ShortRead(HotaddError):
    """A source or device ended before the bytes that were asked for. Offsets and lengths are in bytes."""

    def __init__(self, location: str, offset: int, wanted: int, got: int) -> None:
        super().__init__(
            f"{location} gave {got} of {wanted} bytes at offset {offset}.",
            "It was truncated, or it is damaged: check it with a full read.",
        )
        self.location = location
        self.offset = offset
        self.wanted = wanted
        self.got = got


class _InputOutputFailed(HotaddError):
    """Base of what the kernel refused, with place and errno."""

    verb = ""

    def __init__(self, location: str, offset: int, cause: OSError) -> None:
        where = f" at offset {offset}" if offset >= 0 else ""
        what = os.strerror(cause.errno) if cause.errno else str(cause)
        super().__init__(
            f"{self.verb} {location}{where} failed: {what}.",
            "Look at the kernel log (dmesg) of this machine; then run the same command again, it goes on from here.",
        )
        self.location = location
        self.offset = offset
        self.cause = cause


class ReadFailed(_InputOutputFailed):
    """A read failed; `offset` in bytes, `cause` the OSError."""

    verb = "Reading"


class WriteFailed(_InputOutputFailed):
    """A write failed; `offset` in bytes, `cause` the OSError."""

    verb = "Writing"


class FlushFailed(_InputOutputFailed):
    """A device flush failed: nothing since the flush before it is known to be on the device. `offset` is -1."""

    verb = "Flushing"


class RecordFailed(HotaddError):
    """The digest file or the checkpoint cannot be written or read; what is on the target is not lost."""

    def __init__(self, path: str, cause: OSError) -> None:
        super().__init__(
            f"The record of the copy, {path}, failed: {os.strerror(cause.errno or errno.EIO)}.",
            "Make room for it, or check the directory's rights; then run the same command again.",
        )
        self.path = path
        self.cause = cause


class SourceChanged(HotaddError):
    """The source is not what it was when the copy began."""

    def __init__(self, location: str, what: str) -> None:
        super().__init__(
            f"The source {location} changed while it was read: {what}.",
            "Shut the guest down or copy from a snapshot; then run the same command again, it starts over.",
        )
        self.location = location
        self.what = what


class ExtentsBroken(HotaddError):
    """A reader listed extents with a gap or an overlap; `offset` in bytes is where."""

    def __init__(self, offset: int, expected: int) -> None:
        super().__init__(
            f"The source's extents go on at byte {offset} where {expected} was due.", "The image's map is damaged."
        )
        self.offset = offset
        self.expected = expected


class Stopped(HotaddError):
    """The user asked to stop. What is copied is flushed and remembered."""

    def __init__(self, disk: str, copied: int, total: int) -> None:
        super().__init__(
            f"Stopped disk {disk} after {copied} of {total} bytes, as asked.", "The same command goes on from there."
        )
        self.disk = disk
        self.copied = copied
        self.total = total


class DigestsDamaged(IntegrityViolated):
    """A digest file is not what its header says."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"The digest file {path} is damaged: {reason}.", "Restore it from its copy, or run with --repair."
        )
        self.path = path
        self.reason = reason


class ReadBackDiffers(IntegrityViolated):
    """The device does not hold what was written; `offset` and `length` in bytes are the first differing range."""

    def __init__(self, path: str, offset: int, length: int, blocks: int) -> None:
        super().__init__(
            f"{path} reads back other bytes than were written: {blocks} blocks, the first at offset {offset}.",
            "Do not use this volume: something else writes to it, or it is faulty. Replace it and copy again.",
        )
        self.path = path
        self.offset = offset
        self.length = length
        self.blocks = blocks


class ImageRefused(Refused):
    """A disk image breaks a rule of its format, or one of ours for images that nobody vouches for."""

    def __init__(
        self, location: str, field: str, rule: str, hint: str = "Export the disk anew; the image may be damaged."
    ) -> None:
        super().__init__(f"The image {location} is refused: {field}: {rule}.", hint)
        self.location = location
        self.field = field
        self.rule = rule


class FileMissing(ImageRefused):
    """An image or package names a file that is not there."""

    def __init__(self, location: str, name: str) -> None:
        super().__init__(
            location, "file", f"{name[:80]!r}, which it names, is missing", "Put all files of the machine together."
        )
        self.name = name


class ImageDamaged(HotaddError):
    """A piece of an image cannot be read as what it must be; `offset` is the disk's byte it stands for."""

    def __init__(self, location: str, offset: int, reason: str) -> None:
        super().__init__(
            f"The image {location} is damaged where the disk's byte {offset} lies: {reason}.", "Export the disk anew."
        )
        self.location = location
        self.offset = offset
        self.reason = reason


class SourceShrank(Refused):
    """The source is smaller than the generation that a delta starts from; sizes in bytes."""

    def __init__(self, location: str, size: int, before: int) -> None:
        super().__init__(
            f"The source {location} has {size} bytes, the earlier generation {before}.",
            "Disks only grow: name the right disk, or replicate this one anew.",
        )
        self.location = location
        self.size = size
        self.before = before


class ChangesIncomplete(IntegrityViolated):
    """The source differs where the change list says nothing; `offset` in bytes is the first such block's."""

    def __init__(self, location: str, offset: int, blocks: int) -> None:
        super().__init__(
            f"The change list of {location} is incomplete: {blocks} blocks differ that it does not name, "
            f"the first at offset {offset}.",
            "Run without the change list, and reset change tracking on the source.",
        )
        self.location = location
        self.offset = offset
        self.blocks = blocks


class PackageDiffers(Refused):
    """A file of an OVF package has not the digest that the package's manifest states; both in hex."""

    def __init__(self, location: str, algorithm: str, stated: str, actual: str) -> None:
        super().__init__(
            f"The {algorithm.upper()} of {location} is {actual}, its manifest says {stated}.",
            "It was changed or damaged on its way: export or fetch it again.",
        )
        self.location = location
        self.algorithm = algorithm
        self.stated = stated
        self.actual = actual
