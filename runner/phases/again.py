"""Data that was copied and then left alone with others: it is copied again, in whatever step that shows.

Between two tries of a run somebody may move the volumes (`cdktf deploy` with --var phase=target), and a guest may write
to them. The step that copied them is remembered as done; what it left is true of that very attachment alone.
"""

from __future__ import annotations

from runner.phases.attachment import attached_since
from runner.phases.incremental import find_and_restore
from runner.phases.job import Job
from runner.phases.move import require_phase
from runner.phases.records import Again, Restored, again_file, is_committed, read_record, restored_file, write_record
from runner.phases.restore import restore


def copy_again(job: Job) -> bool:
    """Copy the data again if a volume was detached since it was written; whether it was. The volumes are in staging.

    A kill in the middle leaves its mark, and the next try begins here again.
    """
    if is_committed(job.generation_directory):
        return False
    outputs = require_phase(job, "replicate", "staging")
    since = attached_since(job, outputs)
    moved = []
    for disk in job.spec.source.disks:
        held = read_record(restored_file(job.generation_directory, disk.id), Restored)
        if held is not None and held.volume_id == outputs.volumes[disk.id] and held.attached != since[disk.id]:
            moved.append(disk.id)
    mark = again_file(job.generation_directory)
    if not moved and read_record(mark, Again) is None:
        return False
    if moved:
        why = f"{', '.join(moved)}: the volume was detached since its data was copied, which is copied again."
        write_record(mark, Again(why))
        job.journal.tell("restore", why)
    if job.run.kind == "full":
        restore(job)
    else:
        find_and_restore(job)
    mark.unlink()
    return True
