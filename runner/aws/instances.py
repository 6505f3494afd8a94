"""EC2 instances, their types and their images, as this program sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from runner.aws.account import Account, aws_errors
from runner.aws.waiting import wait_for
from schemas.errors import HotaddError
from schemas.naming import TAG_REPLICATION, TAG_ROLE

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

_STATE_SECONDS = 900.0  # a Windows guest may take a quarter of an hour to shut down
_GONE = ("terminated", "shutting-down")


@dataclass(frozen=True)
class Instance:
    """One instance. `devices` maps device names to volume ids; `reason` is EC2's StateReason, often empty."""

    id: str
    state: str
    zone: str
    type: str
    root_device: str
    devices: dict[str, str]
    interfaces: int
    reason: str
    role: str
    private_ip: str


class InstanceGone(HotaddError):
    """An instance that is needed was terminated."""

    def __init__(self, instance_id: str, wanted: str) -> None:
        super().__init__(
            f"{instance_id} is gone; it will not be {wanted}.",
            "Somebody terminated it. Decommission the replica, and replicate again.",
        )
        self.instance_id = instance_id


class InstanceFellBack(HotaddError):
    """An instance that should run went back to stopped or terminated."""

    def __init__(self, instance_id: str, state: str, reason: str) -> None:
        kms = "Client.InternalError" in reason or "InvalidKMSKey" in reason or "KMS" in reason
        super().__init__(
            f"{instance_id} fell back to {state}: {reason or 'EC2 gave no reason'}.",
            "Its volumes' KMS key cannot be used: grant the caller kms:CreateGrant, Decrypt and GenerateDataKey*."
            if kms
            else f"Look at its console (get-console-output of {instance_id}), then run it again.",
        )
        self.instance_id = instance_id
        self.state = state
        self.reason = reason


def _instance(raw: InstanceTypeDef) -> Instance:
    reason = raw.get("StateReason", {})
    tags = {tag["Key"]: tag["Value"] for tag in raw.get("Tags", [])}
    return Instance(
        id=raw["InstanceId"],
        state=raw["State"]["Name"],
        zone=raw["Placement"]["AvailabilityZone"],
        type=raw["InstanceType"],
        root_device=raw.get("RootDeviceName", ""),
        devices={m["DeviceName"]: m["Ebs"]["VolumeId"] for m in raw.get("BlockDeviceMappings", []) if m.get("Ebs")},
        interfaces=len(raw.get("NetworkInterfaces", [])),
        reason=": ".join(part for part in (reason.get("Code", ""), reason.get("Message", "")) if part),
        role=tags.get(TAG_ROLE, ""),
        private_ip=raw.get("PrivateIpAddress", ""),
    )


def find_instance(account: Account, instance_id: str) -> Instance | None:
    """The instance of that id, or None."""
    with aws_errors("ec2:DescribeInstances"):
        answer = account.ec2.describe_instances(Filters=[{"Name": "instance-id", "Values": [instance_id]}])
    found = [_instance(raw) for r in answer["Reservations"] for raw in r["Instances"]]
    return found[0] if found and found[0].state != "terminated" else None


def find_destinations(account: Account, replication: str) -> list[Instance]:
    """The living destination instances of a replication, by our tags."""
    with aws_errors("ec2:DescribeInstances"):
        answer = account.ec2.describe_instances(
            Filters=[
                {"Name": f"tag:{TAG_REPLICATION}", "Values": [replication]},
                {"Name": f"tag:{TAG_ROLE}", "Values": ["destination"]},
            ]
        )
    found = [_instance(raw) for r in answer["Reservations"] for raw in r["Instances"]]
    return [i for i in found if i.state not in _GONE]


def _wait_state(account: Account, instance_id: str, wanted: str, stop: Callable[[], bool]) -> None:
    def look() -> tuple[bool | None, str]:
        now = find_instance(account, instance_id)
        if now is None or now.state in _GONE:
            raise InstanceGone(instance_id, wanted)
        return (True if now.state == wanted else None), now.state

    wait_for(look, f"{instance_id} to be {wanted}", seconds=_STATE_SECONDS, stop=stop)


def stop_instance(account: Account, instance_id: str, stop: Callable[[], bool]) -> None:
    """Stop an instance and wait until it is stopped; nothing happens to one that is stopped."""
    now = find_instance(account, instance_id)
    if now is not None and now.state == "pending":
        _wait_state(account, instance_id, "running", stop)
    if now is not None and now.state in ("pending", "running"):
        with aws_errors("ec2:StopInstances"):
            account.ec2.stop_instances(InstanceIds=[instance_id])
    _wait_state(account, instance_id, "stopped", stop)


def start_instance(account: Account, instance_id: str, stop: Callable[[], bool]) -> None:
    """Start an instance that is stopped; nothing happens to one that runs."""
    now = find_instance(account, instance_id)
    if now is not None and now.state == "stopping":
        _wait_state(account, instance_id, "stopped", stop)
    if now is not None and now.state in ("stopped", "stopping"):
        with aws_errors("ec2:StartInstances"):
            account.ec2.start_instances(InstanceIds=[instance_id])


def wait_healthy(account: Account, instance_id: str, *, seconds: float, stop: Callable[[], bool]) -> None:
    """Wait until both status checks of an instance pass.

    Raises `InstanceFellBack` at once when the instance goes back to stopped, with EC2's StateReason (a KMS key that
    cannot be used shows only there), and `WaitedTooLong` after `seconds`.
    """
    ran = False

    def look() -> tuple[bool | None, str]:
        nonlocal ran
        now = find_instance(account, instance_id)
        if now is None or now.state in ("stopped", "stopping", *_GONE):
            if ran or (now is not None and now.reason and now.state == "stopped" and "UserInitiated" not in now.reason):
                raise InstanceFellBack(
                    instance_id, "gone" if now is None else now.state, "" if now is None else now.reason
                )
            return None, "not yet running"
        ran = True
        with aws_errors("ec2:DescribeInstanceStatus"):
            statuses = account.ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"]
        if not statuses:
            return None, now.state
        system = statuses[0]["SystemStatus"]["Status"]
        inside = statuses[0]["InstanceStatus"]["Status"]
        return (True if system == inside == "ok" else None), f"{now.state}, system {system}, instance {inside}"

    wait_for(look, f"the status checks of {instance_id}", seconds=seconds, stop=stop)


def console(account: Account, instance_id: str) -> str:
    """The serial console's last 64 KiB as text; empty where there is none."""
    with aws_errors("ec2:GetConsoleOutput"):
        return account.ec2.get_console_output(InstanceId=instance_id).get("Output", "")


@dataclass(frozen=True)
class TypeLimits:
    """What an instance type takes: volumes attached at most, and whether network interfaces count with them.

    `hypervisor` is nitro or xen. A bare-metal type has none and shows its volumes and network as Nitro does.
    """

    type: str
    volumes: int
    shared_with_interfaces: bool
    architectures: tuple[str, ...]
    boot_modes: tuple[str, ...]
    hypervisor: Literal["nitro", "xen"] = "nitro"


def find_type(account: Account, instance_type: str) -> TypeLimits | None:
    """The limits of an instance type, or None where the region has no such type.

    EbsInfo.MaximumEbsAttachments and AttachmentLimitType came to DescribeInstanceTypes in 2025 ("Amazon EBS volume
    limits for Amazon EC2 instances"); a type without them is taken as Nitro's shared 28.
    """
    with aws_errors("ec2:DescribeInstanceTypes"):
        answer = account.ec2.describe_instance_types(Filters=[{"Name": "instance-type", "Values": [instance_type]}])
    if not answer["InstanceTypes"]:
        return None
    raw = answer["InstanceTypes"][0]
    ebs = raw.get("EbsInfo", {})
    return TypeLimits(
        type=instance_type,
        volumes=ebs.get("MaximumEbsAttachments", 28),
        shared_with_interfaces=ebs.get("AttachmentLimitType", "shared") == "shared",
        architectures=tuple(raw.get("ProcessorInfo", {}).get("SupportedArchitectures", [])),
        boot_modes=tuple(raw.get("SupportedBootModes", [])),
        hypervisor="xen" if raw.get("Hypervisor") == "xen" else "nitro",
    )


@dataclass(frozen=True)
class Image:
    """An AMI. `boot_mode` is empty where the AMI states none."""

    id: str
    state: str
    platform: str
    architecture: str
    boot_mode: str
    usage_operation: str
    ena: bool
    tpm: str
    product_codes: tuple[str, ...]
    root_device: str
    root_device_type: str
    ebs_volumes: int


def find_image(account: Account, image_id: str) -> Image | None:
    """The AMI of that id, or None."""
    with aws_errors("ec2:DescribeImages"):
        answer = account.ec2.describe_images(Filters=[{"Name": "image-id", "Values": [image_id]}])
    if not answer["Images"]:
        return None
    raw = answer["Images"][0]
    return Image(
        id=image_id,
        state=raw.get("State", ""),
        platform="windows" if str(raw.get("Platform", "")).lower() == "windows" else "linux",
        architecture=raw.get("Architecture", ""),
        boot_mode=raw.get("BootMode", ""),
        usage_operation=raw.get("UsageOperation", ""),
        ena=raw.get("EnaSupport", False),
        tpm=raw.get("TpmSupport", ""),
        product_codes=tuple(c.get("ProductCodeId", "") for c in raw.get("ProductCodes", [])),
        root_device=raw.get("RootDeviceName", ""),
        root_device_type=raw.get("RootDeviceType", ""),
        ebs_volumes=sum(1 for mapping in raw.get("BlockDeviceMappings", []) if mapping.get("Ebs")),
    )


def zones_of_subnets(account: Account, subnet_ids: Sequence[str]) -> dict[str, str]:
    """The availability zone of each subnet that exists."""
    with aws_errors("ec2:DescribeSubnets"):
        answer = account.ec2.describe_subnets(Filters=[{"Name": "subnet-id", "Values": list(subnet_ids)}])
    return {s["SubnetId"]: s["AvailabilityZone"] for s in answer["Subnets"]}
