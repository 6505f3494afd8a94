"""A drill's ground from a spec file: the copy's own home, locked, and its job once it is known what it is made of."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from runner.aws.account import Account
from runner.cli.job import START_MINUTES, manifests_of, stop_on_interrupt
from runner.home import Home, home_of
from runner.journal import Journal, Watcher
from runner.phases.drill_ground import Ground
from runner.phases.job import Job
from runner.terraform.project import Project, TerraformProject
from runner.terraform.synthesis import synthesize, synthesize_drill
from schemas.drill import DrillRequest, drill_name, drill_spec
from schemas.loading import load_spec
from schemas.spec import Spec


@contextmanager
def open_drill(spec_file: Path, watcher: Watcher, *, start_minutes: float = START_MINUTES) -> Iterator[Ground]:
    """Load the spec and take the copy's lock. The replication's own is left to replications: a drill only reads.

    Raises `AlreadyRunning` when another drill of the same machine is at work.
    """
    spec, file = load_spec(spec_file), spec_file.resolve()
    own = own_home(spec)
    with own.locked(), stop_on_interrupt() as stop:
        home = home_of(spec)
        own_manifests = manifests_of(replace(spec, name=own.name), own)
        journal = Journal(own.name, home.work / "drill-events.jsonl", watcher)
        account = Account(spec.region)

        def node_id() -> str:
            made = synthesize(file, spec.name, own.work / "machine")
            return TerraformProject(made, lambda message: None).access_node_id()

        @functools.cache
        def copy(request: DrillRequest) -> Job:
            @functools.cache
            def project() -> Project:
                made = synthesize_drill(file, own.work / "request.json", own.work)
                fresh = TerraformProject(made, lambda message: journal.tell("terraform", message))
                fresh.init()
                return fresh

            changed = drill_spec(spec, request)
            return Job(
                spec=changed,
                spec_file=file,
                home=own,
                generation=request.generation,
                account=account,
                journal=journal,
                manifests=own_manifests,
                project=project,
                stop=stop,
                start_seconds=start_minutes * 60,
            )

        yield Ground(
            spec, home, own, account, journal, manifests_of(spec, home), own_manifests, stop, node_id=node_id, copy=copy
        )


def own_home(spec: Spec) -> Home:
    """The copy's home, inside the machine's own."""
    return home_of(replace(spec, name=drill_name(spec.name)))
