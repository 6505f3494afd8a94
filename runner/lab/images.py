"""The lab's AMIs: shells for destination instances, the access node's, and some that must be refused.

Values as DescribeImages gives them for Amazon's own images; no BootMode means legacy BIOS on Intel
(docs: "Instance launch behavior with Amazon EC2 boot modes").
"""

from __future__ import annotations

from dataclasses import dataclass

ACCESS_NODE = "access-node"


@dataclass(frozen=True)
class LabImage:
    """One AMI. `name` is the lab's short name for it; sizes in GiB."""

    name: str
    ami_id: str
    description: str
    platform_details: str = "Linux/UNIX"
    usage_operation: str = "RunInstances"
    platform: str | None = None
    architecture: str = "x86_64"
    boot_mode: str | None = None
    root_device_name: str = "/dev/xvda"
    root_gib: int = 8
    ena_support: bool = True
    tpm_support: str | None = None
    product_codes: tuple[str, ...] = ()

    @property
    def shell(self) -> bool:
        """Whether instances of this AMI may boot in QEMU."""
        return self.name != ACCESS_NODE


IMAGES = (
    LabImage(ACCESS_NODE, "ami-0acce550000000001", "Access node of the lab; never booted"),
    LabImage("linux", "ami-0b105000000000001", "Linux shell, BIOS"),
    LabImage("linux-uefi", "ami-0efe1000000000001", "Linux shell, UEFI", boot_mode="uefi"),
    LabImage("linux-uefi-preferred", "ami-0efe1000000000002", "Linux shell", boot_mode="uefi-preferred"),
    LabImage(
        "rhel",
        "ami-04e10000000000001",
        "Red Hat Enterprise Linux shell",
        platform_details="Red Hat Enterprise Linux",
        usage_operation="RunInstances:0010",
        boot_mode="uefi-preferred",
        root_device_name="/dev/sda1",
        root_gib=10,
    ),
    LabImage(
        "windows",
        "ami-03100000000000001",
        "Windows shell, BIOS",
        platform_details="Windows",
        usage_operation="RunInstances:0002",
        platform="windows",
        root_device_name="/dev/sda1",
        root_gib=30,
    ),
    LabImage(
        "windows-uefi",
        "ami-03100000000000002",
        "Windows shell, UEFI",
        platform_details="Windows",
        usage_operation="RunInstances:0002",
        platform="windows",
        boot_mode="uefi",
        root_device_name="/dev/sda1",
        root_gib=30,
    ),
    LabImage(
        "marketplace", "ami-0bad0000000000001", "A Marketplace product", product_codes=("4i20ezfza3p7xx2kt2g8weu2u",)
    ),
    LabImage("arm64", "ami-0bad0000000000002", "Linux on Graviton", architecture="arm64", boot_mode="uefi"),
    LabImage(
        "tpm",
        "ami-0bad0000000000003",
        "Windows with TPM and Secure Boot",
        platform_details="Windows",
        usage_operation="RunInstances:0002",
        platform="windows",
        boot_mode="uefi",
        root_device_name="/dev/sda1",
        root_gib=30,
        tpm_support="v2.0",
    ),
    LabImage("no-ena", "ami-0bad0000000000004", "Linux shell without ENA", ena_support=False),
)

BY_ID = {image.ami_id: image for image in IMAGES}
