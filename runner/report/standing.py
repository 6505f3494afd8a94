"""Where a replication stands: from its manifests, its journal and the record of the run under way."""

from __future__ import annotations

from runner.home import Home
from runner.phases.records import read_record
from runner.phases.run import Run, run_file
from schemas.event import Event
from schemas.manifest import Manifest


def run_under_way(home: Home, latest: Manifest | None) -> Run | None:
    """The run that was begun and has not ended, whoever works on it now. Its record goes last of all."""
    newest = 0 if latest is None else latest.generation
    run = read_record(run_file(home.work), Run)
    if run is not None:
        ended = latest is not None and latest.status == "finished" and newest == run.generation
        return None if ended and not home.generation(run.generation).exists() else run
    # Single commands write no record, only their working files.
    begun = [number for number in (newest + 1, newest) if home.generation(number).exists()]
    return Run("full" if begun[0] == 1 else "incremental", begun[0]) if begun else None


def standing(latest: Manifest | None, last: Event | None, under_way: Run | None, holder: str) -> tuple[str, bool]:
    """Where it stands, in words, and whether that is well."""
    if holder:
        return "running", True
    if under_way is not None and last is not None:
        if last.status == "failed":
            return f"failed in {last.step}", False
        return f"interrupted {'after' if last.status == 'finished' else 'in'} {last.step}", False
    if latest is None:
        return "not replicated yet", under_way is None
    # A generation that is prepared has its data; who makes it is another machine, or nobody any more.
    return ("replicated", True) if latest.status == "finished" else (latest.status, under_way is None)
