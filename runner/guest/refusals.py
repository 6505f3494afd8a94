"""Why a guest is refused or its conversion failed: one class a reason.

Conversion runs in a process of its own, so these cross a pipe: every class keeps the values it was made from, and
`revive` makes it again from its name and those values.
"""

from __future__ import annotations

from typing import ClassVar

from runner.guest.boot.refusals import BOOT
from runner.guest.storage.refusals import KINDS as STORAGE
from runner.guest.windows.bundle_refusals import EVERY as BUNDLE
from runner.guest.windows.refusals import HiveBroken
from runner.guest.windows.volume_refusals import EVERY as WINDOWS
from schemas.errors import HotaddError, IntegrityViolated, Refused

Value = str | int


class GuestUnknown(Refused):
    """No disk holds a system that hotadd knows."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"No disk of this machine holds a Linux or Windows system that hotadd can find (file systems: {found}).",
            "Check that all disks of the machine are in the spec and that none is encrypted.",
        )
        self.found = found


class FamilyUnsupported(Refused):
    """The guest's distribution makes its initramfs with tools that no family here drives."""

    def __init__(self, product: str) -> None:
        super().__init__(
            f"{product} has neither update-initramfs nor dracut, one of which must make its initramfs.",
            "Install the one of its distribution in the guest, or leave this machine to another tool.",
        )
        self.product = product


class EncryptedSystem(Refused):
    """The guest's system, or a part without which it does not come up, lies in a LUKS volume."""

    def __init__(self, device: str, mount: str, keys: int = 0, failed: str = "") -> None:
        none = "hotadd has no key to make it bootable" if not keys else f"none of the {keys} keys given opens it"
        other = "decrypt it in the guest (cryptsetup reencrypt --decrypt) and let EBS encrypt the volumes instead"
        give = "Name a file with its passphrase in the spec (`guest: {luks_keys: [FILE]}`; `hotadd inspect --luks-key`)"
        again = "Check the files (in the guest: cryptsetup open --test-passphrase --key-file FILE DEVICE)"
        if "memory" in failed:
            again = "Run hotadd on a machine with 4 GiB of memory or more: opening it takes what its key slot states"
        super().__init__(
            f"{mount} of the guest is encrypted with LUKS on {device}: {none}{f' ({failed})' if failed else ''}.",
            f"{again if keys else give}, or {other}.",
        )
        self.device = device
        self.mount = mount
        self.keys = keys
        self.failed = failed


class OsMismatch(Refused):
    """The spec states another operating system than the disks hold."""

    def __init__(self, stated: str, found: str) -> None:
        super().__init__(
            f"The spec says source.os: {stated}, but the disks hold {found}.", "Correct source.os, or name other disks."
        )
        self.stated = stated
        self.found = found


class FirmwareMismatch(Refused):
    """The guest's boot loader is for another firmware than the spec states."""

    def __init__(self, stated: str, found: str) -> None:
        super().__init__(
            f"The spec says source.firmware: {stated}, but the boot disk is laid out for {found}.",
            f"Set source.firmware: {found}, and take a shell AMI with that boot mode.",
        )
        self.stated = stated
        self.found = found


class StaticNetwork(Refused):
    """The guest has a fixed address and the spec does not allow to drop it."""

    def __init__(self, file: str, line: int, address: str) -> None:
        super().__init__(
            f"{file}:{line}: the guest has the fixed address {address}, which it cannot keep on EC2.",
            "Set `network: dhcp` in the spec: the guest then takes the address that EC2 gives it.",
        )
        self.file = file
        self.line = line
        self.address = address


class NetworkUnknown(Refused):
    """Nothing in the guest would bring up a network on EC2, or it is a kind that hotadd cannot rewrite."""

    def __init__(self, product: str, reason: str) -> None:
        super().__init__(f"The network of {product} cannot be set to DHCP: {reason}.", "Set it up by hand first.")
        self.product = product
        self.reason = reason


class BootLoaderUnknown(Refused):
    """No configuration of a boot loader that hotadd can edit."""

    def __init__(self, product: str, looked: str) -> None:
        super().__init__(
            f"{product} has no boot loader configuration that hotadd knows (looked for {looked}).",
            "Install GRUB in the guest before it is replicated.",
        )
        self.product = product
        self.looked = looked


class DeviceUnmatched(Refused):
    """A device name that must work on EC2 cannot be turned into a UUID."""

    def __init__(self, file: str, line: int, device: str, reason: str) -> None:
        super().__init__(
            f"{file}:{line}: {device} has no stable name on EC2: {reason}.",
            "Name it by UUID in the guest, or add the disk that is missing to the spec.",
        )
        self.file = file
        self.line = line
        self.device = device
        self.reason = reason


class GuestUnlisted(Refused):
    """The guest's release is not in the support matrix (schemas/guests.json)."""

    def __init__(self, product: str, distribution: str, version: str) -> None:
        super().__init__(
            f"{product} ({f'{distribution} {version}'.strip() or 'no release file'}) is not in the support matrix.",
            "See docs/guests.md. Set `guest: {unlisted: try}` in the spec to have it converted by what it is made of.",
        )
        self.product = product
        self.distribution = distribution
        self.version = version


class WindowsUnlisted(Refused):
    """The Windows release or edition is not in the support matrix (schemas/guests.json)."""

    def __init__(self, product: str, build: int, edition: str) -> None:
        super().__init__(
            f"{product} (build {build}, {edition or 'no edition'}) is not in the support matrix.",
            "docs/guests.md lists the releases and editions of Windows that have drivers for EC2.",
        )
        self.product = product
        self.build = build
        self.edition = edition


class RootUnsupported(Refused):
    """The root file system is of a type that hotadd does not convert."""

    def __init__(self, device: str, type: str, supported: str) -> None:
        super().__init__(
            f"The root file system on {device} is {type}; guests with {supported} are supported.",
            "Leave this machine to another tool.",
        )
        self.device = device
        self.type = type
        self.supported = supported


class PartitionTableUnfit(Refused):
    """The root lies on a disk without a partition table that EC2's firmware reads."""

    def __init__(self, device: str, table: str, supported: str) -> None:
        super().__init__(
            f"The disk of {device} has a partition table of the kind {table}; {supported} are supported.",
            "Leave this machine to another tool.",
        )
        self.device = device
        self.table = table
        self.supported = supported


class HypervisorUnfit(Refused):
    """The destination's type runs on a hypervisor for which the guest lacks drivers."""

    def __init__(self, product: str, hypervisor: str, reason: str) -> None:
        other = "xen" if hypervisor == "nitro" else "nitro"
        super().__init__(
            f"{product} does not boot on instance types of the hypervisor {hypervisor}: {reason}.",
            f"Install a newer kernel in the guest first, or take a type of the other hypervisor ({other}), if "
            "`hotadd inspect` says that it boots there.",
        )
        self.product = product
        self.hypervisor = hypervisor
        self.reason = reason


class DriverMissing(Refused):
    """The default kernel of a guest has not the drivers of any of EC2's hypervisors."""

    def __init__(self, product: str, kernel: str, drivers: str) -> None:
        super().__init__(
            f"The default kernel of {product} ({kernel}) lacks drivers for EC2's disks and network cards, on Nitro and "
            f"on Xen ({drivers}).",
            "Install a newer kernel in the guest first.",
        )
        self.product = product
        self.kernel = kernel
        self.drivers = drivers


class NoSpace(Refused):
    """A file system of the guest is too full for what conversion writes."""

    def __init__(self, mount: str, free: int, needed: int) -> None:
        super().__init__(
            f"{mount} in the guest has {free} bytes free; conversion needs {needed}.",
            "Free some space in the guest (old kernels in /boot are the usual reason).",
        )
        self.mount = mount
        self.free = free
        self.needed = needed


class FileSystemDamaged(Refused):
    """A file system of the guest is not clean after its journal was replayed."""

    def __init__(self, device: str, said: str) -> None:
        super().__init__(f"The file system on {device} is damaged: {said}", "Repair it in the guest, then run again.")
        self.device = device
        self.said = said


class FileTooBig(Refused):
    """A configuration file is larger than any honest one."""

    def __init__(self, path: str, size: int, most: int) -> None:
        super().__init__(
            f"{path} in the guest has {size} bytes; a file of its kind has no more than {most}.", "Look at that file."
        )
        self.path = path
        self.size = size
        self.most = most


class DirectoryTooBig(Refused):
    """A configuration directory holds more names than any honest one."""

    def __init__(self, path: str, names: int, most: int) -> None:
        super().__init__(
            f"{path} in the guest holds {names} names; a directory of its kind has no more than {most}.",
            "Look at that directory.",
        )
        self.path = path
        self.names = names
        self.most = most


class ConfigurationTooBig(Refused):
    """All configuration files of a guest together are more than any honest one has. `size` in bytes, so far as read."""

    def __init__(self, files: int, size: int, most_files: int, most_size: int) -> None:
        super().__init__(
            f"The guest has {files} configuration files, of {size} bytes so far; at most {most_files} files and "
            f"{most_size} bytes are read.",
            "Look for what fills its /boot, /etc/udev/rules.d and the directories of its network.",
        )
        self.files = files
        self.size = size
        self.most_files = most_files
        self.most_size = most_size


class NoPlainFile(Refused):
    """What should be a configuration file is a FIFO, a device, a socket or a directory."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} in the guest is no plain file.", "Look at it: no system of this kind has it so.")
        self.path = path


class GuestProgramEndless(Refused):
    """A program of the guest, run in the appliance, did not end. `seconds` is its time limit."""

    def __init__(self, program: str, seconds: int) -> None:
        super().__init__(
            f"{program} of the guest did not end within {seconds} seconds.",
            "See what it waits for in the guest; nothing was written to a volume.",
        )
        self.program = program
        self.seconds = seconds


class ConversionFailed(HotaddError):
    """libguestfs, its appliance or a program of the guest failed."""

    def __init__(self, doing: str, said: str) -> None:
        super().__init__(f"Conversion failed while {doing}: {said}", "The volumes are untouched; run it again.")
        self.doing = doing
        self.said = said


class ScratchFull(HotaddError):
    """The directory in which guests are converted lies on a full file system."""

    def __init__(self, directory: str, free: int, needed: int) -> None:
        super().__init__(
            f"{directory} has {free >> 20} MiB free; the conversion of a guest needs {needed >> 20} MiB there.",
            "Make room on this machine, and run the same command again; the volumes are untouched.",
        )
        self.directory = directory
        self.free = free
        self.needed = needed


class InitramfsIncomplete(HotaddError):
    """The guest's own tool built an initramfs without a driver it was asked for."""

    def __init__(self, initramfs: str, missing: str) -> None:
        super().__init__(
            f"{initramfs} was rebuilt, but holds no {missing}.",
            "See what the guest's update-initramfs says about it; the volumes are untouched.",
        )
        self.initramfs = initramfs
        self.missing = missing


class OverlayDamaged(IntegrityViolated):
    """An overlay is not the qcow2 file, or does not hold the bytes, that `prepare` left."""

    def __init__(self, path: str, fault: str) -> None:
        super().__init__(f"The overlay {path} is damaged: {fault}.", "Run the injection again from the start.")
        self.path = path
        self.fault = fault


class WriteNotKept(IntegrityViolated):
    """A device does not hold what was written to it."""

    def __init__(self, device: str, offset: int) -> None:
        super().__init__(
            f"{device} does not hold what was written to it at byte {offset}.",
            "Run the same command again; if it stays so, the volume is faulty.",
        )
        self.device = device
        self.offset = offset


class _Kinds:
    every: ClassVar[tuple[type[HotaddError], ...]] = (
        *(GuestUnknown, EncryptedSystem, FamilyUnsupported, OsMismatch, FirmwareMismatch, StaticNetwork),
        NetworkUnknown,
        *(BootLoaderUnknown, DeviceUnmatched, DriverMissing, NoSpace, FileSystemDamaged, FileTooBig),
        *(DirectoryTooBig, ConfigurationTooBig, NoPlainFile, GuestProgramEndless),
        *(GuestUnlisted, WindowsUnlisted, RootUnsupported, PartitionTableUnfit, HypervisorUnfit),
        *(ConversionFailed, ScratchFull, InitramfsIncomplete, OverlayDamaged, WriteNotKept),
        *STORAGE,
        *BOOT,
        *(HiveBroken, *BUNDLE, *WINDOWS),
    )


def values_of(error: HotaddError) -> dict[str, Value]:
    """The named fields an error was made from."""
    return {name: value for name, value in vars(error).items() if name not in ("sentence", "hint")}


def revive(kind: str, values: dict[str, Value]) -> HotaddError:
    """The error again, from its class name and its named fields."""
    found = next((each for each in _Kinds.every if each.__name__ == kind), None)
    if found is None:
        return ConversionFailed("reading the answer of the conversion process", f"it names the unknown error {kind!r}")
    return found(**values)  # type: ignore[arg-type]  # each class takes its own named fields
