"""Volumes and snapshots with bytes behind them.

The classes bear moto's own names: its serializer looks attributes up by class name (`Volume` makes `VolumeId` `id`).
"""

from __future__ import annotations

import os
from typing import Any, cast

from moto.ec2.models import EC2Backend, elastic_block_store
from moto.ec2.models.elastic_block_store import VolumeAttachment
from moto.ec2.models.instance_types import INSTANCE_TYPES

from runner.lab import disks, rules
from runner.lab.faults import LATE_DEVICE, SNAPSHOT_ERROR
from runner.lab.ground import Ground
from runner.lab.journal import write_line

GP3_THROUGHPUT = 125  # MiB/s, what EC2 gives when none is asked for


class Volume(elastic_block_store.Volume):
    """A volume; `creating` while its snapshot is copied onto it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.creating = False
        if self.volume_type == "gp3":
            self.throughput = self.throughput or GP3_THROUGHPUT
        if self.volume_type == "gp2":
            self.iops = min(max(100, 3 * int(self.size)), 16000)

    @property
    def status(self) -> str:
        return "creating" if self.creating else super().status

    def get_filter_value(self, filter_name: str, method_name: str | None = None) -> Any:
        if filter_name == "volume-type":
            return self.volume_type
        if filter_name == "attachment.delete-on-termination" and self.attachment:
            return str(cast(Any, self.attachment).delete_on_termination).lower()
        return super().get_filter_value(filter_name, method_name)


class Snapshot(elastic_block_store.Snapshot):
    """A snapshot. The size is the volume's at its creation: the volume may grow later."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gib = int(self.volume.size)

    @property
    def volume_size(self) -> int:
        return self.gib

    @property
    def progress(self) -> str:
        return "100%" if self.status == "completed" else "0%"


class VolumeBackend(EC2Backend):
    """moto's EC2 with files behind volumes and snapshots, and with EC2's rules about them."""

    ground: Ground

    # -- volumes

    def create_volume(
        self,
        size: int | None,
        zone_name: str,
        snapshot_id: str | None = None,
        encrypted: bool = False,
        kms_key_id: str | None = None,
        volume_type: str | None = None,
        iops: int | None = None,
        throughput: int | None = None,
        multi_attach_enabled: bool | None = None,
    ) -> Volume:
        snapshot = self.get_snapshot(snapshot_id) if snapshot_id else None
        if snapshot is not None:
            size = int(size) if size is not None else snapshot.volume_size
            rules.check_covers_snapshot(size, snapshot.id, snapshot.volume_size)
            rules.check_snapshot_completed(snapshot.id, snapshot.status)
            if snapshot.encrypted:
                encrypted, kms_key_id = True, kms_key_id or snapshot.kms_key_id
        if size is not None:
            rules.check_volume_size(volume_type or "gp2", int(size))
        volume = super().create_volume(
            size,  # type: ignore[arg-type]  # moto itself raises MissingParameter for None
            zone_name,
            snapshot_id=snapshot_id,
            encrypted=bool(encrypted) or self.ebs_encryption_by_default,
            kms_key_id=kms_key_id,
            volume_type=volume_type,
            iops=iops,
            throughput=throughput,
            multi_attach_enabled=multi_attach_enabled,
        )
        assert isinstance(volume, Volume)
        path, length = self.ground.layout.volume(volume.id), int(volume.size) * disks.GIB
        if snapshot is None or disks.is_hole(self.ground.layout.snapshot(snapshot.id)):
            disks.make_blank(path, length)
            return volume
        volume.creating = True
        source = self.ground.layout.snapshot(snapshot.id)

        def fill() -> None:
            disks.copy_sparse(source, path, length)
            with self.ground.lock:
                volume.creating = False

        self.ground.aside(fill)
        return volume

    def describe_volumes(
        self, volume_ids: list[str] | None = None, filters: Any = None
    ) -> list[elastic_block_store.Volume]:
        for volume_id in volume_ids or []:
            self.get_volume(volume_id)
        return super().describe_volumes(volume_ids, filters)

    def modify_volume(
        self,
        volume_id: str,
        target_size: int | None = None,
        target_volume_type: str | None = None,
        target_iops: int | None = None,
        target_throughput: int | None = None,
        target_multi_attach_enabled: bool | None = None,
    ) -> elastic_block_store.Volume:
        volume = self.get_volume(volume_id)
        if target_size is not None:
            rules.check_growth(int(volume.size), int(target_size))
        rules.check_volume_size(target_volume_type or volume.volume_type, int(target_size or volume.size))
        super().modify_volume(
            volume_id,
            target_size,
            target_volume_type,
            target_iops,
            target_throughput,
            target_multi_attach_enabled,
        )
        disks.grow(self.ground.layout.volume(volume_id), int(volume.size) * disks.GIB)
        return volume

    def delete_volume(self, volume_id: str) -> elastic_block_store.Volume:
        volume = super().delete_volume(volume_id)
        self.ground.layout.volume(volume_id).unlink(missing_ok=True)
        return volume

    # -- attachments

    def attach_volume(
        self, volume_id: str, instance_id: str, device_path: str, delete_on_termination: bool = False
    ) -> VolumeAttachment:
        volume = self.get_volume(volume_id)
        instance = self.get_instance(instance_id)
        rules.check_attachable(volume_id, volume.status)
        rules.check_takes_volumes(instance_id, instance.state)
        rules.check_same_zone(volume_id, volume.availability_zone, instance_id, instance.availability_zone)
        rules.check_device_name(device_path, list(instance.block_device_mapping))
        limit = rules.attachment_limit(INSTANCE_TYPES[instance.instance_type]["EbsInfo"], len(instance.nics))
        rules.check_attachment_limit(instance_id, instance.instance_type, len(instance.block_device_mapping), limit)
        return self.join(volume_id, instance_id, device_path, delete_on_termination)

    def join(self, volume_id: str, instance_id: str, device_path: str, delete_on_termination: bool) -> VolumeAttachment:
        """Attach without asking: a volume that RunInstances makes may still be in creation."""
        attachment = super().attach_volume(volume_id, instance_id, device_path, delete_on_termination)
        assert attachment is not None
        # moto keeps this flag at the instance alone; DescribeVolumes shows it too.
        cast(Any, attachment).delete_on_termination = delete_on_termination
        late = self.ground.faults.take("ec2", "AttachVolume", LATE_DEVICE)
        if late is None:
            self.show_device(attachment)
        else:
            self.ground.later(late.delay_seconds, lambda: self.show_device(attachment))
        self.note("attach", volume=volume_id, instance=instance_id, device=device_path)
        return attachment

    def show_device(self, attachment: VolumeAttachment) -> None:
        """Let the device appear where the instance looks for it, as udev does."""
        if attachment.volume.attachment is not attachment:
            return
        link = self.ground.layout.link(attachment.instance.id, attachment.volume.id)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(self.ground.layout.volume(attachment.volume.id), link.parent))

    def detach_volume(self, volume_id: str, instance_id: str | None, device_path: str | None) -> VolumeAttachment:
        attachment = self.check_detach(volume_id, instance_id)
        return self.part(volume_id, attachment.instance.id, device_path or attachment.device)

    def check_detach(self, volume_id: str, instance_id: str | None) -> VolumeAttachment:
        """The attachment that a DetachVolume call means, if it may be undone."""
        volume = self.get_volume(volume_id)
        attachment = volume.attachment
        if attachment is None:
            raise rules.refused("IncorrectState", f"Volume '{volume_id}' is in the '{volume.status}' state.")
        instance = attachment.instance
        if instance_id is not None and instance_id != instance.id:
            self.get_instance(instance_id)
            raise rules.refused(
                "InvalidAttachment.NotFound",
                f"The volume '{volume_id}' is not attached to instance '{instance_id}'.",
            )
        rules.check_detachable(volume_id, instance.id, instance.state, attachment.device == instance.root_device_name)
        return attachment

    def part(self, volume_id: str, instance_id: str, device_path: str) -> VolumeAttachment:
        """Detach without asking: a terminated instance lets its root go."""
        attachment = super().detach_volume(volume_id, instance_id, device_path)
        self.ground.layout.link(instance_id, volume_id).unlink(missing_ok=True)
        self.note("detach", volume=volume_id, instance=instance_id, device=device_path)
        return attachment

    # -- snapshots

    def create_snapshot(
        self, volume_id: str, description: str, owner_id: str | None = None, from_ami: str | None = None
    ) -> Snapshot:
        pending = [s for s in self.snapshots.values() if s.volume.id == volume_id and s.status == "pending"]
        self.get_volume(volume_id)
        rules.check_pending_snapshots(len(pending))
        snapshot = super().create_snapshot(volume_id, description, owner_id, from_ami)
        assert isinstance(snapshot, Snapshot)
        snapshot.kms_key_id = self.get_volume(volume_id).kms_key_id
        snapshot.status = "pending"
        # Copied before the call returns: a snapshot holds the bytes as they are now, whatever is written next.
        with self.ground.unlocked():
            disks.copy_sparse(self.ground.layout.volume(volume_id), self.ground.layout.snapshot(snapshot.id))
        self.note("snapshot", volume=volume_id, snapshot=snapshot.id)
        spoiled = self.ground.faults.take("ec2", "CreateSnapshot", SNAPSHOT_ERROR) is not None

        def end() -> None:
            snapshot.status = "error" if spoiled else "completed"

        self.ground.later(self.ground.settings.snapshot_seconds, end)
        return snapshot

    def get_snapshot(self, snapshot_id: str) -> Snapshot:
        snapshot = self.snapshots.get(snapshot_id)
        if snapshot is None:
            raise rules.refused("InvalidSnapshot.NotFound", f"The snapshot '{snapshot_id}' does not exist.")
        assert isinstance(snapshot, Snapshot)
        return snapshot

    def describe_snapshots(
        self, snapshot_ids: list[str] | None = None, filters: Any = None
    ) -> list[elastic_block_store.Snapshot]:
        for snapshot_id in snapshot_ids or []:
            self.get_snapshot(snapshot_id)
        return super().describe_snapshots(snapshot_ids, filters)

    def delete_snapshot(self, snapshot_id: str) -> elastic_block_store.Snapshot:
        self.get_snapshot(snapshot_id)
        snapshot = super().delete_snapshot(snapshot_id)
        self.ground.layout.snapshot(snapshot_id).unlink(missing_ok=True)
        return snapshot

    def note(self, event: str, **fields: str) -> None:
        """Log something that happened to a device."""
        write_line(self.ground.layout.device_log, event=event, **fields)
