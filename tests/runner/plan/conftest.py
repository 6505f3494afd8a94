"""A machine's world, built by hand: web01 of the examples, with a stack of its two disks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.phases.run import Run
from runner.plan.world import SourceLook, World
from runner.terraform.prediction import read_stack
from runner.terraform.statefile import NO_STATE, StateFile
from schemas.loading import load_spec
from schemas.manifest import DiskRecord, Manifest, SourceRecord
from schemas.outputs import Outputs, Phase

EXAMPLES = Path(__file__).parents[3] / "examples"
GIB = 1 << 30
SPEC = load_spec(EXAMPLES / "linux-web01.yaml")
DISKS = {"root": 40, "data": 200}
INSTANCE = "i-00000000000000001"
NODE = "i-0123456789abcdef0"


def stack(**volume: Any) -> dict[str, Any]:
    """As `stacks` writes it. `volume` are other arguments of the root disk's volume."""
    common = {"type": "gp3", "encrypted": True, "availability_zone": "eu-central-1a"}
    volumes = {f"disk_{disk}": {**common, "size": size} for disk, size in DISKS.items()}
    volumes["disk_root"] |= volume
    attachments: dict[str, Any] = {}
    for disk in DISKS:
        for side in ("staging", "target"):
            attachments[f"{side}_disk_{disk}"] = {
                "volume_id": f"${{aws_ebs_volume.disk_{disk}.id}}",
                "count": f'${{var.phase == "{side}" ? 1 : 0}}',
            }
    return {
        "output": {"access_node_id": {"value": NODE}},
        "variable": {"slots": {"default": {"root": "xvdf", "data": "xvdg"}}, "root_device": {"default": "/dev/xvda"}},
        "resource": {
            "aws_ebs_volume": volumes,
            "aws_volume_attachment": attachments,
            "aws_instance": {"destination": {"instance_type": "m6i.large", "count": "${var.launched ? 1 : 0}"}},
        },
    }


def state(phase: Phase, *, launched: bool = True) -> StateFile:
    """What an apply of that phase leaves."""
    resources: dict[str, dict[str, Any]] = {
        f"aws_ebs_volume.{name}": {"id": "vol-1", **arguments}
        for name, arguments in stack()["resource"]["aws_ebs_volume"].items()
    }
    if launched:
        resources["aws_instance.destination[0]"] = {"id": INSTANCE, "instance_type": "m6i.large"}
    if phase != "detached":
        resources |= {f"aws_volume_attachment.{phase}_disk_{disk}[0]": {"id": "vai-1"} for disk in DISKS}
    outputs = Outputs(
        contract=1,
        replication="web01",
        phase=phase,
        launched=launched,
        slots={"root": "xvdf", "data": "xvdg"},
        root_device="/dev/xvda",
        destination_devices={"root": "/dev/xvda", "data": "xvdf"},
        volumes={"root": "vol-1", "data": "vol-2"},
        sizes_gib=DISKS,
        access_node_id=NODE,
        instance_id=INSTANCE if launched else "",
    )
    return StateFile("a-lineage", 7, resources, frozenset(), outputs)


def source(disk: str, size: int = 8 * GIB) -> SourceRecord:
    return SourceRecord(f"/disks/{disk}.raw", "raw", size, 1, 2, 3)


def manifest(**changed: Any) -> Manifest:
    """Generation 3, finished; `changed` are other fields."""
    disks = tuple(
        DiskRecord(disk, f"vol-{at}", size * GIB, source(disk), "snap-1", "d", "0" * 64, "0" * 32, ())
        for at, (disk, size) in enumerate(DISKS.items(), 1)
    )
    whole = Manifest(
        version=1,
        replication="web01",
        generation=3,
        kind="full",
        status="finished",
        created="2026-11-23T06:10:14Z",
        region="eu-central-1",
        instance_id=INSTANCE,
        guest="Debian",
        disks=disks,
        edits=(),
    )
    return replace(whole, **changed)


@pytest.fixture
def world() -> Callable[..., World]:
    """`world(field=value, ...)`: never deployed, with sources on another machine, but for what is named."""

    def make(**changed: Any) -> World:
        fields: dict[str, Any] = {
            "spec": SPEC,
            "spec_hash": "a" * 64,
            "stack": read_stack(json.dumps(stack())),
            "stack_hash": "b" * 64,
            "state": NO_STATE,
            "manifest": None,
            "sources": {},
            "under_way": None,
            "committed": False,
            "earlier": {},
            "holder": "",
            "died": False,
        }
        return World(**(fields | changed))

    return make


SEEN = {disk: SourceLook(source(disk), bytes_data=2 * GIB) for disk in DISKS}
CHANGED = {**SEEN, "root": SourceLook(replace(source("root"), mtime_ns=9), bytes_data=2 * GIB)}
FULL_RUN = Run("full", 1)
