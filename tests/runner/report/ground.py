"""Replications made by hand, for the report to be about: each block is a letter, so what a map must show is known.

D  data, the same as in the generation before     Z  zeroes
C  data, changed since                             z  zeroes where data was
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from runner.blocks.digests import DATA, ZERO, DigestFile
from runner.home import Home
from runner.manifests import Manifests
from schemas.document import write_document
from schemas.drift import Drift, DriftedDisk, DriftedRange
from schemas.drill import CheckResult, DrillVerdict
from schemas.manifest import DiskRecord, EditRecord, InjectedBlock, Manifest, SourceRecord
from schemas.spec import Spec
from tests.schemas.specs import loaded

BLOCK = 512 * 1024
_STATE = {"D": DATA, "C": DATA, "Z": ZERO, "z": ZERO}
_STATE_BEFORE = {"D": DATA, "C": DATA, "Z": ZERO, "z": DATA}


@dataclass(frozen=True)
class Painted:
    """One disk: a letter a block, and the blocks that are injected and drifted."""

    id: str
    letters: str
    injected: tuple[int, ...] = ()
    drifted: tuple[int, ...] = ()
    before: int | None = None  # how many blocks the generation before had; as many as now


@dataclass(frozen=True)
class Ground:
    """A machine to report on."""

    place: Path
    name: str
    disks: tuple[Painted, ...]
    spec_file: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "spec_file", self.place / f"{self.name}.yaml")
        self.spec_file.parent.mkdir(parents=True, exist_ok=True)
        self.spec_file.write_text(json.dumps(self.document()))

    def document(self) -> dict[str, object]:
        disks = [
            {"id": d.id, "path": f"/images/{d.id}.raw", "size_gib": max(1, len(d.letters) // 2048), "boot": n == 0}
            for n, d in enumerate(self.disks)
        ]
        return {
            "version": 1,
            "name": self.name,
            "region": "eu-central-1",
            "availability_zone": "eu-central-1a",
            "source": {"disks": disks},
            "access_node": {"instance_id": "i-0123456789abcdef0"},
            "destination": {
                "instance_type": "m5.large",
                "shell_ami": "ami-0123456789abcdef0",
                "subnet_id": "subnet-0123456789abcdef0",
            },
            "backend": {"local": {"path": str(self.place / "state")}},
        }

    @property
    def spec(self) -> Spec:
        return loaded(json.dumps(self.document()))

    @property
    def home(self) -> Home:
        return Home(self.name, self.place / "state" / self.name)

    @property
    def manifests(self) -> Manifests:
        return Manifests(self.home.manifests)

    def two_generations(self, *, edits: tuple[EditRecord, ...] = (), guest: str = "Debian GNU/Linux 12") -> None:
        """A full one, and an incremental after it; the state in `target`."""
        for generation in (1, 2):
            records = tuple(self._record(disk, generation) for disk in self.disks)
            self.manifests.write(
                Manifest(
                    version=1,
                    replication=self.name,
                    generation=generation,
                    kind="full" if generation == 1 else "incremental",
                    status="finished",
                    created=f"2026-11-2{generation}T06:00:00.000Z",
                    region="eu-central-1",
                    instance_id="i-0aaaaaaaaaaaaaaa1",
                    guest=guest,
                    disks=records,
                    edits=edits,
                    base=generation - 1,
                    finished=f"2026-11-2{generation}T06:04:05.000Z",
                    seconds=245.0,
                )
            )
        self.state("target")
        self.events()

    def _record(self, disk: Painted, generation: int) -> DiskRecord:
        size = len(disk.letters) * BLOCK
        copied = len(disk.letters if generation == 2 else disk.letters[: disk.before]) * BLOCK
        changed = sum(letter in "Cz" for letter in disk.letters) * BLOCK
        return DiskRecord(
            id=disk.id,
            volume_id=volume_of(disk),
            volume_bytes=size,
            source=SourceRecord(f"/images/{disk.id}.raw", "raw", copied, 1, 2, 3),
            integrity_snapshot_id=f"snap-0{generation:016x}",
            digest_file=f"generation-{generation:04d}/{disk.id}.digests",
            digest_of_digests=self._digests(disk, generation),
            copy=f"{generation:032x}",
            injected=tuple(InjectedBlock(block * BLOCK, BLOCK, "cd" * 16) for block in disk.injected),
            bytes_changed=changed if generation == 2 else 0,
            bytes_written=changed if generation == 2 else size,
        )

    def _digests(self, disk: Painted, generation: int) -> str:
        path = self.manifests.digest_file(generation, disk.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        now = generation == 2
        letters = disk.letters if now else disk.letters[: disk.before]
        states = bytes((_STATE if now else _STATE_BEFORE)[letter] for letter in letters)
        file = DigestFile.create(path, disk=disk.id, generation=generation, size=len(letters) * BLOCK)
        for block, letter in enumerate(letters):
            # Two in three changed blocks differ in the last bytes of their digests alone.
            new = letter == "C" and now
            digest = bytes([block % 3 == 0 and new]) + block.to_bytes(8, "little") + bytes(6) + bytes([new])
            file.set_run(block, states[block : block + 1], digest)
        digest_of_digests = file.seal()
        file.publish()
        file.close()
        return digest_of_digests

    def state(self, phase: str) -> None:
        """A Terraform state whose outputs tell the phase."""
        outputs = {
            "contract": 1,
            "replication": self.name,
            "phase": phase,
            "launched": True,
            "slots": {},
            "root_device": "/dev/xvda",
            "destination_devices": {},
            "volumes": {disk.id: volume_of(disk) for disk in self.disks},
            "sizes_gib": {disk.id: 1 for disk in self.disks},
            "access_node_id": "i-0123456789abcdef0",
            "instance_id": "i-0aaaaaaaaaaaaaaa1",
        }
        document = {
            "version": 4,
            "terraform_version": "1.15.0",
            "serial": 7,
            "lineage": "11111111-2222-3333-4444-555555555555",
            "outputs": {name: {"value": value, "type": "dynamic"} for name, value in outputs.items()},
            "resources": [],
        }
        self.home.directory.mkdir(parents=True, exist_ok=True)
        (self.home.directory / "terraform.tfstate").write_text(json.dumps(document))

    def events(self) -> None:
        """A run of three steps, one of which took two tries."""
        lines = [
            ("preflight", "started", None, None),
            ("preflight", "finished", 2.5, None),
            ("restore", "started", None, None),
            ("restore", "failed", 10.0, "The disk went away."),
            ("restore", "started", None, None),
            ("restore", "progress", None, "1 GB/s"),
            ("restore", "finished", 30.0, None),
            ("manifest finished", "started", None, None),
            ("manifest finished", "finished", 0.5, None),
        ]
        self.home.work.mkdir(parents=True, exist_ok=True)
        with self.home.events.open("w") as file:
            for at, (step, status, seconds, message) in enumerate(lines):
                time = f"2026-11-22T06:00:{at:02}.000Z"
                event = {"time": time, "replication": self.name, "step": step, "status": status}
                event |= {"seconds": seconds} if seconds is not None else {}
                event |= {"message": message} if message is not None else {}
                file.write(json.dumps(event) + "\n")

    def drift(self, **fields: object) -> Drift:
        """The last look: the drifted blocks of every disk."""
        disks = tuple(
            DriftedDisk(
                id=disk.id,
                volume_id=volume_of(disk),
                volume_bytes=len(disk.letters) * BLOCK,
                integrity_snapshot_id="snap-00000000000000002",
                compared=True,
                note="",
                blocks=len(disk.drifted),
                bytes=len(disk.drifted) * BLOCK,
                ranges=tuple(DriftedRange(block * BLOCK, BLOCK, block in disk.injected) for block in disk.drifted),
            )
            for disk in self.disks
        )
        values: dict[str, object] = {
            "version": 1,
            "replication": self.name,
            "generation": 2,
            "checked": "2026-11-23T07:00:00Z",
            "instance_id": "i-0aaaaaaaaaaaaaaa1",
            "instance_state": "stopped",
            "since_launch": False,
            "moving": False,
            "infrastructure_looked": True,
            "data_looked": True,
            "infrastructure": (),
            "disks": disks,
            "notes": (),
        }
        drift = Drift(**{**values, **fields})  # type: ignore[arg-type]
        (self.home.work / "drift.json").write_text(write_document(drift, "drift"))
        return drift

    def drill(self, *checks: CheckResult, reason: str = "") -> None:
        """The last drill."""
        verdict = DrillVerdict(
            version=1,
            replication=self.name,
            generation=2,
            verdict="failed" if reason else "passed",
            reason=reason,
            started="2026-11-23T08:00:00.000Z",
            ended="2026-11-23T08:05:00.000Z",
            instance_id="i-0bbbbbbbbbbbbbbb1",
            instance_type="t3.medium",
            expires="2026-11-24T08:00:00.000Z",
            kept=False,
            checks=checks or (CheckResult("status", "both status checks", True, "ok", 61.0),),
        )
        (self.home.work / "drill.json").write_text(write_document(verdict, "drill"))


def volume_of(disk: Painted) -> str:
    """The disk's volume."""
    return "vol-0" + disk.id.encode().hex().rjust(16, "0")[-16:]
