"""What a dead apply left, where an old generation's manifest is damaged."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from runner.aws.volumes import Volume
from runner.phases import recovery
from runner.phases.records import Applying, applying_file, write_record
from runner.terraform.project import Project, Variables
from tests.runner.phases.bare_job import bare_job, manifest


class Known:
    """A state that knows one volume and no destination."""

    def resources(self) -> dict[str, str]:
        return {"aws_ebs_volume.disk_root": "vol-1"}

    def tainted(self) -> frozenset[str]:
        return frozenset()


def blank(id_: str) -> Volume:
    fields = dict.fromkeys(Volume.__dataclass_fields__, "") | {"id": id_, "disk": "root", "state": "available"}
    return Volume(**(fields | {"attachments": ()}))  # type: ignore[arg-type]  # what is left out is not looked at


@pytest.mark.parametrize(("damaged", "deleted"), [(False, ["vol-2"]), (True, [])])
def test_a_duplicate_goes_unless_a_manifest_may_record_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool, deleted: list[str]
) -> None:
    job = bare_job(tmp_path)
    job.manifests.write(manifest(1))
    if damaged:
        job.manifests.path(1).write_text("{")
    job.home.work.mkdir()
    write_record(applying_file(job.home.work), Applying("apply staging", 1, "2026-11-23T06:00:00Z"))
    gone: list[str] = []
    monkeypatch.setattr(recovery, "find_tagged", lambda *_: [blank("vol-1"), blank("vol-2")])
    monkeypatch.setattr(recovery, "find_destinations", lambda *_: [])
    monkeypatch.setattr(recovery, "delete", lambda _, id_: gone.append(id_))
    recovery.recover(job, cast(Project, Known()), Variables("staging", False, {}, "/dev/xvda"))
    assert gone == deleted
