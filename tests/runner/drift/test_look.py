"""When there is nothing to look at: a run is under way, here or on another machine."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest

from runner.aws.account import Account
from runner.aws.lock import BucketLock
from runner.drift.look import Wanted, look
from runner.home import AlreadyRunning
from runner.lab import account
from schemas.spec import S3Backend
from tests.runner.phases.bare_job import SPEC, bare_job, manifest

pytestmark = [pytest.mark.lab, pytest.mark.process]


def test_a_run_on_another_machine_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = account.up(tmp_path / "lab", boot=False)
    try:
        for name, value in account.environment(lab.directory).items():
            monkeypatch.setenv(name, value)
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="replicas")
        backend = S3Backend("replicas", "prod", "us-east-1")
        job = bare_job(tmp_path / "home", backend)
        job.manifests.write(manifest(1))
        other = BucketLock(Account("us-east-1"), backend, SPEC.name, "ops", "another boot:1:2")
        other.take()
        with pytest.raises(AlreadyRunning, match="of ops on"):
            look(job, Wanted())
    finally:
        account.down(lab.directory)
