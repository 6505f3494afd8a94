"""checkov over what `stacks` synthesizes, and over plans for review."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = [pytest.mark.process, pytest.mark.node]

ROOT = Path(__file__).parents[2]
CHECKOV = ROOT / ".cache" / "checkov" / "bin" / "checkov"
CONFIG = ROOT / ".checkov.yaml"


def checkov(*words: str, cwd: Path) -> tuple[int, dict[str, Any]]:
    """Its exit code and its report, of one framework."""
    argv = [str(CHECKOV), *words, "--output", "json", "--skip-download"]
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip(), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, report


def failed(report: dict[str, Any]) -> set[str]:
    return {check["check_id"] for check in report["results"]["failed_checks"]}


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples' stacks: two machines through an access node that exists, one through a declared one.

    Without `required_version`: checkov 3.3 reads only objects in the block `terraform`.
    """
    place = tmp_path_factory.mktemp("checkov")
    specs = []
    for example in sorted((ROOT / "examples").glob("*.yaml")):
        document = yaml.safe_load(example.read_text())
        document["backend"] = {"local": {"path": str(place / "state")}}
        specs.append(place / example.name)
        specs[-1].write_text(yaml.safe_dump(document))
    out = place / "out"
    argv = [sys.executable, "-m", "stacks", *map(str, specs), "--out", str(out)]
    subprocess.run(argv, cwd=ROOT, env={**os.environ, "AWS_ENDPOINT_URL": ""}, check=True, timeout=300)
    for file in out.rglob("cdk.tf.json"):
        stack = json.loads(file.read_text())
        del stack["terraform"]["required_version"]
        file.write_text(json.dumps(stack, indent=2))
    return out


def test_the_stacks_are_clean_but_for_the_exceptions(stacks: Path) -> None:
    code, report = checkov("-d", str(stacks), "--config-file", str(CONFIG), cwd=stacks)
    assert (code, failed(report)) == (0, set())
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] >= 50


def test_every_exception_is_needed_and_has_its_reason(stacks: Path) -> None:
    """A check that fails nowhere is no exception; the line above each one says why."""
    excepted = yaml.safe_load(CONFIG.read_text())["skip-check"]
    _, report = checkov("-d", str(stacks), "--framework", "terraform_json", cwd=stacks)
    assert failed(report) == set(excepted)
    lines = CONFIG.read_text().splitlines()
    for check in excepted:
        assert lines[lines.index(f"  - {check}") - 1].startswith("  # ")


DESTROY = {"danger": "destroy", "subject": "aws_ebs_volume.disk_root", "sentence": "It is destroyed."}
POLICY = [
    ({}, set()),
    ({"warnings": [{**DESTROY, "danger": "stop"}]}, set()),
    ({"warnings": [DESTROY]}, {"CKV_HOTADD_1"}),
    ({"warnings": [{**DESTROY, "danger": "replace"}]}, {"CKV_HOTADD_1"}),
    ({"warnings": [DESTROY], "kind": "decommission"}, {"CKV_HOTADD_2"}),
    ({"refusals": ["No."]}, {"CKV_HOTADD_3"}),
]


def test_the_policy_over_a_plan(tmp_path: Path) -> None:
    """All rows in one run of checkov: each is a file, beside a machine that is replicated as it should be."""
    argv = [sys.executable, "-m", "runner.cli", "plan", str(ROOT / "examples" / "linux-web01.yaml"), "--json"]
    made = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert made.returncode == 2, made.stderr
    document = json.loads(made.stdout)
    for number, (changed, _) in enumerate(POLICY):
        (good,) = document["machines"]
        machines = [good, {**good, "replication": "other", **changed}]
        (tmp_path / f"plan-{number}.json").write_text(json.dumps({**document, "machines": machines}))
    (tmp_path / "other.json").write_text("{}")
    policy = ["--framework", "json", "--external-checks-dir", str(ROOT / "examples" / "checkov")]
    code, report = checkov("-d", str(tmp_path), *policy, "--check", "CKV_HOTADD_*", cwd=tmp_path)
    assert code == 1
    found: dict[str, set[str]] = {}
    for check in report["results"]["failed_checks"]:
        found.setdefault(check["file_path"].lstrip("/"), set()).add(check["check_id"])
    expected = {f"plan-{number}.json": checks for number, (_, checks) in enumerate(POLICY) if checks}
    assert {name: checks for name, checks in found.items() if name != "other.json"} == expected
    assert report["summary"]["passed"] == 3 * len(POLICY) - sum(len(checks) for _, checks in POLICY)
