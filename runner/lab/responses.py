"""EC2 calls that moto answers in another way than EC2."""

from __future__ import annotations

import base64
from collections.abc import Callable
from copy import deepcopy
from typing import Any, cast

from moto.core.responses import ActionResult
from moto.ec2.models import ec2_backends
from moto.ec2.responses import EC2Response

from runner.lab import rules
from runner.lab.fleet import InstanceBackend
from runner.lab.instances import Instance
from runner.lab.volumes import Snapshot

CONSOLE_BYTES = 64 * 1024  # "GetConsoleOutput ... the most recent 64 KB"
# Before the instance is stopped these cannot be changed (ModifyInstanceAttribute).
_STOPPED_ONLY = ("InstanceType", "UserData", "EbsOptimized", "Kernel", "Ramdisk")


class LabResponse(EC2Response):
    """One call. The lock is held throughout: moto's dictionaries are shared by all threads."""

    @property
    def lab(self) -> InstanceBackend:
        backend = ec2_backends[self.current_account][self.region]
        assert isinstance(backend, InstanceBackend)
        return backend

    def call_action(self) -> Any:
        with self.lab.ground.lock:
            return super().call_action()

    def _once(self, answer: Callable[[], ActionResult]) -> ActionResult:
        """Answer a call with a ClientToken that was seen before as it was answered then.

        Only what succeeded is remembered: after a failure EC2 takes the token again.
        """
        token = self._get_param("ClientToken")
        if not token:
            return answer()
        asked = {key: value for key, value in self.querystring.items() if key not in ("Action", "Version")}
        key = (self._get_action(), str(token))
        known = self.lab.tokens.get(key)
        if known is None:
            known = self.lab.tokens[key] = (asked, answer())
        rules.check_same_request(known[0], asked)
        return known[1]

    def create_volume(self) -> ActionResult:
        return self._once(super().create_volume)

    def run_instances(self) -> ActionResult:
        return self._once(super().run_instances)

    def _parse_block_device_mapping(self) -> list[dict[str, Any]]:
        """The AMI's mapping overlaid with the request's, root first, as RunInstances does it."""
        ami = self.lab.amis.get(self._get_param("ImageId"))
        merged: dict[str, dict[str, Any]] = {}
        for mapping in deepcopy(ami.block_device_mappings) if ami is not None else []:
            merged[mapping["DeviceName"]] = mapping
        for asked in self._get_param("BlockDeviceMappings", []):
            name = asked["DeviceName"]
            if "NoDevice" in asked:
                merged.pop(name, None)
                continue
            ebs = {key: value for key, value in asked.get("Ebs", {}).items() if value is not None}
            own = merged.get(name, {"DeviceName": name, "Ebs": {"DeleteOnTermination": False}})["Ebs"]
            if ebs.get("VolumeType", own.get("VolumeType")) != own.get("VolumeType"):
                own = {key: value for key, value in own.items() if key not in ("Iops", "Throughput")}
            merged[name] = {"DeviceName": name, "Ebs": {**own, **ebs}}
        return list(merged.values())

    def modify_instance_attribute(self) -> ActionResult:
        instance = self.lab.get_instance(self._get_param("InstanceId"))
        if instance.state != "stopped" and any(self._get_param(f"{name}.Value") for name in _STOPPED_ONLY):
            raise rules.refused(
                "IncorrectInstanceState", f"The instance '{instance.id}' is not in the 'stopped' state."
            )
        return super().modify_instance_attribute()

    def stop_instances(self) -> ActionResult:
        for instance_id in self._get_param("InstanceIds", []):
            instance = self.lab.get_instance(instance_id)
            assert isinstance(instance, Instance)
            instance.power.forced = bool(self._get_bool_param("Force", False))
        return super().stop_instances()

    def describe_snapshots(self) -> ActionResult:
        """With OwnerIds, which moto ignores: the AMIs' root snapshots are Amazon's."""
        owners = {self.current_account if owner == "self" else owner for owner in self._get_param("OwnerIds", [])}
        result = super().describe_snapshots()
        if owners:
            found = cast(dict[str, list[Snapshot]], result.result)["Snapshots"]
            return ActionResult({"Snapshots": [snapshot for snapshot in found if snapshot.owner_id in owners]})
        return result

    def get_console_output(self) -> ActionResult:
        instance = self.lab.get_instance(self._get_param("InstanceId"))
        assert isinstance(instance, Instance)
        path = self.lab.ground.layout.console(instance.id)
        text = path.read_bytes()[-CONSOLE_BYTES:] if path.exists() else b""
        return ActionResult(
            {
                "InstanceId": instance.id,
                "Timestamp": instance.launch_time,
                "Output": base64.b64encode(text).decode(),
            }
        )
