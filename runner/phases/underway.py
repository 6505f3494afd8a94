"""Which run began here and has not ended. Its record goes last of all."""

from __future__ import annotations

from runner.home import Home
from runner.phases.records import read_record
from runner.phases.run import Run, run_file
from schemas.manifest import Manifest


def run_under_way(home: Home, latest: Manifest | None) -> Run | None:
    """The run, whoever works on it now. `latest` is the newest manifest. Raises `RecordDamaged`."""
    noted = read_record(run_file(home.work), Run)
    if noted is None:
        return unrecorded(home, latest)
    return None if has_ended(home, noted, latest) else noted


def unrecorded(home: Home, latest: Manifest | None) -> Run | None:
    """A run that left no record, only its working files: of single commands, or one whose record was lost."""
    newest = 0 if latest is None else latest.generation
    if home.generation(newest + 1).exists():
        return Run("incremental" if newest else "full", newest + 1, newest)
    if latest is not None and home.generation(newest).exists():
        return Run(latest.kind, newest, latest.base, began=latest.created)
    return None


def has_ended(home: Home, run: Run, manifest: Manifest | None) -> bool:
    """Whether a run came to its end, and only the note of that is missing: its manifest is finished, its files gone.

    `manifest` is the run's, or the newest.
    """
    if manifest is None or manifest.generation != run.generation or home.generation(run.generation).exists():
        return False
    if manifest.finished < run.began:  # RFC 3339 in UTC sorts as text: of an older life of the replication
        return False
    return manifest.status == "finished" or (run.once and manifest.status == "pruned")
