"""What the survival tests stand on: a lab, a driver, replications in it, and what the lab itself says happened."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from runner.journal import read_events
from runner.lab import account
from runner.lab.record import LabInfo
from schemas.event import Event
from tests.lab_log import read_log
from tests.survival.driver import Fate

REPOSITORY = Path(__file__).resolve().parents[2]
MIB = 1 << 20
DISK_BYTES = 64 * MIB
DISKS = ("root", "data")
# What changes the account. Calls of DescribeX and tags are no effects that could be had twice.
EFFECTS = (
    "CreateVolume",
    "AttachVolume",
    "DetachVolume",
    "DeleteVolume",
    "CreateSnapshot",
    "DeleteSnapshot",
    "RunInstances",
    "StopInstances",
    "StartInstances",
    "TerminateInstances",
)
_PATIENCE = 300.0


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code, or minus the signal that killed it; and all it printed."""

    status: int
    said: str

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL


class Driver:
    """The server of tests/survival/driver.py. Two of them are needed for two runs at a time."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.survival.driver"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, words: list[str], env: dict[str, str], fate: Fate) -> int:
        """Start a run; its process id."""
        self._log.write_text("")
        request = {"words": words, "env": env, "out": str(self._log), "fate": asdict(fate)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._answer()["pid"])

    def end(self) -> Ended:
        """Wait for the run."""
        return Ended(int(self._answer()["status"]), self._log.read_text())

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return dict(json.loads(self._process.stdout.readline()))

    def written(self) -> dict[str, int]:
        """Bytes that the last run, which came to its end, wrote to volumes, by step."""
        return dict(json.loads(Path(f"{self._log}.written").read_text()))

    def close(self) -> None:
        """End the server."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(_PATIENCE)


@dataclass(frozen=True)
class Volume:
    """A volume as the lab has it."""

    id: str
    state: str
    instance: str | None
    device: str | None


@dataclass
class Lab:
    """A running lab, seen from outside of hotadd: its logs, its files, its own control path."""

    info: LabInfo

    def environment(self, home: Path) -> dict[str, str]:
        """What leads a run to the lab; `home` is where this machine keeps slots."""
        return {
            "AWS_ENDPOINT_URL": self.info.endpoint,
            "AWS_REGION": self.info.region,
            "AWS_DEFAULT_REGION": self.info.region,
            "AWS_ACCESS_KEY_ID": account.ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": account.SECRET_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOTADD_DEVICE_DIR": str(self.info.layout.root / "instances" / "{instance_id}" / "by-id"),
            "HOTADD_HOME": str(home),
        }

    def calls(self) -> list[dict[str, Any]]:
        """Every call the lab answered, in order."""
        return read_log(self.info.layout.api_log)

    def control(self, method: str, path: str, body: object = None) -> Any:
        """A call of the lab's own path."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.info.endpoint}/hotadd-lab/{path}", data, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return json.load(answer)

    def volumes(self) -> dict[str, Volume]:
        """Every volume there is."""
        return {id_: Volume(id_, **v) for id_, v in self.control("GET", "state")["volumes"].items()}

    def instances(self) -> dict[str, str]:
        """Every instance and its state."""
        return dict(self.control("GET", "state")["instances"])

    def snapshots(self) -> dict[str, dict[str, str]]:
        """Every snapshot of a volume."""
        return dict(self.control("GET", "state")["snapshots"])


@dataclass
class Replication:
    """One machine to replicate, with a home of its own. Its calls in the lab's log go from `since` to `until`."""

    name: str
    lab: Lab
    driver: Driver
    directory: Path
    since: int = 0
    until: int | None = None
    before: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, disk in enumerate(DISKS):
            write_source(self.source(disk), seed=number)
        i = self.lab.info
        disks = "\n".join(
            f"    - {{id: {d}, path: {self.source(d)}, size_gib: 1, boot: {json.dumps(d == 'root')}}}" for d in DISKS
        )
        self.spec.write_text(f"""version: 1
name: {self.name}
region: {i.region}
availability_zone: {i.availability_zone}
source:
  disks:
{disks}
network: dhcp
access_node: {{instance_id: {i.access_node_id}}}
destination: {{instance_type: m5.large, shell_ami: {i.amis["linux"]}, subnet_id: {i.subnet_id}}}
backend: {{local: {{path: {self.directory / "state"}}}}}
""")
        self.since = len(self.lab.calls())
        self.before = self._there()

    @property
    def spec(self) -> Path:
        return self.directory / f"{self.name}.yaml"

    @property
    def home(self) -> Path:
        return self.directory / "state" / self.name

    @property
    def machine_home(self) -> Path:
        """What HOTADD_HOME says."""
        return self.directory / "machine"

    def source(self, disk: str) -> Path:
        return self.directory / f"{self.name}-{disk}.raw"

    @property
    def work(self) -> Path:
        """The first generation's working files."""
        return self.home / "work" / "generation-0001"

    def volume_file(self, disk: str) -> Path:
        """Where the lab keeps the bytes of a disk's volume."""
        return self.lab.info.layout.volume(self.outputs()["volumes"][disk])

    def edit(self, old: str, new: str) -> None:
        """Change a word of the spec that is there once."""
        text = self.spec.read_text()
        assert text.count(old) == 1, old
        self.spec.write_text(text.replace(old, new))

    def replicate(self, fate: Fate | None = None, **environment: str) -> Ended:
        """`hotadd replicate`, to whatever end."""
        return self.run(["replicate", str(self.spec)], fate, **environment)

    def run(self, words: list[str], fate: Fate | None = None, **environment: str) -> Ended:
        """A command of hotadd's; an empty variable is unset."""
        self.begin(words, fate, **environment)
        return self.driver.end()

    def begin(self, words: list[str], fate: Fate | None = None, **environment: str) -> int:
        """Start a command; its process id."""
        env = self.lab.environment(self.machine_home) | environment
        return self.driver.begin(words, {k: v for k, v in env.items() if v}, fate or Fate())

    def events(self) -> list[Event]:
        return read_events(self.home / "work" / "events.jsonl")

    def effects(self) -> Counter[str]:
        """How often each effect was had in this replication's time: calls that the lab answered well."""
        calls = self.lab.calls()[self.since : self.until]
        return Counter(c["action"] for c in calls if c["status"] == 200 and c["action"] in EFFECTS)

    def twice(self) -> list[str]:
        """Effects had more than once on the same resources."""
        calls = self.lab.calls()[self.since : self.until]
        had = Counter(
            f"{c['action']} {' '.join(sorted(r for r in c['resources'] if not _made_by(c['action'], r)))}"
            for c in calls
            if c["status"] == 200 and c["action"] in EFFECTS and c["action"] not in ("CreateVolume", "RunInstances")
        )
        return sorted(what for what, times in had.items() if times > 1)

    def left(self) -> dict[str, set[str]]:
        """What exists now that did not at the start."""
        now = self._there()
        return {kind: now[kind] - self.before[kind] for kind in now}

    def _there(self) -> dict[str, set[str]]:
        alive = {i for i, state in self.lab.instances().items() if state not in ("terminated", "shutting-down")}
        return {"volumes": set(self.lab.volumes()), "instances": alive, "snapshots": set(self.lab.snapshots())}

    def outputs(self) -> dict[str, Any]:
        """The outputs in the Terraform state."""
        state = json.loads((self.home / "terraform.tfstate").read_text())
        return {name: output["value"] for name, output in state["outputs"].items()}

    def manifest(self, generation: int = 1) -> dict[str, Any]:
        return dict(json.loads((self.home / "manifest" / f"generation-{generation:04d}.json").read_text()))

    def records(self, generation: int = 1) -> dict[str, dict[str, Any]]:
        """The disks of a generation's manifest, by id."""
        return {disk["id"]: disk for disk in self.manifest(generation)["disks"]}

    def snapshot_file(self, generation: int, disk: str) -> Path:
        """Where the lab keeps the bytes of a disk's integrity snapshot."""
        return self.lab.info.layout.snapshot(self.records(generation)[disk]["integrity_snapshot_id"])

    def files(self) -> set[str]:
        """Every file of the home and of the machine's state, below their directories."""
        tops = (self.home, self.machine_home)
        return {str(f.relative_to(top)) for top in tops for f in top.rglob("*") if f.is_file()}


def _made_by(action: str, resource: str) -> bool:
    """Whether a resource in a call's log is one that the call made: it differs each time."""
    return action == "CreateSnapshot" and resource.startswith("snap-")


def write_source(path: Path, seed: int) -> None:
    """A sparse disk of 64 MiB: 24 MiB of noise in three places, the rest holes. The same for the same seed."""
    noise = random.Random(seed)
    with open(path, "wb") as file:
        file.truncate(DISK_BYTES)
        for at in (0, 32, 56):
            file.seek(at * MIB)
            file.write(noise.randbytes(8 * MIB))
        file.flush()
        os.fsync(file.fileno())
