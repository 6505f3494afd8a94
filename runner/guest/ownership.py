"""Asking whose the bytes of a guest's disks are: the disks opened by a confined process, beneath overlays.

This module is both sides: `whose` starts itself as the confined process, as `conversion` starts `worker`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.confinement import Identity, confine, identity, without_network
from runner.guest.appliance import Appliance
from runner.guest.conversion import GuestDisk, environment, overlaid
from runner.guest.owners import Owners, Span, find_owners
from runner.guest.refusals import ConversionFailed, revive, values_of
from runner.process import ProgramFailed, run
from schemas.document import structure, unstructure
from schemas.errors import HotaddError

_SECONDS = 3600.0  # an emulated appliance reads the inode tables of a large file system for minutes


@dataclass(frozen=True)
class Asked:
    """The overlays in the guest's order of disks, and for each disk the spans in question."""

    overlays: tuple[str, ...]
    spans: tuple[tuple[Span, ...], ...]
    identity: Identity


def whose(disks: Sequence[GuestDisk], spans: Sequence[Sequence[Span]], work: Path) -> Owners:
    """Whose the spans (bytes) of each disk are. Nothing but overlays is written. Raises `ConversionFailed`."""
    with overlaid(disks, work) as (scratch, overlays):
        asked = Asked(tuple(map(str, overlays)), tuple(tuple(one) for one in spans), identity())
        try:
            done = run(
                [*without_network(), sys.executable, "-m", "runner.guest.ownership"],
                timeout=_SECONDS,
                env=environment(scratch),
                stdin=json.dumps(unstructure(asked)).encode(),
            )
            told = json.loads(done.stdout)
        except (ProgramFailed, ValueError) as error:
            raise ConversionFailed("looking for the owners of blocks", str(error)) from error
    if "error" in told:
        raise revive(told["error"]["kind"], told["error"]["values"])
    return structure(told["answer"], Owners)


def main() -> None:
    """Read one question, become unprivileged, print one answer."""
    asked = structure(json.load(sys.stdin), Asked)
    confine(asked.identity)
    answer: dict[str, Any]
    try:
        with Appliance([Path(overlay) for overlay in asked.overlays]) as appliance:
            answer = {"answer": unstructure(find_owners(appliance, asked.spans))}
    except HotaddError as error:
        answer = {"error": {"kind": type(error).__name__, "values": values_of(error)}}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
