"""All instances of a region: RunInstances, and the power that starts and ends their guests."""

from __future__ import annotations

import time
from typing import Any

from moto.ec2.exceptions import InvalidAMIIdError
from moto.ec2.models.elastic_block_store import VolumeAttachment
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import Reservation

from runner.acceleration import accelerator
from runner.lab import disks, rules
from runner.lab.faults import LAUNCH_ERROR
from runner.lab.instances import Instance
from runner.lab.layout import nvme_serial
from runner.lab.machine import Disk, Machine, Network
from runner.lab.power import efi_variables
from runner.lab.vm import Vm
from runner.lab.volumes import VolumeBackend


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
        if not kwargs.get("nics"):
            self.choose_network(kwargs, security_group_names)
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
            self.bring_up(instance, "RunInstances")
        return reservation

    def choose_network(self, asked: dict[str, Any], group_names: list[str]) -> None:
        """Where RunInstances names no subnet or group, the zone's default subnet and the network's default group.

        moto would think itself in EC2-Classic and draw an address from nowhere.
        """
        if not asked.get("subnet_id"):
            zone = asked.get("placement") or f"{self.region_name}a"
            asked["subnet_id"] = self.get_default_subnets()[zone].id
        if not asked.get("security_group_ids") and not group_names:
            network = self.get_subnet(asked["subnet_id"]).vpc_id
            group = self.get_security_group_from_name("default", network)
            asked["security_group_ids"] = [group.id] if group is not None else []

    # -- power

    def bring_up(self, instance: Instance, action: str) -> None:
        """From `pending` to `running`, with a guest if there is something to boot.

        `action` is the call that asked: RunInstances or StartInstances.
        """

        def start() -> None:
            time.sleep(self.ground.settings.settle_seconds)
            kvm = self.ground.settings.boot and accelerator() == "kvm"
            with self.ground.lock:
                if instance.state != "pending":
                    return
                if self.ground.faults.take("ec2", action, LAUNCH_ERROR) is not None:
                    # What EC2 says when it may not use the key of an encrypted volume.
                    instance.fall("Client.InternalError", "Client error on launch")
                else:
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
            if code == 0 and instance.instance_initiated_shutdown_behavior == "terminate":
                instance.finish()
            elif code == 0:
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
