"""EC2's own rules that moto does not enforce, with EC2's error codes and messages.

Codes: docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html. Each rule is a pure check that raises.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from moto.ec2.exceptions import EC2ClientError

# GiB, smallest and largest ("Amazon EBS volume types").
VOLUME_SIZES = {
    "gp2": (1, 16384),
    "gp3": (1, 65536),
    "io1": (4, 16384),
    "io2": (4, 65536),
    "st1": (125, 16384),
    "sc1": (125, 16384),
    "standard": (1, 1024),
}
PENDING_SNAPSHOTS = 5  # a volume ("Quotas for Amazon EBS": concurrent snapshots per volume)
# "Device names for volumes on Amazon EC2 instances", the HVM rows.
_DEVICE_NAME = re.compile(r"(/dev/)?(sd[a-z](1[0-5]|[1-9])?|xvd[a-z]|xvd[a-d][a-z])")


def refused(code: str, message: str) -> EC2ClientError:
    """An EC2 error with HTTP status 400."""
    return EC2ClientError(code, message)


def check_volume_size(volume_type: str, gib: int) -> None:
    if volume_type not in VOLUME_SIZES:
        raise refused("UnknownVolumeType", f"Unsupported volume type '{volume_type}' for volume creation.")
    least, most = VOLUME_SIZES[volume_type]
    if gib > most:
        raise refused(
            "InvalidParameterValue",
            f"Volume of {gib}GiB is too large for volume type {volume_type}; maximum is {most}GiB.",
        )
    if gib < least:
        raise refused(
            "InvalidParameterValue",
            f"Volume of {gib}GiB is too small for volume type {volume_type}; minimum is {least}GiB.",
        )


def check_covers_snapshot(gib: int, snapshot_id: str, snapshot_gib: int) -> None:
    if gib < snapshot_gib:
        raise refused(
            "InvalidParameterValue",
            f"Volume of {gib}GiB is smaller than snapshot '{snapshot_id}', expect size >= {snapshot_gib}GiB.",
        )


def check_snapshot_completed(snapshot_id: str, state: str) -> None:
    if state != "completed":
        raise refused("IncorrectState", f"Snapshot {snapshot_id} is in invalid state - {state}")


def check_growth(now_gib: int, wanted_gib: int) -> None:
    if wanted_gib < now_gib:
        raise refused("InvalidParameterValue", "New size cannot be smaller than existing size")


def check_attachable(volume_id: str, state: str) -> None:
    if state == "in-use":
        raise refused("VolumeInUse", f"{volume_id} is already attached to an instance")
    if state != "available":
        raise refused("IncorrectState", f"{volume_id} is not 'available'.")


def check_instance_type(instance_type: str, architectures: Collection[str], image_architecture: str) -> None:
    """`architectures` are those the type supports; none when there is no such type."""
    if not architectures:
        raise refused("InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType.")
    if image_architecture not in architectures:
        raise refused(
            "InvalidParameterValue",
            f"The architecture '{','.join(architectures)}' of the specified instance type does not match the"
            f" architecture '{image_architecture}' of the specified AMI. Specify an instance type and an AMI that have"
            " matching architectures, and try again.",
        )


def check_takes_volumes(instance_id: str, state: str) -> None:
    if state not in ("running", "stopped"):
        raise refused("IncorrectState", f"Instance '{instance_id}' is not 'running'.")


def check_same_zone(volume_id: str, volume_zone: str | None, instance_id: str, instance_zone: str | None) -> None:
    if volume_zone != instance_zone:
        raise refused(
            "InvalidVolume.ZoneMismatch",
            f"The volume '{volume_id}' is not in the same availability zone as instance '{instance_id}'",
        )


def check_device_name(device: str, taken: Collection[str]) -> None:
    if not _DEVICE_NAME.fullmatch(device):
        raise refused(
            "InvalidParameterValue",
            f"Value ({device}) for parameter device is invalid. {device} is not a valid EBS device name.",
        )
    if device in taken:
        raise refused(
            "InvalidParameterValue",
            f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use",
        )


def attachment_limit(ebs_info: Mapping[str, Any], interfaces: int) -> int:
    """How many EBS volumes an instance may have.

    A shared limit counts network interfaces too; MaximumEbsAttachments already leaves room for the first one and
    for instance-store disks ("Amazon EBS volume limits for Amazon EC2 instances": 28 slots, 27 volumes).
    """
    most = int(ebs_info["MaximumEbsAttachments"])
    return most - max(0, interfaces - 1) if ebs_info.get("AttachmentLimitType") == "shared" else most


def check_attachment_limit(instance_id: str, instance_type: str, attached: int, limit: int) -> None:
    if attached >= limit:
        raise refused(
            "AttachmentLimitExceeded",
            f"The maximum number of attachments ({limit}) for instance '{instance_id}' of type {instance_type}"
            " has been reached.",
        )


def check_detachable(volume_id: str, instance_id: str, instance_state: str, is_root: bool) -> None:
    if is_root and instance_state != "stopped":
        raise refused(
            "OperationNotPermitted", f"Unable to detach root volume '{volume_id}' from instance '{instance_id}'"
        )


def check_pending_snapshots(pending: int) -> None:
    if pending >= PENDING_SNAPSHOTS:
        raise refused(
            "ConcurrentSnapshotLimitExceeded",
            "Maximum allowed in-progress snapshots for a single volume exceeded.",
        )


def check_startable(instance_id: str, state: str, root_device: str, has_root: bool) -> None:
    if state != "stopped":
        raise refused(
            "IncorrectInstanceState",
            f"The instance '{instance_id}' is not in a state from which it can be started.",
        )
    if not has_root:
        raise refused(
            "InvalidParameterValue",
            f"Invalid value '{instance_id}' for instanceId. Instance does not have a volume attached at root"
            f" ({root_device})",
        )


def check_stoppable(instance_id: str, state: str) -> None:
    if state in ("shutting-down", "terminated"):
        raise refused(
            "IncorrectInstanceState",
            f"This instance '{instance_id}' is not in a state from which it can be stopped.",
        )


def check_same_request(before: object, now: object) -> None:
    """Of two requests with one ClientToken."""
    if before != now:
        raise refused(
            "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
        )
