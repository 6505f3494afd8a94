"""Preflight: everything that can be refused is refused here, before anything is created."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from runner.aws.instances import Instance, TypeLimits, find_instance, find_type, zones_of_subnets
from runner.aws.volumes import find_by_ids
from runner.guest.conversion import check, inspect
from runner.phases.basis import check_base, check_spec
from runner.phases.guests import guest_disks, guest_options
from runner.phases.job import Job
from runner.phases.move import placement
from runner.phases.records import Placement, is_committed, placement_file, write_record
from runner.phases.recovery import check_known
from runner.phases.reservation import reserve
from runner.phases.shell import check_shell
from runner.phases.sources import check_disk, open_disk
from schemas.errors import Refused
from schemas.outputs import Outputs
from schemas.slots import TooManyDisks
from schemas.spec import Disk

GIB = 1 << 30


class DiskTooLarge(Refused):
    """A source disk is larger than the volume the spec gives it. Sizes in bytes."""

    def __init__(self, disk: Disk, size: int) -> None:
        needed = -(-size // GIB)
        super().__init__(
            f"Disk {disk.id} ({disk.path}) has {size} bytes, more than its volume of {disk.size_gib} GiB.",
            f"Set size_gib to {needed} or more."
            if needed <= 65536
            else "EBS takes 64 TiB (65536 GiB) at most: this disk cannot become one volume.",
        )
        self.disk = disk.id
        self.size = size


class NodeUnfit(Refused):
    """The access node cannot serve this replication."""

    def __init__(self, node_id: str, fault: str, hint: str) -> None:
        super().__init__(f"The access node {node_id or '(not deployed)'} {fault}.", hint)
        self.node_id = node_id


class SubnetElsewhere(Refused):
    """The destination's subnet is missing or in another zone than its volumes."""

    def __init__(self, subnet_id: str, zone: str, wanted: str) -> None:
        where = f"is in {zone}" if zone else "does not exist"
        super().__init__(
            f"The subnet {subnet_id} {where}; the volumes are in {wanted}.",
            "An EBS volume attaches within its zone only: name a subnet there, or another availability_zone.",
        )
        self.subnet_id = subnet_id
        self.zone = zone


class TypeUnknown(Refused):
    """The region has no such instance type."""

    def __init__(self, instance_type: str, region: str) -> None:
        super().__init__(f"{region} has no instance type {instance_type}.", "Correct it in the spec.")
        self.instance_type = instance_type


class VolumeTaken(Refused):
    """Somebody attached one of the replica's volumes to an instance of their own."""

    def __init__(self, volume_id: str, disk: str, instance_id: str) -> None:
        super().__init__(
            f"The volume {volume_id} of disk {disk} is attached to {instance_id}, which is neither the access node "
            "nor the destination.",
            "Detach it there if it is still the replica's, then run the same command again.",
        )
        self.volume_id = volume_id
        self.instance_id = instance_id


def preflight(job: Job) -> None:
    """Check the source, the account, the access node, the destination, the guest; give out the slots.

    Cheap checks first, the guest (an appliance must boot) last. Once the data is complete on its volumes, source,
    access node and guest are needed no more: a run that is taken over then is checked for what is still to come.
    """
    data_is_due = not is_committed(job.generation_directory)
    source_is_due = data_is_due and job.run.kind != "rollback"
    if source_is_due:
        _check_source(job)
    if data_is_due:
        check_spec(job)
    job.account.check_credentials()
    project = job.project()
    outputs = project.outputs()
    if data_is_due:
        check_base(job, outputs)
    destination = check_destination(job)
    check_known(job, project)
    root_device = check_shell(job.account, job.spec)
    slots = reserve_slots(job, outputs) if data_is_due else placement(job, outputs).slots
    write_record(placement_file(job.home.work), Placement(slots, root_device))
    if source_is_due:
        options = replace(guest_options(job.spec), hypervisor=destination.hypervisor)
        check(inspect(guest_disks(job.spec), job.generation_directory, options.luks_keys), options)


def reserve_slots(job: Job, outputs: Outputs | None) -> dict[str, str]:
    """Check the access node and give out its slots.

    Raises `NodeUnfit`, `TypeUnknown`, `VolumeTaken` or `TooManyDisks`.
    """
    node = check_node(job)
    kept = _held_slots(job, outputs, node) if outputs is not None else {}
    limits = find_type(job.account, node.type)
    if limits is None:
        raise TypeUnknown(node.type, job.spec.region)
    return reserve(job.spec, node, limits, kept)


def _check_source(job: Job) -> None:
    for disk in job.spec.source.disks:
        with closing(open_disk(disk, job.account)) as source:
            if source.size > disk.size_gib * GIB:
                raise DiskTooLarge(disk, source.size)
        check_disk(disk, job.account)


def check_node(job: Job) -> Instance:
    """The access node, if it runs in the volumes' zone. Raises `NodeUnfit`."""
    node_id = job.project().access_node_id()
    hint = "Name a running instance in the volumes' availability zone."
    node = find_instance(job.account, node_id) if node_id else None
    if node is None:
        raise NodeUnfit(node_id, "does not exist", "Deploy it first (`cdktf deploy`), or name an existing instance.")
    if node.zone != job.spec.availability_zone:
        raise NodeUnfit(node_id, f"is in {node.zone}, the volumes in {job.spec.availability_zone}", hint)
    if node.state != "running":
        raise NodeUnfit(node_id, f"is {node.state}, not running", "Start it.")
    return node


def check_destination(job: Job) -> TypeLimits:
    """What the destination's type is and takes.

    Raises `SubnetElsewhere`, `TypeUnknown` or `TooManyDisks` when the destination cannot be as the spec says.
    """
    wanted = job.spec.destination
    zone = zones_of_subnets(job.account, [wanted.subnet_id]).get(wanted.subnet_id, "")
    if zone != job.spec.availability_zone:
        raise SubnetElsewhere(wanted.subnet_id, zone, job.spec.availability_zone)
    limits = find_type(job.account, wanted.instance_type)
    if limits is None:
        raise TypeUnknown(wanted.instance_type, job.spec.region)
    disks = len(job.spec.source.disks)
    if disks > limits.volumes:
        raise TooManyDisks(disks, limits.volumes, f"the destination's type {limits.type}")
    return limits


def _held_slots(job: Job, outputs: Outputs, node: Instance) -> dict[str, str]:
    """The slots that our volumes have on this node: by the state, and by EC2 where a run died while it staged them."""
    staged = outputs.phase == "staging" and outputs.access_node_id == node.id
    held = dict(outputs.slots) if staged else {}
    volumes = find_by_ids(job.account, list(outputs.volumes.values()))
    for disk, volume_id in outputs.volumes.items():
        for attachment in volumes[volume_id].attachments if volume_id in volumes else ():
            if attachment.instance_id not in (node.id, outputs.instance_id):
                raise VolumeTaken(volume_id, disk, attachment.instance_id)
            if attachment.instance_id == node.id:
                held[disk] = attachment.device.removeprefix("/dev/")
    return held
