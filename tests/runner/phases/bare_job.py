"""A job at work on web01 of the examples, without Terraform."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from runner.aws.account import Account
from runner.home import Home
from runner.journal import Journal
from runner.manifests import Manifests
from runner.phases.job import Job
from runner.terraform.project import Project
from schemas.loading import load_spec
from schemas.manifest import DiskRecord, Manifest, SourceRecord
from schemas.spec import Backend, S3Backend

SPEC = load_spec(Path(__file__).parents[3] / "examples" / "linux-web01.yaml")


def manifest(generation: int, **changed: object) -> Manifest:
    """A finished generation of one disk; `changed` are other fields."""
    source = SourceRecord("/images/root.raw", "raw", 1 << 30, 1, 2, 3)
    volume, snapshot = "vol-0123456789abcdef0", f"snap-0123456789abcde{generation:02}"
    disk = DiskRecord("root", volume, 1 << 30, source, snapshot, "d", "0" * 64, "0" * 32, ())
    kind = "full" if generation == 1 else "incremental"
    when = "2026-11-23T06:00:00Z"
    whole = Manifest(1, SPEC.name, generation, kind, "finished", when, "eu-central-1", "", "Debian", (disk,), ())
    return replace(whole, **changed)  # type: ignore[arg-type]  # the fields are the caller's


def bare_job(directory: Path, s3: S3Backend | None = None) -> Job:
    """Its home is the directory, its manifests are there."""
    home = Home(SPEC.name, directory)
    spec = SPEC if s3 is None else replace(SPEC, backend=Backend(None, s3))

    def project() -> Project:
        raise AssertionError("nothing here asks Terraform")

    return Job(
        spec=spec,
        spec_file=directory / "spec.yaml",
        home=home,
        generation=1,
        account=Account(spec.region),
        journal=Journal(spec.name, home.events, lambda event: None),
        manifests=Manifests(home.manifests),
        project=project,
        stop=lambda: False,
        start_seconds=1.0,
    )
