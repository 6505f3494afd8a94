"""What a drill works with, and the request that says what its copy is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runner.atomic import write_atomically
from runner.aws.account import Account
from runner.aws.instances import find_instance
from runner.aws.network import network_of
from runner.aws.snapshots import find_snapshots
from runner.home import Home
from runner.journal import Journal
from runner.manifests import ManifestStore
from runner.phases.job import Job
from schemas.document import read_document, write_document
from schemas.drill import DrillDisk, DrillRequest
from schemas.errors import IntegrityViolated, Refused
from schemas.manifest import Manifest
from schemas.spec import Spec

_GIB = 1 << 30


class NothingToDrill(Refused):
    """No generation is finished."""

    def __init__(self, replication: str) -> None:
        super().__init__(f"{replication} has no finished generation to drill.", "`hotadd replicate` it first.")
        self.replication = replication


class DisksDiffer(Refused):
    """The generation has other disks than the spec, so that its boot disk is not known."""

    def __init__(self, generation: int, boot: str) -> None:
        super().__init__(
            f"Generation {generation} has no disk {boot}, from which the spec boots.", "Correct the spec's disks."
        )
        self.generation = generation


class SnapshotsMissing(IntegrityViolated):
    """Integrity snapshots of the generation are gone, or cannot be used."""

    def __init__(self, generation: int, snapshots: tuple[str, ...]) -> None:
        super().__init__(
            f"Integrity snapshots of generation {generation} are gone or not completed: {', '.join(snapshots)}.",
            "The generation cannot be booted again. `hotadd replicate --repair` makes a new one.",
        )
        self.generation = generation
        self.snapshots = snapshots


@dataclass(frozen=True)
class Ground:
    """A machine whose copy is drilled: its spec, home and manifests, and what makes the copy's own job of a request.

    `own` is the copy's home, inside the machine's; its lock is held. It makes no manifests: `own_manifests` is where
    they would be, beside its state. `node_id` tells the access node.
    """

    spec: Spec
    home: Home
    own: Home
    account: Account
    journal: Journal
    manifests: ManifestStore
    own_manifests: ManifestStore
    stop: Callable[[], bool]
    node_id: Callable[[], str]
    copy: Callable[[DrillRequest], Job]

    @property
    def request_file(self) -> Path:
        """Where the request stands while a copy is up."""
        return self.own.work / "request.json"


def verdict_file(home: Home) -> Path:
    """Where the last drill's verdict stands, in the machine's home."""
    return home.work / "drill.json"


def read_request(ground: Ground) -> DrillRequest | None:
    """The request of the copy that is up, or None. Raises `DocumentDamaged`."""
    path = ground.request_file
    if not path.exists():
        return None
    return read_document(path.read_bytes(), "drill_request", DrillRequest, str(path))


def write_request(ground: Ground, request: DrillRequest) -> None:
    """Keep the request: from now on a copy may be up."""
    ground.own.work.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(ground.request_file, write_document(request, "drill_request"))


def make_request(ground: Ground) -> DrillRequest:
    """What a drill of the latest finished generation is made of.

    Raises `NothingToDrill`, `DisksDiffer`, `SnapshotsMissing` and `SubnetGone`.
    """
    spec = ground.spec
    manifest = _latest_finished(ground)
    if spec.boot_disk.id not in {disk.id for disk in manifest.disks}:
        raise DisksDiffer(manifest.generation, spec.boot_disk.id)
    states = {one.id: one.state for one in find_snapshots(ground.account, spec.name)}
    wanted = [disk.integrity_snapshot_id for disk in manifest.disks]
    missing = tuple(one for one in wanted if states.get(one) != "completed")
    if missing:
        raise SnapshotsMissing(manifest.generation, missing)
    node_id = ground.node_id()
    node = find_instance(ground.account, node_id) if node_id else None
    network = network_of(ground.account, spec.drill.subnet_id or spec.destination.subnet_id)
    expires = datetime.now(UTC) + timedelta(hours=spec.drill.expires_hours)
    return DrillRequest(
        version=1,
        replication=spec.name,
        generation=manifest.generation,
        expires=expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        access_node_id=node_id,
        access_node_cidr=f"{node.private_ip}/32" if node is not None and node.private_ip else "",
        vpc_id=network.vpc_id,
        vpc_cidrs=network.cidrs,
        disks=tuple(DrillDisk(d.id, d.integrity_snapshot_id, -(-d.volume_bytes // _GIB)) for d in manifest.disks),
    )


def _latest_finished(ground: Ground) -> Manifest:
    for generation in reversed(ground.manifests.generations()):
        manifest = ground.manifests.read(generation)
        if manifest is not None and manifest.status == "finished":
            return manifest
    raise NothingToDrill(ground.spec.name)
