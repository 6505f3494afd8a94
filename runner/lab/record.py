"""What a running lab tells about itself: lab.json."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from runner.lab.layout import Layout
from schemas.errors import HotaddError


class LabDown(HotaddError):
    """No lab runs in a directory."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"No lab is running in {directory}.", "Start one with `hotadd lab up`.")
        self.directory = directory


@dataclass(frozen=True)
class LabInfo:
    """A running lab. `amis` maps the lab's short names (runner/lab/images.py) to AMI ids; `subnets` maps zones to
    their default subnets."""

    directory: Path
    pid: int
    port: int
    region: str
    availability_zone: str
    account_id: str
    access_node_id: str
    vpc_id: str
    subnet_id: str
    security_group_id: str
    amis: Mapping[str, str]
    subnets: Mapping[str, str]
    boot: bool

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def layout(self) -> Layout:
        return Layout(self.directory)


def write_record(info: LabInfo) -> None:
    """Write lab.json atomically; it holds no secret."""
    path = info.layout.record
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({**asdict(info), "directory": str(info.directory)}, indent=2) + "\n")
    os.replace(fresh, path)


def read_record(directory: Path) -> LabInfo:
    """Read lab.json of the lab in `directory`; raises `LabDown` when there is none."""
    try:
        fields = json.loads(Layout(directory).record.read_text())
    except FileNotFoundError:
        raise LabDown(directory) from None
    return LabInfo(**{**fields, "directory": directory})
