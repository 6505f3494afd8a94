"""Instances that take their time, boot from their volumes and keep EC2's rules."""

from __future__ import annotations

import copy
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.exceptions import InvalidAMIIdError
from moto.ec2.models import instances as moto_instances
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import InstanceState, Reservation, StateReason

from runner.lab import disks, rules
from runner.lab.amis import Ami
from runner.lab.volumes import VolumeBackend

STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}


class Instance(moto_instances.Instance):
    """An instance; its class keeps moto's name for moto's serializer."""

    ec2_backend: InstanceBackend

    def __init__(self, ec2_backend: InstanceBackend, image_id: str, *args: Any, **kwargs: Any) -> None:
        ami = ec2_backend.amis[image_id]
        assert isinstance(ami, Ami)
        self.image = ami.image
        super().__init__(ec2_backend, image_id, *args, **kwargs)
        self.ena_support = self.image.ena_support
        self.boot_mode = self.image.boot_mode
        self.platform_details = self.image.platform_details
        self.usage_operation = self.image.usage_operation
        self.usage_operation_update_time = self.launch_time
        self.tpm_support = self.image.tpm_support
        self.product_codes = list(ami.product_codes)

    @property
    def security_groups(self) -> list[Any]:
        """Those of the primary interface; moto would forget groups that RunInstances gives to the interface."""
        primary = getattr(self, "nics", {}).get(0)
        return list(self._groups if primary is None else primary._group_set)

    @security_groups.setter
    def security_groups(self, groups: list[Any]) -> None:
        self._groups = groups
        primary = getattr(self, "nics", {}).get(0)
        if primary is not None:
            primary._group_set = list(groups)

    @property
    def current_instance_boot_mode(self) -> str:
        """`legacy-bios` or `uefi`, as EC2 derives it from the AMI and the instance type."""
        modes = INSTANCE_TYPES[self.instance_type].get("SupportedBootModes", ["legacy-bios"])
        if self.image.boot_mode == "uefi" or (self.image.boot_mode == "uefi-preferred" and "uefi" in modes):
            return "uefi"
        return "legacy-bios"

    def enter(self, state: str) -> None:
        self._state.name, self._state.code = state, STATES[state]

    def add_block_device(
        self,
        size: int,
        device_path: str,
        snapshot_id: str | None,
        encrypted: bool,
        delete_on_termination: bool,
        kms_key_id: str | None,
        volume_type: str | None,
    ) -> None:
        volume = self.ec2_backend.create_volume(
            size,
            self._placement.zone or "",
            snapshot_id=snapshot_id,
            encrypted=encrypted,
            kms_key_id=kms_key_id,
            volume_type=volume_type,
        )
        self.ec2_backend.join(volume.id, self.id, device_path, delete_on_termination)

    def teardown_defaults(self) -> None:
        for device, block in list(self.block_device_mapping.items()):
            self.ec2_backend.part(block.volume_id, self.id, device)
            if block.delete_on_termination:
                self.ec2_backend.delete_volume(block.volume_id)

    # -- life

    def start(self) -> InstanceState:
        before = copy.copy(self._state)
        if before.name in ("pending", "running"):
            return before
        root = self.root_device_name in self.block_device_mapping
        rules.check_startable(self.id, before.name, self.root_device_name, root)
        super().start()
        self.enter("pending")
        self.launch_time = utcnow()
        self.ec2_backend.bring_up(self)
        return before

    def stop(self) -> InstanceState:
        before = copy.copy(self._state)
        rules.check_stoppable(self.id, before.name)
        if before.name in ("stopping", "stopped"):
            return before
        super().stop()
        self.enter("stopping")
        self.ec2_backend.bring_down(self, "stopped")
        return before

    def terminate(self) -> InstanceState:
        before = copy.copy(self._state)
        if before.name in ("shutting-down", "terminated"):
            return before
        self.enter("shutting-down")
        self.ec2_backend.bring_down(self, "terminated")
        return before

    def finish(self) -> None:
        """Let go of interfaces and volumes for good."""
        super().terminate()

    def fall(self, code: str, message: str) -> None:
        """End up `stopped` although nobody asked for it."""
        super().stop()
        self.state_reason = StateReason(f"{code}: {message}", code)


class InstanceBackend(VolumeBackend):
    """moto's EC2 with instances that change state by and by."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        # (action, ClientToken): what was asked, and the answer.
        self.tokens: dict[tuple[str, str], tuple[Any, Any]] = {}

    def run_instances(
        self, image_id: str, count: int, user_data: Any, security_group_names: list[str], **kwargs: Any
    ) -> Reservation:
        if image_id not in self.amis:
            raise InvalidAMIIdError([image_id])
        info = INSTANCE_TYPES.get(kwargs["instance_type"], {}).get("ProcessorInfo", {})
        architectures = info.get("SupportedArchitectures", [])
        rules.check_instance_type(kwargs["instance_type"], architectures, self.amis[image_id].architecture or "")
        mappings = kwargs.get("block_device_mappings") or []
        for mapping in mappings:
            rules.check_device_name(mapping["DeviceName"], ())
        reservation = super().run_instances(image_id, count, user_data, security_group_names, **kwargs)
        for instance in reservation.instances:
            assert isinstance(instance, Instance)
            for mapping in mappings:
                block = instance.block_device_mapping.get(mapping["DeviceName"])
                if block is not None:
                    volume = self.get_volume(block.volume_id)
                    volume.iops = mapping["Ebs"].get("Iops") or volume.iops
                    volume.throughput = mapping["Ebs"].get("Throughput") or volume.throughput
            instance.enter("pending")
            self.bring_up(instance)
        return reservation

    def bring_up(self, instance: Instance) -> None:
        """From `pending` to `running`."""
        self.ground.later(self.ground.settings.settle_seconds, lambda: self.settle(instance, "pending", "running"))

    def bring_down(self, instance: Instance, state: str) -> None:
        """From `stopping` or `shutting-down` to `state`."""
        self.ground.later(self.ground.settings.settle_seconds, lambda: self.settle(instance, instance.state, state))

    def settle(self, instance: Instance, leaving: str, state: str) -> None:
        if instance.state != leaving:
            return
        if state == "terminated":
            instance.finish()
        else:
            instance.enter(state)

    def root_is_blank_shell(self, instance: Instance) -> bool:
        """Whether the root is still the shell's own, which in the lab holds nothing that could boot."""
        volume = self.get_volume(instance.block_device_mapping[instance.root_device_name].volume_id)
        snapshot = self.snapshots.get(volume.snapshot_id or "")
        return bool(snapshot and snapshot.from_ami) and disks.is_blank(self.ground.layout.volume(volume.id))
