"""The pipelines in examples/: their commands are taken out of the YAML and run, with stand-ins for gh and curl."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = [pytest.mark.process, pytest.mark.node]

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
# A stand-in writes down what it was called with.
STAND_IN = '#!/bin/bash\nprintf "%s\\n" "$(basename "$0")" "$@" >> calls.txt\n'


@dataclass(frozen=True)
class Checkout:
    """A repository of specs, as a pipeline checks it out."""

    place: Path

    @property
    def spec(self) -> Path:
        return self.place / "specs" / "web01.yaml"

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A script as the hosts run it: bash that stops at the first error."""
        path = (
            f"{self.place / 'bin'}:{ROOT / '.venv' / 'bin'}:{ROOT / '.cache' / 'checkov' / 'bin'}:{os.environ['PATH']}"
        )
        env = {**os.environ, "AWS_ENDPOINT_URL": "", "PATH": path, **environment}
        argv = ["/bin/bash", "-eo", "pipefail", "-c", script]
        return subprocess.run(argv, cwd=self.place, env=env, capture_output=True, text=True, timeout=300)

    def calls(self) -> list[str]:
        return (self.place / "calls.txt").read_text().splitlines()

    def change_the_spec(self) -> None:
        """As somebody may after the review."""
        self.spec.write_text(self.spec.read_text().replace("network: dhcp", "network: keep"))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path)
    made.spec.parent.mkdir()
    shutil.copy(EXAMPLES / "linux-web01.yaml", made.spec)
    shutil.copytree(EXAMPLES / "checkov", tmp_path / "policies", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "bin").mkdir()
    for tool in ("gh", "curl"):
        (tmp_path / "bin" / tool).write_text(STAND_IN)
        (tmp_path / "bin" / tool).chmod(0o755)
    return made


def read(name: str) -> dict[Any, Any]:
    document: dict[Any, Any] = yaml.safe_load((EXAMPLES / name).read_text())
    return document


def assert_refused_after_a_change(checkout: Checkout, script: str, **environment: str) -> None:
    """What replicates is the reviewed plan, or nothing: it is refused before anything is called."""
    checkout.change_the_spec()
    done = checkout.run(script, **environment)
    assert done.returncode == 3, done.stderr
    assert "another spec" in done.stderr


def test_github_actions(checkout: Checkout) -> None:
    workflow = read("github/hotadd.yml")
    assert workflow["permissions"] == {"contents": "read"}
    plan, replicate = (workflow["jobs"][job] for job in ("plan", "replicate"))
    steps = {step["name"]: step for step in plan["steps"] if "run" in step}
    assert list(steps) == ["Install", "Validate", "Plan", "Comment", "Policy", "Refused"]
    told, summary = checkout.place / "output", checkout.place / "summary"
    for name in ("Validate", "Plan", "Comment", "Policy"):
        environment = {"GITHUB_OUTPUT": str(told), "GITHUB_STEP_SUMMARY": str(summary), "NUMBER": "7"}
        done = checkout.run(steps[name]["run"], **environment)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    assert told.read_text() == "code=2\n"
    assert checkout.calls() == ["gh", "pr", "comment", "7", "--body-file", "plan.md", "--edit-last", "--create-if-none"]
    assert "web01" in (checkout.place / "plan.md").read_text()
    assert json.loads((checkout.place / "plan.json").read_text())["machines"][0]["replication"] == "web01"
    assert checkout.run(steps["Refused"]["run"], CODE="2").returncode == 0
    assert checkout.run(steps["Refused"]["run"], CODE="3").returncode != 0
    (act,) = [step for step in replicate["steps"] if "run" in step]
    assert act["env"] == {"MACHINE": "${{ inputs.machine }}"}
    assert_refused_after_a_change(checkout, act["run"], MACHINE="web01")


def test_github_actions_puts_no_input_into_a_script() -> None:
    """An expression in a script is text that an outsider may write: it goes through the environment."""
    workflow = read("github/hotadd.yml")
    scripts = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert scripts and not [script for script in scripts if "${{" in script]


def test_gitlab(checkout: Checkout) -> None:
    pipeline = read("gitlab/.gitlab-ci.yml")
    assert set(pipeline["stages"]) == {
        job["stage"] for job in pipeline.values() if isinstance(job, dict) and "stage" in job
    }
    environment = {
        "CI_MERGE_REQUEST_IID": "7",
        "CI_API_V4_URL": "https://gitlab.example.com/api/v4",
        "CI_PROJECT_ID": "42",
        "HOTADD_NOTE_TOKEN": "a-token",
    }
    done = checkout.run("\n".join(pipeline["plan"]["script"]), **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    calls = checkout.calls()
    assert calls[0] == "curl" and "body@plan.md" in calls
    assert calls[-1] == "https://gitlab.example.com/api/v4/projects/42/merge_requests/7/notes"
    for path in pipeline["plan"]["artifacts"]["paths"]:
        assert (checkout.place / path).stat().st_size
    assert_refused_after_a_change(checkout, "\n".join(pipeline["replicate"]["script"]), MACHINE="web01")


def test_atlantis(checkout: Checkout) -> None:
    project = read("atlantis/atlantis.yaml")
    workflow = project["workflows"][project["projects"][0]["workflow"]]
    (plan,), (apply,) = ([step["run"] for step in workflow[stage]["steps"]] for stage in ("plan", "apply"))
    environment = {"PROJECT_NAME": project["projects"][0]["name"], "PLANFILE": str(checkout.place / "web01.tfplan")}
    done = checkout.run(plan, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("## hotadd plan: 1 machine: 1 full")
    assert project["projects"][0]["autoplan"]["when_modified"] == ["specs/web01.yaml"]
    assert_refused_after_a_change(checkout, apply, **environment)


def test_a_plan_that_would_be_refused_fails_each_pipeline(checkout: Checkout) -> None:
    """The access node is declared and not deployed: exit code 3, which no `|| true` may swallow."""
    node = yaml.safe_load((EXAMPLES / "declared-db01.yaml").read_text())["access_node"]
    document = yaml.safe_load(checkout.spec.read_text())
    checkout.spec.write_text(yaml.safe_dump({**document, "access_node": node}))
    atlantis = read("atlantis/atlantis.yaml")["workflows"]["hotadd"]["plan"]["steps"][0]["run"]
    done = checkout.run(atlantis, PROJECT_NAME="web01", PLANFILE="web01.tfplan")
    assert done.returncode != 0 and "deploy node-fra-a first" in done.stdout
    gitlab = checkout.run("\n".join(read("gitlab/.gitlab-ci.yml")["plan"]["script"]))
    assert gitlab.returncode != 0 and "CKV_HOTADD_3" in gitlab.stdout


@pytest.mark.parametrize("name", ["github/hotadd.yml", "gitlab/.gitlab-ci.yml", "atlantis/atlantis.yaml"])
def test_each_example_says_what_it_is_and_names_no_secret(name: str) -> None:
    text = (EXAMPLES / name).read_text()
    assert text.startswith("# ")
    assert not re.search(r"AKIA[0-9A-Z]{16}|ghp_|glpat-", text)
