"""Why the disks of a Windows guest are refused: one class a reason."""

from __future__ import annotations

from schemas.errors import IntegrityViolated, Refused


class NameUnfit(Refused):
    """A name on the system volume is not what Windows has there."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path} in the guest is not as Windows has it: {reason}.", "Look at it on the source, and put it right."
        )
        self.path = path
        self.reason = reason


class VolumeUnsafe(Refused):
    """Windows left its system volume in a state in which nobody else may write to it."""

    def __init__(self, device: str, reason: str) -> None:
        super().__init__(
            f"The Windows volume {device} cannot be written to: {reason}.",
            "On the source: run `powercfg /h off`, then `chkdsk C: /f`, restart it once, shut it down in full "
            "(`shutdown /s /t 0`), and replicate it while it is off: a copy of a running Windows will not do.",
        )
        self.device = device
        self.reason = reason


class VolumeEncrypted(Refused):
    """BitLocker encrypts what the system lies on."""

    def __init__(self, devices: str) -> None:
        super().__init__(
            f"BitLocker encrypts {devices}, and no Windows system was found outside of it.",
            "On the source, run `manage-bde -off C:`, wait until `manage-bde -status` says that it is decrypted, and "
            "replicate it then.",
        )
        self.devices = devices


class DiskDynamic(Refused):
    """The system lies on one of Windows' dynamic disks."""

    def __init__(self, disks: str) -> None:
        super().__init__(
            f"The Windows system disk is a dynamic disk (disk {disks}), which hotadd does not make bootable.",
            "Convert the system disk to a basic disk on the source first.",
        )
        self.disks = disks


class LoaderMissing(Refused):
    """The EFI system partition has no boot loader of Windows."""

    def __init__(self, looked: str) -> None:
        super().__init__(
            f"The EFI system partition of the guest has no boot loader of Windows (looked for {looked}).",
            "Write it anew on the source: bcdboot C:\\Windows /f UEFI.",
        )
        self.looked = looked


class ReleaseUnfit(Refused):
    """A Windows that EC2 or the drivers for it do not support."""

    def __init__(self, product: str, build: int, reason: str) -> None:
        super().__init__(
            f"{product or 'This Windows'} (build {build}) cannot be made bootable on EC2: {reason}.",
            "See docs/windows.md for the releases that hotadd converts.",
        )
        self.product = product
        self.build = build
        self.reason = reason


class SignaturesUnread(Refused):
    """Windows 2008 R2 without the update that lets it verify drivers signed with SHA-2."""

    def __init__(self, product: str, updates: str) -> None:
        super().__init__(
            f"{product} cannot verify drivers signed with SHA-2: none of {updates} is installed.",
            "Install one of these updates on the source first (KB4474419 also where a monthly rollup brought the same, "
            "which is not seen), and restart it.",
        )
        self.product = product
        self.updates = updates


class BundleUnnamed(Refused):
    """The spec names no directory with the drivers that a Windows guest needs."""

    def __init__(self, product: str) -> None:
        super().__init__(
            f"{product} needs drivers for EC2, and the spec names no bundle of them.",
            "Make one with `hotadd drivers fetch DIRECTORY` on a machine with internet, and name it in the spec.",
        )
        self.product = product


class AccessNotKept(IntegrityViolated):
    """A file that conversion made has not the security descriptor that was set."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} in the guest did not keep its access rights.", "The volumes are untouched; run it again."
        )
        self.path = path


class FileNotKept(IntegrityViolated):
    """A file that conversion wrote does not read back as written."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} in the guest does not read back as written.", "The volumes are untouched; run again.")
        self.path = path


EVERY = (
    *(NameUnfit, VolumeUnsafe, VolumeEncrypted, DiskDynamic, LoaderMissing, ReleaseUnfit, SignaturesUnread),
    *(BundleUnnamed, AccessNotKept, FileNotKept),
)
