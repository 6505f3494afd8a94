"""The shell: the AMI whose empty instance takes the replica's volumes. What EC2 knows of an instance comes from it."""

from __future__ import annotations

from runner.aws.account import Account
from runner.aws.instances import Image, TypeLimits, find_image, find_type
from schemas.errors import Refused
from schemas.spec import Firmware, Spec

# UsageOperation is what the instance is billed as ("AMI billing information fields" of the EC2 User Guide).
_WINDOWS_LICENCE = "RunInstances:0002"
_WINDOWS_OWN_LICENCE = "RunInstances:0800"


class ShellUnfit(Refused):
    """The shell AMI does not fit the guest."""

    def __init__(self, image_id: str, fault: str, hint: str) -> None:
        super().__init__(f"The shell AMI {image_id} {fault}.", hint)
        self.image_id = image_id
        self.fault = fault


class ShellMissing(ShellUnfit):
    """There is no such AMI."""

    def __init__(self, image_id: str) -> None:
        super().__init__(image_id, "does not exist or is not available", "Correct destination.shell_ami.")


class ShellPlatform(ShellUnfit):
    """The AMI is of the other platform, or bills a licence the guest does not have."""


class ShellArchitecture(ShellUnfit):
    """The AMI is of another architecture."""


class ShellBootMode(ShellUnfit):
    """The AMI, on this instance type, boots with other firmware than the guest."""


class ShellRestricted(ShellUnfit):
    """The AMI brings something with it that a replica cannot have: Marketplace codes, TPM, no ENA, no EBS root."""


def check_shell(account: Account, spec: Spec) -> str:
    """Check the shell AMI against guest and instance type; its root device name. Raises `ShellUnfit`."""
    wanted = spec.destination
    image = find_image(account, wanted.shell_ami)
    if image is None or image.state != "available":
        raise ShellMissing(wanted.shell_ami)
    limits = find_type(account, wanted.instance_type)
    _check_platform(image, spec)
    if image.architecture != "x86_64" or (limits is not None and image.architecture not in limits.architectures):
        raise ShellArchitecture(
            image.id, f"is for {image.architecture}", "Take an x86_64 AMI and an instance type that runs it."
        )
    _check_restrictions(image)
    firmware = effective_firmware(image, limits)
    if firmware != spec.source.firmware:
        raise ShellBootMode(
            image.id,
            f"boots {wanted.instance_type} with {firmware.upper()}, the guest needs {spec.source.firmware.upper()}",
            "Take an AMI with the guest's boot mode, and an instance type that supports it.",
        )
    mode = "legacy-bios" if firmware == "bios" else "uefi"
    if limits is not None and limits.boot_modes and mode not in limits.boot_modes:
        raise ShellBootMode(
            image.id,
            f"boots with {firmware.upper()}, which {limits.type} cannot ({', '.join(limits.boot_modes)})",
            "Take another instance type.",
        )
    return image.root_device


def effective_firmware(image: Image, limits: TypeLimits | None) -> Firmware:
    """The firmware that an instance of this AMI and type really boots with.

    No BootMode means legacy BIOS on Intel and AMD; `uefi-preferred` is UEFI where the type supports it ("Instance
    launch behavior with Amazon EC2 boot modes").
    """
    uefi_here = limits is None or "uefi" in limits.boot_modes
    if image.boot_mode == "uefi" or (image.boot_mode == "uefi-preferred" and uefi_here):
        return "uefi"
    return "bios"


def _check_platform(image: Image, spec: Spec) -> None:
    if image.platform != spec.source.os:
        raise ShellPlatform(
            image.id, f"is for {image.platform}, the guest is {spec.source.os}", "Take an AMI of the guest's platform."
        )
    windows = image.usage_operation in (_WINDOWS_LICENCE, _WINDOWS_OWN_LICENCE)
    if windows != (spec.source.os == "windows"):
        raise ShellPlatform(
            image.id,
            f"is billed as {image.usage_operation or 'nothing known'}, which is not a {spec.source.os} guest's licence",
            "Take an AMI with the guest's licence.",
        )


def _check_restrictions(image: Image) -> None:
    if image.product_codes:
        codes = ", ".join(image.product_codes)
        raise ShellRestricted(
            image.id,
            f"carries Marketplace product codes ({codes})",
            "A root volume of another origin cannot be attached to its instances: take a plain AMI.",
        )
    if image.tpm:
        raise ShellRestricted(
            image.id, f"needs a TPM ({image.tpm})", "The guest's keys are not in it: take a plain AMI."
        )
    if not image.ena:
        raise ShellRestricted(image.id, "has no ENA support", "Nitro instances need it: take an AMI with EnaSupport.")
    if image.ebs_volumes > 1:
        raise ShellRestricted(
            image.id,
            f"brings {image.ebs_volumes} EBS volumes",
            "They would stay attached where the replica's own disks belong: take an AMI with a root alone.",
        )
    if image.root_device_type != "ebs":
        raise ShellRestricted(image.id, "has no EBS root", "Take an EBS-backed AMI.")
