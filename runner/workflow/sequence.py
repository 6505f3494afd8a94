"""The phases of a replication, in order: the whole product on one screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from runner.phases.find import look_ahead
from runner.phases.finish import finish
from runner.phases.forget import forget_reference
from runner.phases.incremental import find_and_restore
from runner.phases.inject import commit_overlays, prepare_guest, write_prepared
from runner.phases.job import Job
from runner.phases.move import hand_over, launch, release, stage, take_back
from runner.phases.preflight import preflight
from runner.phases.prune import prune
from runner.phases.restore import restore
from runner.phases.rootswap import swap_root
from runner.phases.snapshot import complete_snapshots, snapshot
from runner.phases.start import start
from runner.phases.stop import stop

# Where a step may run once many access nodes serve one database: `control` drives Terraform and EC2 from anywhere,
# `node` touches the access node's block devices.
Place = Literal["control", "node"]

# The number of this sequence. A run that an older sequence began is taken over from its first step: every step looks
# at the world before it acts. Raise it whenever steps are added, removed, renamed or reordered.
VERSION = "1"


@dataclass(frozen=True)
class Step:
    """One step: its name, what it does in one sentence, where it runs, and the function that does it."""

    name: str
    sentence: str
    place: Place
    run: Callable[[Job], None]


FULL: tuple[Step, ...] = (
    Step("preflight", "Check source, account, access node, shell and guest; give out slots.", "node", preflight),
    Step("apply staging", "Create the volumes and attach them to the access node.", "control", stage),
    Step("restore", "Copy every disk onto its volume, and flush.", "node", restore),
    Step("snapshot", "Start the integrity snapshots: the source's bytes.", "control", snapshot),
    Step("prepare guest", "Make the guest bootable, in overlays.", "node", prepare_guest),
    Step("snapshots completed", "Wait until the integrity snapshots are complete.", "control", complete_snapshots),
    Step("manifest prepared", "Record data, snapshots and the blocks to inject.", "node", write_prepared),
    Step("commit", "Copy the injected blocks onto the volumes.", "node", commit_overlays),
    Step("apply detached", "Detach the volumes from the access node.", "control", release),
    Step("apply launched", "Launch the destination, an empty shell.", "control", launch),
    Step("root swap", "Stop the shell and remove its own root volume.", "control", swap_root),
    Step("apply target", "Attach the volumes to the destination, root first.", "control", hand_over),
    Step("start", "Start the destination and wait for its status checks.", "control", start),
    Step("manifest finished", "Record that the destination has the volumes.", "node", finish),
)

# A plain restore: the full replication, of which nothing is kept for another one.
RESTORE: tuple[Step, ...] = (
    *FULL,
    Step("forget", "Delete the integrity snapshots and digests: nobody refers to them.", "control", forget_reference),
)

# From the data on, full and incremental are one: snapshot, inject, hand over.
INCREMENTAL: tuple[Step, ...] = (
    Step("preflight", "Check reference, source, account, access node, guest; give out slots.", "node", preflight),
    Step("look ahead", "Snapshot large volumes while the destination still runs.", "control", look_ahead),
    Step("stop", "Stop the destination.", "control", stop),
    Step("apply detached first", "Detach the volumes from the destination.", "control", take_back),
    Step("apply staging", "Attach the volumes to the access node; grow those that the spec grew.", "control", stage),
    Step("find and restore", "Write what changed on the source, and what deviates.", "node", find_and_restore),
    *FULL[3:],
    Step("prune", "Forget generations beyond the retention.", "control", prune),
)
