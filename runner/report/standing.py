"""Where a replication stands: from its manifests, its journal and the record of the run under way."""

from __future__ import annotations

from runner.phases.run import Run
from schemas.event import Event
from schemas.manifest import Manifest


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
