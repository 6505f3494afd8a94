"""Instances that take their time, boot from their volumes and keep EC2's rules."""

from __future__ import annotations

import copy
import time
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.exceptions import InvalidAMIIdError
from moto.ec2.models import instances as moto_instances
from moto.ec2.models.elastic_block_store import VolumeAttachment
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import InstanceState, Reservation, StateReason

from runner.lab import disks, rules
from runner.lab.accelerator import kvm_works
from runner.lab.amis import Ami
from runner.lab.layout import nvme_serial
from runner.lab.machine import Disk, Machine, Network
from runner.lab.power import Power, efi_variables
from runner.lab.vm import Vm
from runner.lab.volumes import VolumeBackend

STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}


class Instance(moto_instances.Instance):
    """An instance; its class keeps moto's name for moto's serializer."""

    ec2_backend: InstanceBackend

    def __init__(self, ec2_backend: InstanceBackend, image_id: str, *args: Any, **kwargs: Any) -> None:
        ami = ec2_backend.amis[image_id]
        assert isinstance(ami, Ami)
        self.image = ami.image
        self.busy: list[tuple[str, str]] = []  # (volume id, device) to detach once the guest lets go
        super().__init__(ec2_backend, image_id, *args, **kwargs)
        self.ena_support = self.image.ena_support
        self.boot_mode = self.image.boot_mode
        self.platform_details = self.image.platform_details
        self.usage_operation = self.image.usage_operation
        self.usage_operation_update_time = self.launch_time
        self.tpm_support = self.image.tpm_support
        self.product_codes = list(ami.product_codes)
        self.power = Power(ec2_backend.ground.layout, self.id)

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

    @property
    def system_status(self) -> dict[str, Any]:
        """The host's side: in order as soon as the instance runs."""
        return _status("passed" if self.state == "running" else "not-applicable")

    @property
    def instance_status(self) -> dict[str, Any]:
        """The guest's side: whether it has shown itself on the network."""
        if self.state != "running":
            return _status("not-applicable")
        return _status(self.power.reachability(self.ec2_backend.ground.settings.status_seconds))

    def reboot(self) -> None:
        super().reboot()
        self.power.reset()

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


def _status(reachability: str) -> dict[str, Any]:
    if reachability == "not-applicable":
        return {"Status": reachability}
    overall = {"passed": "ok", "initializing": "initializing", "failed": "impaired"}[reachability]
    return {"Status": overall, "Details": [{"Name": "reachability", "Status": reachability}]}


class InstanceBackend(VolumeBackend):
    """moto's EC2 with instances that take their time and keep EC2's rules."""

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

    # -- power

    def bring_up(self, instance: Instance) -> None:
        """From `pending` to `running`, with a guest if there is something to boot."""

        def start() -> None:
            time.sleep(self.ground.settings.settle_seconds)
            kvm = self.ground.settings.boot and kvm_works()
            with self.ground.lock:
                if instance.state == "pending":
                    instance.power.on(self.machine(instance, kvm), lambda *end: self.guest_ended(instance, *end))
                    instance.enter("running")

        self.ground.aside(start)

    def bring_down(self, instance: Instance, state: str) -> None:
        """From `stopping` or `shutting-down` to `state`, once the guest is off."""

        def stop() -> None:
            time.sleep(self.ground.settings.settle_seconds)
            instance.power.off(self.ground.settings.stop_seconds)
            with self.ground.lock:
                self.let_go(instance)
                if state == "terminated":
                    instance.finish()
                else:
                    instance.enter(state)

        self.ground.aside(stop)

    def guest_ended(self, instance: Instance, vm: Vm, code: int, words: str) -> None:
        """QEMU has ended. If nobody pulled the plug, the instance is stopped, and says why."""
        with self.ground.lock:
            if not instance.power.belongs(vm):
                return
            instance.power.lost()
            if code == 0:
                instance.fall("Client.InstanceInitiatedShutdown", "Instance initiated shutdown")
            else:
                instance.fall("Server.InternalError", f"QEMU ended with exit code {code}: {words}")
            self.let_go(instance)

    def machine(self, instance: Instance, kvm: bool) -> Machine | None:
        """What to boot; None if the lab boots nothing, or the instance's root is still the shell's blank one."""
        if not self.ground.settings.boot or not instance.image.shell or self.root_is_blank_shell(instance):
            return None
        layout = self.ground.layout
        # Root first, then in the order of device names: sdb, ..., sdz, sdba, ...
        names = sorted(instance.block_device_mapping, key=lambda n: (n != instance.root_device_name, len(n), n))
        ids = [instance.block_device_mapping[name].volume_id for name in names]
        uefi = instance.current_instance_boot_mode == "uefi"
        return Machine(
            name=instance.id,
            disks=tuple(Disk(layout.volume(volume_id), nvme_serial(volume_id)) for volume_id in ids),
            network=Network(
                instance.nics[0].mac_address,
                instance.private_ip or "",
                self.get_subnet(instance.subnet_id or "").cidr_block,
            ),
            console=layout.console(instance.id),
            capture=layout.capture(instance.id),
            efi_variables=efi_variables(layout, instance.id) if uefi else None,
            windows=instance.platform == "windows",
            kvm=kvm,
        )

    def root_is_blank_shell(self, instance: Instance) -> bool:
        """Whether the root is still the shell's own, which in the lab holds nothing that could boot."""
        volume = self.get_volume(instance.block_device_mapping[instance.root_device_name].volume_id)
        snapshot = self.snapshots.get(volume.snapshot_id or "")
        return bool(snapshot and snapshot.from_ami) and disks.is_blank(self.ground.layout.volume(volume.id))

    def detach_volume(self, volume_id: str, instance_id: str | None, device_path: str | None) -> VolumeAttachment:
        """As EC2 does with a device in use: `busy` while a guest runs that has booted with it."""
        attachment = self.get_volume(volume_id).attachment
        owner = attachment.instance if attachment is not None else None
        if attachment is None or not isinstance(owner, Instance) or not owner.power.guest_runs:
            return super().detach_volume(volume_id, instance_id, device_path)
        self.check_detach(volume_id, instance_id)
        attachment.status = "busy"
        owner.busy.append((volume_id, attachment.device))
        return attachment

    def let_go(self, instance: Instance) -> None:
        """Finish the detachments that waited for the guest to end."""
        for volume_id, device in instance.busy:
            self.part(volume_id, instance.id, device)
        instance.busy.clear()
