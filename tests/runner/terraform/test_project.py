"""What Terraform is started with: a program in its place that tells its environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.terraform.project import TerraformProject

pytestmark = pytest.mark.process
_TELLS = """#!/bin/sh
printf '{"environment": {"value": "%s"}}' "$(env | sort | tr '\\n' ' ')" > told
echo '{}'
"""


@pytest.mark.parametrize(("set_outside", "given"), [(None, "GOGC=400"), ("50", "GOGC=50")])
def test_the_environment(set_outside: str | None, given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "terraform"
    program.write_text(_TELLS)
    program.chmod(0o700)
    monkeypatch.setenv("TERRAFORM_BINARY_NAME", str(program))
    monkeypatch.setenv("TF_VAR_phase", "target")
    monkeypatch.setenv("TF_CLI_ARGS_output", "-state=elsewhere")
    monkeypatch.delenv("GOGC", raising=False)
    if set_outside is not None:
        monkeypatch.setenv("GOGC", set_outside)
    assert TerraformProject(tmp_path, print).outputs() is None
    told = json.loads((tmp_path / "told").read_text())["environment"]["value"].split()
    assert given in told and "TF_INPUT=0" in told and "CHECKPOINT_DISABLE=1" in told
    assert not [name for name in told if name.startswith(("TF_VAR_", "TF_CLI_ARGS"))]
