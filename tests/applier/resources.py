"""The resource types of a machine's stack and of its drill's, as Terraform's AWS provider makes and removes them.

Whatever is not in these tables is refused, so that a stack that begins to say more cannot pass unseen.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tests.applier.expression import Unknowable
from tests.applier.groups import create_group, create_rule, destroy_group, read_group, read_rule

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

Attributes = dict[str, Any]

VOLUME, ATTACHMENT, INSTANCE = "aws_ebs_volume", "aws_volume_attachment", "aws_instance"
GROUP, RULE = "aws_security_group", "aws_security_group_rule"

_TAGS = {"*": None}
# Arguments by type; a dictionary is what stands in a nested block, {"*": None} is a map.
ARGUMENTS: dict[str, dict[str, Any]] = {
    VOLUME: dict.fromkeys(("availability_zone", "size", "type", "encrypted", "iops", "throughput", "kms_key_id"), None)
    | {"tags": _TAGS, "snapshot_id": None},
    GROUP: dict.fromkeys(("name", "description", "vpc_id"), None) | {"tags": _TAGS},
    RULE: dict.fromkeys(
        ("security_group_id", "type", "description", "from_port", "to_port", "protocol", "cidr_blocks"), None
    ),
    ATTACHMENT: dict.fromkeys(("volume_id", "instance_id", "device_name"), None),
    INSTANCE: dict.fromkeys(
        ("ami", "instance_type", "subnet_id", "availability_zone", "vpc_security_group_ids", "key_name"), None
    )
    | {
        "iam_instance_profile": None,
        "tags": _TAGS,
        "root_block_device": dict.fromkeys(
            ("encrypted", "delete_on_termination", "volume_size", "volume_type", "kms_key_id"), None
        )
        | {"tags": _TAGS},
        "metadata_options": dict.fromkeys(("http_endpoint", "http_tokens", "http_put_response_hop_limit"), None),
    },
}
_META = {"//", "count", "lifecycle"}
# What changes only by a new resource ("ForceNew" in the provider's schema).
REPLACED_BY: dict[str, frozenset[str]] = {
    VOLUME: frozenset({"availability_zone", "encrypted", "kms_key_id", "snapshot_id"}),
    GROUP: frozenset({"name", "description", "vpc_id"}),
    RULE: frozenset({"security_group_id", "type", "from_port", "to_port", "protocol", "cidr_blocks"}),
    ATTACHMENT: frozenset({"volume_id", "instance_id", "device_name"}),
    INSTANCE: frozenset({"ami", "subnet_id", "availability_zone", "key_name", "root_block_device"}),
}
_UPDATED: dict[str, frozenset[str]] = {
    VOLUME: frozenset({"size", "type", "iops", "throughput", "tags"}),
    ATTACHMENT: frozenset(),
    GROUP: frozenset(),
    RULE: frozenset(),
    INSTANCE: frozenset({"tags"}),
}
_WAIT_SECONDS = 60.0


def check_arguments(kind: str, name: str, block: Mapping[str, Any]) -> None:
    """Raise `Unknowable` for a type or an argument that is not in the tables."""
    if kind not in ARGUMENTS:
        raise Unknowable(f"the resource type {kind}")
    _check({key: value for key, value in block.items() if key not in _META}, ARGUMENTS[kind], f"{kind}.{name}")
    strange = set(block.get("lifecycle", {})) - {"prevent_destroy", "ignore_changes"}
    if strange:
        raise Unknowable(f"{kind}.{name}.lifecycle.{min(strange)}")


def _check(block: Mapping[str, Any], known: Mapping[str, Any], where: str) -> None:
    for key, value in block.items():
        if key not in known and "*" not in known:
            raise Unknowable(f"{where}.{key}")
        if isinstance(value, Mapping):
            inner = known.get(key)
            if inner is None:
                raise Unknowable(f"the block {where}.{key}")
            _check(value, inner, f"{where}.{key}")


def create(ec2: EC2Client, kind: str, wanted: Attributes, tell: Callable[[str], None]) -> Attributes:
    """Make a resource and wait until it is there; its attributes. `tell` hears when the wait begins."""
    making = {VOLUME: _create_volume, ATTACHMENT: _attach, INSTANCE: _run_instance}
    return (making | {GROUP: create_group, RULE: create_rule})[kind](ec2, wanted, tell)


def read(ec2: EC2Client, kind: str, known: Attributes) -> Attributes | None:
    """The attributes as they are now; None when the resource is gone."""
    reading = {VOLUME: _read_volume, ATTACHMENT: _read_attachment, INSTANCE: _read_instance}
    return (reading | {GROUP: read_group, RULE: read_rule})[kind](ec2, known)


def update(ec2: EC2Client, kind: str, known: Attributes, wanted: Attributes) -> None:
    """Change a resource in place."""
    changed = {key for key, value in wanted.items() if known.get(key) != value}
    if changed - _UPDATED[kind]:
        raise Unknowable(f"how to change {', '.join(sorted(changed - _UPDATED[kind]))} of {kind}")
    if "tags" in changed:
        gone = set(known["tags"]) - set(wanted["tags"])
        if gone:
            ec2.delete_tags(Resources=[known["id"]], Tags=[{"Key": key} for key in gone])
        ec2.create_tags(Resources=[known["id"]], Tags=_tags(wanted["tags"]))
    names = {"size": "Size", "type": "VolumeType", "iops": "Iops", "throughput": "Throughput"}
    sizes = {names[key]: wanted[key] for key in changed - {"tags"}}
    if sizes:
        ec2.modify_volume(VolumeId=known["id"], **sizes)


def destroy(ec2: EC2Client, kind: str, known: Attributes) -> None:
    """Remove a resource and wait until it is gone."""
    if kind == VOLUME:
        ec2.delete_volume(VolumeId=known["id"])
    elif kind == INSTANCE:
        ec2.terminate_instances(InstanceIds=[known["id"]])
        ec2.get_waiter("instance_terminated").wait(InstanceIds=[known["id"]], WaiterConfig={"Delay": 1})
    elif kind in (GROUP, RULE):
        destroy_group(ec2, kind, known)
    elif _read_attachment(ec2, known) is not None:
        ec2.detach_volume(VolumeId=known["volume_id"], InstanceId=known["instance_id"], Device=known["device_name"])
        _wait(lambda: _read_attachment(ec2, known) is None, f"{known['volume_id']} to be detached")


def _create_volume(ec2: EC2Client, wanted: Attributes, tell: Callable[[str], None]) -> Attributes:
    names = {"iops": "Iops", "throughput": "Throughput", "kms_key_id": "KmsKeyId", "snapshot_id": "SnapshotId"}
    made = ec2.create_volume(
        AvailabilityZone=wanted["availability_zone"],
        Size=wanted["size"],
        VolumeType=wanted["type"],
        Encrypted=wanted["encrypted"],
        TagSpecifications=[{"ResourceType": "volume", "Tags": _tags(wanted["tags"])}],
        **{names[key]: wanted[key] for key in names if key in wanted},
    )["VolumeId"]
    tell("Still creating...")
    _wait(lambda: _volume(ec2, made)["State"] == "available", f"{made} to be available")
    return _found(_read_volume(ec2, {"id": made}))


def _read_volume(ec2: EC2Client, known: Attributes) -> Attributes | None:
    raw = _volume(ec2, known["id"])
    if not raw:
        return None
    return {
        "id": raw["VolumeId"],
        "availability_zone": raw["AvailabilityZone"],
        "size": raw["Size"],
        "type": raw["VolumeType"],
        "encrypted": raw["Encrypted"],
        "iops": raw.get("Iops"),
        "throughput": raw.get("Throughput"),
        "kms_key_id": raw.get("KmsKeyId", ""),
        "snapshot_id": raw.get("SnapshotId", ""),
        "tags": _untagged(raw),
    }


def _volume(ec2: EC2Client, volume_id: str) -> Any:
    found = ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": [volume_id]}])["Volumes"]
    return found[0] if found else {}


def _attach(ec2: EC2Client, wanted: Attributes, tell: Callable[[str], None]) -> Attributes:
    # As the provider does: an attachment that is there already (a run died) is taken, not made.
    if _read_attachment(ec2, wanted) is None:
        ec2.attach_volume(VolumeId=wanted["volume_id"], InstanceId=wanted["instance_id"], Device=wanted["device_name"])
        tell("Still creating...")
        _wait(lambda: _read_attachment(ec2, wanted) is not None, f"{wanted['volume_id']} to be attached")
    return _found(_read_attachment(ec2, wanted))


def _read_attachment(ec2: EC2Client, known: Attributes) -> Attributes | None:
    parts = {key: known[key] for key in ("device_name", "volume_id", "instance_id")}
    here = (parts["instance_id"], parts["device_name"])
    for one in _volume(ec2, parts["volume_id"]).get("Attachments", []):
        if (one["InstanceId"], one["Device"]) == here:
            return {"id": "vai-" + hashlib.sha256(repr(parts).encode()).hexdigest()[:10], **parts}
    return None


def _run_instance(ec2: EC2Client, wanted: Attributes, tell: Callable[[str], None]) -> Attributes:
    root, metadata = wanted["root_block_device"], wanted["metadata_options"]
    image = ec2.describe_images(ImageIds=[wanted["ami"]])["Images"][0]
    names = {"volume_size": "VolumeSize", "volume_type": "VolumeType", "kms_key_id": "KmsKeyId"}
    ebs = {"Encrypted": root["encrypted"], "DeleteOnTermination": root["delete_on_termination"]}
    ebs |= {names[key]: root[key] for key in names if key in root}
    more: dict[str, Any] = {}
    if "vpc_security_group_ids" in wanted:
        more["SecurityGroupIds"] = wanted["vpc_security_group_ids"]
    if "key_name" in wanted:
        more["KeyName"] = wanted["key_name"]
    if "iam_instance_profile" in wanted:
        more["IamInstanceProfile"] = {"Name": wanted["iam_instance_profile"]}
    made = ec2.run_instances(
        ImageId=wanted["ami"],
        MinCount=1,
        MaxCount=1,
        InstanceType=wanted["instance_type"],
        SubnetId=wanted["subnet_id"],
        Placement={"AvailabilityZone": wanted["availability_zone"]},
        BlockDeviceMappings=[{"DeviceName": image["RootDeviceName"], "Ebs": ebs}],
        MetadataOptions={
            "HttpEndpoint": metadata["http_endpoint"],
            "HttpTokens": metadata["http_tokens"],
            "HttpPutResponseHopLimit": metadata["http_put_response_hop_limit"],
        },
        TagSpecifications=[{"ResourceType": "instance", "Tags": _tags(wanted["tags"])}],
        **more,
    )["Instances"][0]["InstanceId"]
    tell("Still creating...")
    _wait(lambda: _instance(ec2, made)["State"]["Name"] == "running", f"{made} to run")
    # The provider, too, tags the root volume by a call of its own once the instance runs.
    for one in _instance(ec2, made)["BlockDeviceMappings"]:
        ec2.create_tags(Resources=[one["Ebs"]["VolumeId"]], Tags=_tags(root["tags"]))
    return _found(_read_instance(ec2, {"id": made})) | {"root_block_device": root}


def _read_instance(ec2: EC2Client, known: Attributes) -> Attributes | None:
    raw = _instance(ec2, known["id"])
    if not raw or raw["State"]["Name"] in ("terminated", "shutting-down"):
        return None
    options = raw["MetadataOptions"]
    return known | {
        "id": raw["InstanceId"],
        "ami": raw["ImageId"],
        "instance_type": raw["InstanceType"],
        "subnet_id": raw["SubnetId"],
        "availability_zone": raw["Placement"]["AvailabilityZone"],
        "vpc_security_group_ids": [group["GroupId"] for group in raw["SecurityGroups"]],
        "key_name": raw.get("KeyName", ""),
        "iam_instance_profile": raw.get("IamInstanceProfile", {}).get("Arn", "").rpartition("/")[2],
        "tags": _untagged(raw),
        "metadata_options": {
            "http_endpoint": options["HttpEndpoint"],
            "http_tokens": options["HttpTokens"],
            "http_put_response_hop_limit": options["HttpPutResponseHopLimit"],
        },
    }


def _instance(ec2: EC2Client, instance_id: str) -> Any:
    found = ec2.describe_instances(Filters=[{"Name": "instance-id", "Values": [instance_id]}])["Reservations"]
    return found[0]["Instances"][0] if found else {}


def _tags(tags: Mapping[str, str]) -> Any:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _untagged(raw: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in raw.get("Tags", [])}


def _found(attributes: Attributes | None) -> Attributes:
    assert attributes is not None, "a resource that was just made is gone"
    return attributes


def _wait(look: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _WAIT_SECONDS
    while not look():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)
