"""The confined process that opens a guest: a request as JSON on standard input, the answer as JSON on standard output.

Nothing but `conversion` starts it. All imports come before `confine`: afterwards this checkout may be unreadable.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from runner.confinement import Identity, confine
from runner.guest.appliance import Appliance
from runner.guest.apply import apply
from runner.guest.edits import Edit
from runner.guest.facts import GuestFacts, Options
from runner.guest.families import table
from runner.guest.probe import probe
from runner.guest.refusals import values_of
from schemas.document import structure, unstructure
from schemas.errors import HotaddError


@dataclass(frozen=True)
class Request:
    """What to do with a guest whose overlays are given in the guest's order of disks.

    Of `options`, looking at a guest takes the LUKS keys alone.
    """

    task: Literal["inspect", "prepare"]
    overlays: tuple[str, ...]
    boot_disk: int
    identity: Identity
    options: Options


@dataclass(frozen=True)
class Answer:
    """What was found and done."""

    facts: GuestFacts
    edits: tuple[Edit, ...] = ()


def serve(request: Request) -> Answer:
    """Probe, decide and apply, in one appliance."""
    overlays = [Path(overlay) for overlay in request.overlays]
    with Appliance(overlays, opens_luks=bool(request.options.luks_keys)) as appliance:
        facts = probe(appliance, len(request.overlays), request.boot_disk, request.options.luks_keys)
        if request.task == "inspect":
            return Answer(facts)
        decision = table.decide(facts, request.options)
        return Answer(facts, apply(appliance, decision.steps, facts.root, request.options.bundle))


def main() -> None:
    """Read one request, become unprivileged, serve it, print one answer."""
    request = structure(json.load(sys.stdin), Request)
    confine(request.identity)
    answer: dict[str, Any]
    try:
        answer = {"answer": unstructure(serve(request))}
    except HotaddError as error:
        answer = {"error": {"kind": type(error).__name__, "values": values_of(error)}}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
