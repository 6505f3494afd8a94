"""The stack of one replicated machine: volumes for good, attachments by phase, and the destination instance."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.naming import address, machine_stack, tags
from schemas.outputs import CONTRACT, PHASES
from schemas.slots import destination_devices
from schemas.spec import Disk, Spec
from stacks.attributes import EbsVolume, Expression, Instance, RootBlockDevice, Text, VolumeAttachment
from stacks.backend import keep_state
from stacks.defaults import Defaults
from stacks.place import Place
from stacks.resources import Program, Stack
from stacks.syntax import Lifecycle, Reference, Validation

_INSTANCE = Expression('try(aws_instance.destination[0].id, "")')


def declare_machine(program: Program, spec: Spec, place: Place, default: Defaults, access_node_id: str) -> None:
    """Declare the stack. `access_node_id` is empty while a declared access node is not deployed."""
    name = machine_stack(spec.name)
    stack = program.stack(name, place.provider(spec.region), place.provider_version)
    keep_state(stack, name, spec.backend, place)
    declare_phases(stack, spec, default, access_node_id, snapshots={}, groups=spec.destination.security_group_ids)


def declare_phases(
    stack: Stack,
    spec: Spec,
    default: Defaults,
    access_node_id: str,
    *,
    snapshots: Mapping[str, str],
    groups: tuple[Text, ...],
) -> None:
    """Declare volumes, attachments and instance in a stack, with the variables that move them, and the outputs.

    `snapshots`: disk id to the snapshot its volume is made from; others are made empty. `groups`: the instance's
    security groups; none leaves the VPC's default one.
    """
    _variables(stack, spec, default, access_node_id)
    volumes = {disk.id: _volume(stack, spec, disk, snapshots.get(disk.id)) for disk in spec.source.disks}
    _instance(stack, spec, groups)
    ids = [disk.id for disk in spec.source.disks]
    on_destination: dict[str, str | Expression] = {
        **destination_devices(spec.source.os, ids, spec.boot_disk.id, default.root_device),
        spec.boot_disk.id: Expression("var.root_device"),
    }
    for disk, volume in volumes.items():
        _attach(
            stack, f"staging_{address(disk)}", "staging", volume, access_node_id, Expression(f'var.slots["{disk}"]')
        )
        _attach(stack, f"target_{address(disk)}", "target", volume, _INSTANCE, on_destination[disk])
    _outputs(stack, spec, volumes, on_destination, access_node_id)


def _variables(stack: Stack, spec: Spec, default: Defaults, access_node_id: str) -> None:
    rules = [
        Validation(
            Expression(f"contains([{', '.join(map(_quoted, PHASES))}], var.phase)"),
            f"The phase is one of {', '.join(PHASES)}.",
        ),
        Validation(
            Expression('var.phase != "target" || var.launched'),
            "The phase target attaches the volumes to the destination instance, which needs launched=true.",
        ),
    ]
    if spec.access_node.declare is not None:
        node = spec.access_node.declare.name
        rules.append(
            Validation(
                Expression(f'var.phase != "staging" || {_quoted(access_node_id)} != ""'),
                f"The access node {node} is not deployed, so no volume can be staged. Deploy node-{node}, then "
                "synthesize this stack again.",
            )
        )
    ids = ", ".join(_quoted(disk.id) for disk in spec.source.disks)
    slot_rules = [
        Validation(
            Expression(f"alltrue([for disk in [{ids}] : contains(keys(var.slots), disk)])"),
            f"The slots need one device name for each disk: {', '.join(d.id for d in spec.source.disks)}.",
        ),
        Validation(
            Expression("length(distinct(values(var.slots))) == length(var.slots)"),
            "Two disks have the same slot. EC2 takes each device name once.",
        ),
    ]
    stack.variable("phase", "string", default.phase, "Where the volumes are.", rules)
    stack.variable("launched", "bool", default.launched, "Whether the destination instance exists.")
    stack.variable("slots", "map(string)", default.slots, "Disk id to HotAdd slot on the access node.", slot_rules)
    stack.variable("root_device", "string", default.root_device, "Root device name of the destination.")


def _volume(stack: Stack, spec: Spec, disk: Disk, snapshot_id: str | None) -> Reference:
    settings = spec.destination.volume
    volume = EbsVolume(
        availability_zone=spec.availability_zone,
        size=disk.size_gib,
        type=settings.type,
        encrypted=settings.encrypted,
        tags=tags(spec.name, "volume", disk=disk.id, extra=spec.tags),
        iops=settings.iops,
        throughput=settings.throughput,
        kms_key_id=settings.kms_key_id,
        snapshot_id=snapshot_id,
    )
    return stack.resource(address(disk.id), volume, lifecycle=Lifecycle(prevent_destroy=not spec.decommission))


def _instance(stack: Stack, spec: Spec, groups: tuple[Text, ...]) -> None:
    wanted = spec.destination
    shell = RootBlockDevice(
        encrypted=True,
        delete_on_termination=True,
        tags=tags(spec.name, "shell-root", extra=spec.tags),
        kms_key_id=wanted.volume.kms_key_id,
    )
    instance = Instance(
        ami=wanted.shell_ami,
        instance_type=wanted.instance_type,
        subnet_id=wanted.subnet_id,
        availability_zone=spec.availability_zone,
        root_block_device=shell,
        tags=tags(spec.name, "destination", extra=spec.tags),
        vpc_security_group_ids=groups or None,
        key_name=wanted.key_name,
        iam_instance_profile=wanted.instance_profile,
    )
    # The shell's AMI and root serve its creation only: the root swap puts the replica's own volume in their place.
    rules = Lifecycle(not spec.decommission, ("ami", "user_data", "root_block_device", "ebs_block_device"))
    stack.resource("destination", instance, count=Expression("var.launched ? 1 : 0"), lifecycle=rules)


def _attach(
    stack: Stack, name: str, phase: str, volume: Reference, instance: str | Expression, device: str | Expression
) -> None:
    attachment = VolumeAttachment(volume_id=volume.attribute("id"), instance_id=instance, device_name=device)
    stack.resource(name, attachment, count=Expression(f"var.phase == {_quoted(phase)} ? 1 : 0"))


def _outputs(
    stack: Stack,
    spec: Spec,
    volumes: dict[str, Reference],
    on_destination: dict[str, str | Expression],
    access_node_id: str,
) -> None:
    told: dict[str, tuple[object, str]] = {
        "contract": (CONTRACT, "Version of these outputs."),
        "replication": (spec.name, "Name of the replication."),
        "phase": (Expression("var.phase"), "Where the volumes are."),
        "launched": (Expression("var.launched"), "Whether the destination instance exists."),
        "slots": (Expression("var.slots"), "Disk id to HotAdd slot on the access node."),
        "root_device": (Expression("var.root_device"), "Root device name of the destination."),
        "destination_devices": (on_destination, "Disk id to device name on the destination."),
        "volumes": ({disk: at.attribute("id") for disk, at in volumes.items()}, "Disk id to EBS volume id."),
        "sizes_gib": ({disk: at.attribute("size") for disk, at in volumes.items()}, "Disk id to size in GiB."),
        "access_node_id": (access_node_id, "Instance id of the access node, or empty."),
        "instance_id": (_INSTANCE, "Instance id of the destination, or empty."),
    }
    for name, (value, description) in told.items():
        stack.output(name, value, description)


def _quoted(text: str) -> str:
    """A Terraform string of plain characters: phases, disk ids and instance ids, which the spec's schema narrows."""
    return f'"{text}"'
