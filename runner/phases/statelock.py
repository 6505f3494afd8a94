"""The lock that a dead run left on a state in S3.

The local backend's lock is the kernel's and dies with its process. S3's is an object beside the state
(`use_lockfile`), which stays. It is released only if it is the dead run's own: this user's on this host, taken after
that run began to plan. That the run is dead is certain: the replication's own lock is held here.
"""

from __future__ import annotations

import json
import socket

from runner.aws.account import Account
from runner.aws.bucket import read_object
from runner.home import user
from runner.phases.job import Job
from runner.phases.records import Applying, applying_file, read_record
from runner.terraform.project import Project
from schemas.naming import machine_stack


def unlock_dead(job: Job, project: Project) -> None:
    """Release the state's lock if a dead run of ours holds it; anybody else's is left for Terraform to report."""
    dead = read_record(applying_file(job.home.work), Applying)
    bucket = job.spec.backend.s3
    if dead is None or bucket is None:
        return
    key = f"{bucket.prefix}/{machine_stack(job.spec.name)}/terraform.tfstate.tflock"
    text = read_object(Account(bucket.region), bucket.bucket, key)
    if text is None:
        return
    lock = json.loads(text)
    mine = f"{user()}@{socket.gethostname()}"
    # RFC 3339 in UTC sorts as text, to the second.
    if lock.get("Who") == mine and str(lock.get("Created", ""))[:19] >= dead.since[:19]:
        job.journal.tell("recovery", f"The state's lock {lock['ID']} of {dead.step}, which died, is released.")
        project.unlock(str(lock["ID"]))
