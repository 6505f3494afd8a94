"""What a plan is made from: the synthesized stack, the state, the newest manifest, the sources. Nothing is changed.

One synth serves all specs, and states are read as they lie there, so that hundreds of machines take seconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from runner.aws.account import Account
from runner.aws.instances import find_instance
from runner.blocks.bytefile import open_local
from runner.blocks.source import open_source
from runner.home import Home
from runner.journal import read_events
from runner.manifests import ManifestStore
from runner.phases.changes import change_id
from runner.phases.holder import holder_of
from runner.phases.records import applying_file, is_committed
from runner.phases.restore import source_record
from runner.phases.run import Run
from runner.phases.state import read_state
from runner.phases.underway import run_under_way
from runner.terraform.plan import Plan
from runner.terraform.prediction import StackText, read_stack
from runner.terraform.statefile import StateFile
from schemas.document import DocumentDamaged, unstructure
from schemas.errors import HotaddError
from schemas.manifest import Manifest, SourceRecord
from schemas.reading import read
from schemas.spec import Disk, Spec

GIB = 1 << 30
# The formats that hotadd's own readers open; they start no other program.
_OURS = ("raw", "vmdk")
# A sparse image may be in millions of pieces; beyond this many, the rest counts as data.
_EXTENTS_MOST = 200_000


@dataclass(frozen=True)
class SourceLook:
    """A source as it is on this machine: its record, and how many of its bytes are data (at most, if not `exact`)."""

    record: SourceRecord
    bytes_data: int
    exact: bool = True

    @property
    def tells_changes(self) -> bool:
        """Whether the record would be another one if the source had changed."""
        return self.record.mtime_ns != 0 or self.record.version != "" or self.record.change_id != ""


@dataclass(frozen=True)
class World:
    """All that a machine's plan depends on.

    `spec_hash` and `stack_hash` are SHA-256. `sources` has no entry for a disk that this machine cannot see. `earlier`
    is seconds by step, of the last run here. `destination` is EC2's state of the destination, empty when nobody
    asked; `planned` is Terraform's own plan of the first apply, where it was asked. `under_way` is the run that began
    here and has not ended, `has_files` whether its working files are here, `committed` whether its data is complete;
    `died`: it died in an apply.
    """

    spec: Spec
    spec_hash: str
    stack: StackText
    stack_hash: str
    state: StateFile
    manifest: Manifest | None
    sources: Mapping[str, SourceLook]
    under_way: Run | None
    committed: bool
    earlier: Mapping[str, float]
    holder: str
    died: bool
    has_files: bool = False
    destination: str = ""
    planned: Plan | None = None

    @property
    def manifest_hash(self) -> str:
        """SHA-256 of the newest manifest; empty if there is none."""
        return "" if self.manifest is None else hash_of(unstructure(self.manifest))

    @property
    def source_unchanged(self) -> bool:
        """Whether every source is seen and is what the newest manifest says was copied.

        Of a block device nothing tells that but a changed-block list's id: it has no time of change.
        """
        recorded = {} if self.manifest is None else {disk.id: disk.source for disk in self.manifest.disks}
        looks = [(self.sources.get(disk.id), recorded.get(disk.id)) for disk in self.spec.source.disks]
        return all(now is not None and now.record == was and now.tells_changes for now, was in looks)


def look(spec_file: Path, spec: Spec, stack: Path, home: Home, manifests: ManifestStore) -> World:
    """Look at one machine's world. `stack` is the directory that holds its synthesized `cdk.tf.json`."""
    text = (stack / "cdk.tf.json").read_text(encoding="utf-8")
    manifest = manifests.latest()
    under_way = run_under_way(home, manifest)
    generation = 1 if under_way is None else under_way.generation
    recorded = {} if manifest is None else {disk.id: disk.source for disk in manifest.disks}
    return World(
        spec=spec,
        spec_hash=hash_of(read(spec_file).value),
        stack=read_stack(text),
        stack_hash=hash_of(_lasting(json.loads(text))),
        state=read_state(spec, home),
        manifest=manifest,
        sources={d.id: seen for d in spec.source.disks if (seen := _look_at(d, recorded.get(d.id))) is not None},
        under_way=under_way,
        committed=is_committed(home.generation(generation)),
        earlier=_durations(home),
        holder=holder_of(spec, home),
        died=applying_file(home.work).exists(),
        has_files=home.generation(generation).exists(),
    )


def destination_state(account: Account, world: World) -> str:
    """EC2's state of the destination: running, stopped, ...; `gone` if it is not there; empty without one."""
    outputs = world.state.outputs
    if outputs is None or not outputs.instance_id:
        return ""
    found = find_instance(account, outputs.instance_id)
    return "gone" if found is None else found.state


def hash_of(document: object) -> str:
    """SHA-256 of plain JSON values, whatever their order and layout in a file."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _lasting(stack: dict[str, object]) -> object:
    """A stack without what differs between checkouts and between phases: the backend's place (the spec names it), the
    variables' defaults (they follow the state), cdktf's comments."""
    variables = stack["variable"]
    terraform = stack["terraform"]
    assert isinstance(variables, dict) and isinstance(terraform, dict)
    plain = {name: {k: v for k, v in one.items() if k != "default"} for name, one in variables.items()}
    kept = {name: value for name, value in terraform.items() if name != "backend"}
    return _uncommented({**stack, "variable": plain, "terraform": kept})


def _uncommented(value: object) -> object:
    if isinstance(value, dict):
        return {key: _uncommented(inner) for key, inner in value.items() if key != "//"}
    if isinstance(value, list):
        return [_uncommented(inner) for inner in value]
    return value


def _look_at(disk: Disk, recorded: SourceRecord | None) -> SourceLook | None:
    """A source on this machine; None for one that is elsewhere (a pipeline plans far from the disks) or unreadable:
    preflight, on the access node, is what refuses it."""
    if "://" in disk.path:
        return None
    try:
        return _opened(disk) if disk.format in _OURS else _beside(disk, recorded)
    except (OSError, HotaddError):
        return None


def _opened(disk: Disk) -> SourceLook:
    with closing(open_source(disk.path, disk.format, disk.member)) as source:
        data = 0
        for number, extent in enumerate(source.extents()):
            if number == _EXTENTS_MOST:
                data += source.size - extent.offset
                break
            data += extent.length if extent.kind == "data" else 0
        return SourceLook(source_record(disk, source), data, exact=True)


def _beside(disk: Disk, recorded: SourceRecord | None) -> SourceLook:
    """An image that a plan does not open (QEMU would parse it, or a package be unpacked): the file alone is looked at,
    and the disk in it is as large as the last run found it, or as its volume."""
    with closing(open_local(disk.path)) as file:
        now = file.fingerprint()
    size = disk.size_gib * GIB if recorded is None else recorded.bytes
    record = SourceRecord(
        disk.path, disk.format, size, now.mtime_ns, now.inode, now.device, now.version, change_id(disk)
    )
    return SourceLook(record, size, exact=False)


def _durations(home: Home) -> dict[str, float]:
    """Seconds of each step the last time it finished here. A journal of another version is no reason to fail."""
    try:
        return {e.step: e.seconds for e in read_events(home.events) if e.status == "finished" and e.seconds is not None}
    except DocumentDamaged:
        return {}
