"""One instance: its states, its status checks, and EC2's rules about them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from moto.core.utils import utcnow
from moto.ec2.models import instances as moto_instances
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import InstanceState, StateReason

from runner.lab import rules
from runner.lab.amis import Ami
from runner.lab.power import Power

if TYPE_CHECKING:
    from runner.lab.fleet import InstanceBackend

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
        self.ec2_backend.bring_up(self, "StartInstances")
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
