"""What is wrong with the storage of a guest, so that nothing is written to it."""

from __future__ import annotations

from schemas.errors import Refused


class FeatureUnknown(Refused):
    """A file system has a feature that the appliance's kernel does not write."""

    def __init__(self, device: str, type: str, feature: str, word: str, bit: int, since: str, kernel: str) -> None:
        need = f"Linux {since} and later know it" if since else "no Linux that hotadd knows of writes such a one"
        super().__init__(
            f"The {type} file system on {device} has the feature {feature} (bit {bit} of its {word} features), which "
            f"the kernel {kernel} of this machine, where it would be mounted, does not know: {need}.",
            "Run hotadd on a machine with a newer kernel." if since else "Leave this machine to another tool.",
        )
        self.device, self.type, self.feature, self.word = device, type, feature, word
        self.bit, self.since, self.kernel = bit, since, kernel


class FileSystemUnmountable(Refused):
    """No system was found, and a file system could not be looked into."""

    def __init__(self, device: str, type: str, kernel: str, said: str) -> None:
        super().__init__(
            f"The {type} file system on {device} cannot be mounted by the kernel {kernel} of this machine: {said}",
            "If that kernel has no driver for it, run hotadd on a machine whose kernel has one; else check it in the "
            "guest.",
        )
        self.device, self.type, self.kernel, self.said = device, type, kernel, said


class JournalLost(Refused):
    """What was being written when the disks were copied lies in a journal that cannot be replayed."""

    def __init__(self, device: str, type: str, said: str) -> None:
        super().__init__(
            f"The {type} file system on {device} was in use when it was copied, and its journal cannot be replayed: "
            f"{said}",
            "Shut the guest down, so that its file systems are unmounted, and run again.",
        )
        self.device, self.type, self.said = device, type, said


class ArrayUnfit(Refused):
    """A software RAID array lacks members, or was not in sync when it was copied."""

    def __init__(self, array: str, level: str, reason: str) -> None:
        super().__init__(
            f"The software RAID array {array} ({level}) {reason}; to start it would write to all of its disks.",
            "Let it come into sync in the guest, shut the guest down, and see that all of its disks are in the spec.",
        )
        self.array, self.level, self.reason = array, level, reason


class VolumeGroupIncomplete(Refused):
    """An LVM volume group lacks physical volumes."""

    def __init__(self, group: str, missing: int) -> None:
        super().__init__(
            f"The volume group {group} lacks {missing} of its physical volumes.",
            "Add the disks that are missing to the spec.",
        )
        self.group, self.missing = group, missing


class DevicesMissing(Refused):
    """A Btrfs file system lies on more devices than the machine's disks hold."""

    def __init__(self, device: str, expected: int, found: int) -> None:
        super().__init__(
            f"The btrfs file system on {device} lies on {expected} devices; the disks of this machine hold {found}.",
            "Add the disks that are missing to the spec.",
        )
        self.device, self.expected, self.found = device, expected, found


class TooManyVolumes(Refused):
    """The disks hold more partitions and volumes than any honest machine."""

    def __init__(self, found: int, most: int) -> None:
        super().__init__(
            f"The disks of this machine hold {found} partitions and volumes; hotadd looks into {most} at most.",
            "Leave this machine to another tool.",
        )
        self.found, self.most = found, most


KINDS = (
    *(FeatureUnknown, FileSystemUnmountable, JournalLost),
    *(ArrayUnfit, VolumeGroupIncomplete, DevicesMissing, TooManyVolumes),
)
