"""Why a guest's boot loader or initramfs cannot be made ready for EC2: one class a reason."""

from __future__ import annotations

from schemas.errors import Refused


class LoaderMissing(Refused):
    """A UEFI guest without the one loader that firmware starts which has no boot entries of its own."""

    def __init__(self, product: str, found: str) -> None:
        super().__init__(
            f"{product} has no \\EFI\\BOOT\\BOOTX64.EFI, and no loader of GRUB or shim to copy there (found: {found}).",
            "Mount the EFI system partition at /boot/efi in the guest and run grub-install --removable there.",
        )
        self.product = product
        self.found = found


class EnvironmentFull(Refused):
    """The command line in GRUB's environment block leaves no room for what EC2 needs."""

    def __init__(self, path: str, size: int, needed: int) -> None:
        super().__init__(
            f"{path} has {size} bytes, but with the parameters for EC2 its settings need {needed}.",
            "Remove parameters from kernelopts in the guest (grub2-editenv), or move them to /etc/default/grub.",
        )
        self.path = path
        self.size = size
        self.needed = needed


class ToolMissing(Refused):
    """A program of the guest is not there without which its initramfs cannot be built or looked through."""

    def __init__(self, product: str, tool: str) -> None:
        super().__init__(
            f"{product} has no {tool}, which building its initramfs takes.",
            "Install it in the guest before it is replicated.",
        )
        self.product = product
        self.tool = tool


class BootEncrypted(Refused):
    """/boot lies in a LUKS volume, which the boot loader would have to unlock."""

    def __init__(self, device: str) -> None:
        super().__init__(
            f"/boot lies in the LUKS volume {device}: GRUB would ask for the passphrase before EC2's serial console is "
            "set up, and nobody could type it.",
            "Move /boot to a file system of its own outside LUKS in the guest (its root may stay encrypted).",
        )
        self.device = device


class UnlockingUnknown(Refused):
    """The guest's crypttab has no usable line for a LUKS volume that the initramfs must unlock."""

    def __init__(self, device: str, uuid: str) -> None:
        super().__init__(
            f"/etc/crypttab names the LUKS volume {device} (UUID {uuid}) not at all, or by a name that is taken or has "
            "other characters than letters, digits and ._+-: the initramfs would not unlock it.",
            f"Write a line into it: a name, then UUID={uuid} none luks.",
        )
        self.device = device
        self.uuid = uuid


BOOT = (LoaderMissing, EnvironmentFull, ToolMissing, BootEncrypted, UnlockingUnknown)
