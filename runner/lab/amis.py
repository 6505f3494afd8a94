"""AMIs as moto serves them, made from the lab's table."""

from __future__ import annotations

from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models import amis

from runner.lab import disks
from runner.lab.images import IMAGES, LabImage
from runner.lab.volumes import Snapshot, VolumeBackend


class _Origin:
    """The volume that an AMI's root snapshot was once taken of; it is long gone, as with Amazon's own images."""

    id = "vol-ffffffff"
    encrypted = False

    def __init__(self, gib: int) -> None:
        self.size = gib


class Ami(amis.Ami):
    """One image of the table; moto's own constructor would make a volume for each."""

    product_codes: Any  # moto says set[str]; DescribeImages wants id and type of each
    boot_mode: Any  # moto says str; no boot mode is EC2's way to say BIOS

    def __init__(self, backend: VolumeBackend, image: LabImage) -> None:
        self.ec2_backend = backend
        self.image = image
        self.id = image.ami_id
        self.state = "available"
        self.name = f"hotadd-lab-{image.name}"
        self.description = image.description
        self.image_type = "machine"
        self.image_location = f"amazon/{self.name}"
        self.owner_id = "801119661308"  # the account of Amazon's own images
        self.owner_alias = "amazon"
        self.virtualization_type = "hvm"
        self.architecture = image.architecture
        self.kernel_id = None
        self.platform = image.platform
        self.platform_details = image.platform_details
        self.usage_operation = image.usage_operation
        self.hypervisor = "xen"
        self.root_device_name = image.root_device_name
        self.root_device_type = "ebs"
        self.sriov = self.sriov_net_support = "simple"
        self.creation_date = utcnow()
        self.product_codes = [{"ProductCodeId": code, "ProductCodeType": "marketplace"} for code in image.product_codes]
        self.boot_mode = image.boot_mode
        self.ena_support = image.ena_support
        self.tpm_support = image.tpm_support
        self.instance_id: str | None = None
        self.launch_permissions = [{"Group": "all"}]
        self.ebs_snapshot = Snapshot(
            backend,
            image.ami_id.replace("ami-", "snap-"),
            _Origin(image.root_gib),
            f"Root of {self.name}",
            owner_id=self.owner_id,
            from_ami=self.id,
        )

    @property
    def public(self) -> bool:
        return True

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        ebs = {
            "SnapshotId": self.ebs_snapshot.id,
            "VolumeSize": self.image.root_gib,
            "DeleteOnTermination": True,
            "VolumeType": "gp3",
            "Iops": 3000,
            "Throughput": 125,
            "Encrypted": False,
        }
        return [{"DeviceName": self.root_device_name, "Ebs": ebs}]

    def get_filter_value(self, filter_name: str, method_name: str | None = None) -> Any:
        if filter_name in ("boot-mode", "root-device-type", "root-device-name", "ena-support", "hypervisor"):
            value = getattr(self, filter_name.replace("-", "_"))
            return str(value).lower() if isinstance(value, bool) else value
        return super().get_filter_value(filter_name, method_name)


def register(backend: VolumeBackend) -> None:
    """Give a region the lab's AMIs, each with a blank root snapshot."""
    for image in IMAGES:
        ami = Ami(backend, image)
        snapshot = ami.ebs_snapshot
        disks.make_blank(backend.ground.layout.snapshot(snapshot.id), image.root_gib * disks.GIB)
        backend.snapshots[snapshot.id] = snapshot
        backend.amis[ami.id] = ami
