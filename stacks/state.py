"""What the Terraform state of a stack says: read from its file, or by one S3 GetObject.

The synth needs it because the variables' defaults are the state's own outputs. No state (no file, an empty file, which
Terraform leaves when it is killed while holding the lock of a new one, no object, or nothing in it) is an answer; a
state that cannot be read is an error, since to go on with `detached` would detach the volumes of a live machine.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from schemas.errors import HotaddError
from schemas.naming import TAG_DISK, machine_stack, node_stack
from schemas.outputs import PHASES, Phase
from schemas.spec import Backend, S3Backend
from stacks.place import state_file, state_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_STATE_VERSION = 4
_MAKING = Lock()


class StateUnreadable(HotaddError):
    """The state of a stack exists, or may exist, and cannot be read."""

    def __init__(self, where: str, fault: str, hint: str) -> None:
        super().__init__(f"The Terraform state {where} cannot be read: {fault}.", hint)
        self.where = where
        self.fault = fault


@dataclass(frozen=True)
class MachineState:
    """A machine stack's state. `disks` maps resource names (``disk_root``) to disk ids, `slots` disk ids to device
    names; what the state does not say is empty (an apply that was killed leaves some outputs unwritten)."""

    phase: Phase
    launched: bool
    slots: dict[str, str]
    root_device: str
    disks: dict[str, str]


def machine_state(backend: Backend, replication: str) -> MachineState | None:
    """The state of a machine's stack; None if there is none. Raises `StateUnreadable`."""
    data, where = _load(backend, machine_stack(replication))
    return parse_machine(data, where)


def node_instance(backend: Backend, node: str) -> str:
    """The instance id of a declared access node; empty while it is not deployed. Raises `StateUnreadable`."""
    data, where = _load(backend, node_stack(node))
    return parse_node(data, where)


def parse_machine(data: bytes, where: str) -> MachineState | None:
    """The bytes of a machine's state; `where` names it in errors."""
    state = _parse(data, where)
    outputs, disks = _outputs(state, where), _disks(state, where)
    if not outputs and not disks:
        return None
    phase, slots = outputs.get("phase", "detached"), outputs.get("slots", {})
    launched, root_device = outputs.get("launched", False), outputs.get("root_device", "")
    if (
        phase not in PHASES
        or not isinstance(launched, bool)
        or not isinstance(root_device, str)
        or not isinstance(slots, dict)
        or not all(isinstance(slot, str) for slot in slots.values())
    ):
        raise _damaged(where, "its outputs are not those of a machine's stack")
    return MachineState(phase, launched, slots, root_device, disks)


def parse_node(data: bytes, where: str) -> str:
    """The bytes of an access node's state: its instance id, or an empty string."""
    instance = _outputs(_parse(data, where), where).get("instance_id", "")
    if not isinstance(instance, str):
        raise _damaged(where, "its outputs are not those of an access node's stack")
    return instance


def _load(backend: Backend, stack: str) -> tuple[bytes, str]:
    if backend.s3 is not None:
        return _get_object(backend.s3, state_key(backend.s3.prefix, stack))
    assert backend.local is not None  # the spec's schema: exactly one of the two
    file = state_file(backend.local.path, stack)
    try:
        return file.read_bytes(), str(file)
    except FileNotFoundError:
        return b"", str(file)
    except OSError as error:
        hint = "Run as the user who owns it, or mend its permissions."
        raise StateUnreadable(str(file), error.strerror or str(error), hint) from error


def _client(region: str) -> S3Client:
    """One client a region and endpoint: making one takes longer than a GetObject, and 500 machines are 500 of those.
    Clients may be shared between threads, making them may not."""
    with _MAKING:
        return _make_client(region, os.environ.get("AWS_ENDPOINT_URL"))


@cache
def _make_client(region: str, endpoint: str | None) -> S3Client:
    return boto3.client("s3", region_name=region, endpoint_url=endpoint or None)


def _get_object(s3: S3Backend, key: str) -> tuple[bytes, str]:
    where = f"s3://{s3.bucket}/{key}"
    try:
        body = _client(s3.region).get_object(Bucket=s3.bucket, Key=key)["Body"].read()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code == "NoSuchKey":
            return b"", where
        # Without s3:ListBucket, S3 answers 403 for an object that does not exist, too.
        hint = "It needs s3:GetObject on the object and s3:ListBucket on the bucket, and the bucket must exist."
        raise StateUnreadable(where, f"S3 says {code}", hint) from error
    except BotoCoreError as error:
        hint = "Check the credentials and the region that this shell has (`aws sts get-caller-identity`)."
        raise StateUnreadable(where, str(error).rstrip("."), hint) from error
    return body, where


def _parse(data: bytes, where: str) -> dict[str, Any]:
    if not data.strip():
        return {}
    try:
        state = json.loads(data)
    except ValueError as error:
        raise _damaged(where, "it is no JSON") from error
    if not isinstance(state, dict) or state.get("version") != _STATE_VERSION:
        raise _damaged(where, f"it is no Terraform state of version {_STATE_VERSION}")
    return state


def _outputs(state: dict[str, Any], where: str) -> dict[str, Any]:
    outputs = state.get("outputs") or {}
    if not isinstance(outputs, dict) or not all(isinstance(output, dict) for output in outputs.values()):
        raise _damaged(where, "its outputs are not in Terraform's form")
    return {name: output.get("value") for name, output in outputs.items()}


def _disks(state: dict[str, Any], where: str) -> dict[str, str]:
    disks: dict[str, str] = {}
    try:
        for resource in state.get("resources") or []:
            if resource["mode"] == "managed" and resource["type"] == "aws_ebs_volume":
                for instance in resource["instances"]:
                    tags = instance["attributes"].get("tags") or {}
                    disks[resource["name"]] = tags.get(TAG_DISK, resource["name"])
    except (AttributeError, KeyError, TypeError) as error:
        raise _damaged(where, "its resources are not in Terraform's form") from error
    return disks


def _damaged(where: str, fault: str) -> StateUnreadable:
    return StateUnreadable(
        where, fault, "Restore it from its backup (terraform.tfstate.backup, or the bucket's versions)."
    )
