"""cdktf-cli from a checkout: synth, and a diff that is empty for a machine that exists."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from runner.lab import account
from runner.lab.provider import WHEEL_VERSION
from runner.lab.record import LabInfo
from runner.process import Completed, run

pytestmark = [pytest.mark.node, pytest.mark.terraform, pytest.mark.lab]

ROOT = Path(__file__).parents[2]
CDKTF = ROOT / "node_modules" / ".bin" / "cdktf"
BIN = ROOT / ".venv" / "bin"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabInfo]:
    """A lab without boots."""
    directory = tmp_path_factory.mktemp("lab")
    yield account.up(directory, boot=False)
    account.down(directory)


@pytest.fixture(scope="module")
def environment(lab: LabInfo, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What `hotadd lab env` sets, Node 22 first on PATH, and a spec of the lab's own."""
    home = tmp_path_factory.mktemp("cdktf")
    spec = yaml.safe_load((ROOT / "examples" / "linux-web01.yaml").read_text())
    spec |= {"region": lab.region, "availability_zone": lab.availability_zone}
    spec["access_node"] = {"instance_id": lab.access_node_id}
    spec["destination"] |= {
        "shell_ami": lab.amis["linux"],
        "subnet_id": lab.subnet_id,
        "security_group_ids": [lab.security_group_id],
        "volume": {"type": "gp3"},
    }
    del spec["destination"]["key_name"]
    spec["source"]["disks"] = [{**disk, "size_gib": 1} for disk in spec["source"]["disks"]]
    spec["backend"] = {"local": {"path": "state"}}
    (home / "web01.yaml").write_text(yaml.safe_dump(spec))
    with pytest.MonkeyPatch.context() as patch:
        # The provider of 2021 starts in a second, today's in ten: cdktf-cli is what is tried here.
        patch.setenv("HOTADD_PROVIDER", WHEEL_VERSION)
        leading = account.environment(lab.directory)
    return {
        **os.environ,
        **leading,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOTADD_SPECS": str(home / "web01.yaml"),
        "CDKTF_OUTDIR": str(home / "out"),
        "CHECKPOINT_DISABLE": "1",
        "CI": "1",
    }


def cdktf(environment: Mapping[str, str], *arguments: str) -> Completed:
    """cdktf-cli, its colours removed."""
    out = ["--output", environment["CDKTF_OUTDIR"]]
    done = run([CDKTF, *arguments, *out], timeout=400, cwd=ROOT, env=environment, accept=range(256))
    return Completed(done.code, *(re.sub(r"\x1b\[[0-9;]*m", "", text) for text in (done.stdout, done.stderr)))


def test_deploy_and_diff(environment: Mapping[str, str]) -> None:
    made = cdktf(environment, "synth")
    assert made.code == 0, made.stderr
    assert "web01" in made.stdout

    first = cdktf(environment, "diff", "web01", "--skip-provider-lock")
    assert first.code == 0, first.stdout + first.stderr
    assert "2 to add, 0 to change, 0 to destroy" in first.stdout

    staged = cdktf(environment, "deploy", "web01", "--auto-approve", "--skip-provider-lock", "--var", "phase=staging")
    assert staged.code == 0, staged.stdout + staged.stderr
    state = Path(environment["HOTADD_SPECS"]).parent / "state" / "web01" / "terraform.tfstate"
    assert json.loads(state.read_text())["outputs"]["phase"]["value"] == "staging"

    # Plain, without --var: the phase stays where it is.
    second = cdktf(environment, "diff", "web01", "--skip-provider-lock")
    assert second.code == 0, second.stdout + second.stderr
    assert "No changes" in second.stdout
