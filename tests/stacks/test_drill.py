"""The stack of a drill, as the program that the runner calls writes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.process import Completed
from schemas.document import write_document
from schemas.naming import DRILL_STACK
from tests.schemas.test_drill import REQUEST

pytestmark = pytest.mark.node

ROOT = Path(__file__).parents[2]
CHECKS = [{"tcp": 443}, {"ssm": "uptime"}]
Synth = Callable[..., Completed]


@pytest.fixture
def declared(tmp_path: Path, synth: Synth) -> Callable[..., dict[str, Any]]:
    """`declared(checks)`: the stack of a drill of the example web01."""

    def make(checks: list[dict[str, Any]]) -> dict[str, Any]:
        document = yaml.safe_load((ROOT / "examples" / "linux-web01.yaml").read_text())
        document |= {"backend": {"local": {"path": "state"}}, "drill": {"checks": checks}}
        (tmp_path / "web01.yaml").write_text(yaml.safe_dump(document))
        (tmp_path / "request.json").write_text(write_document(REQUEST, "drill_request"))
        words = [tmp_path / "web01.yaml", "--out", tmp_path / "out", "--drill", tmp_path / "request.json"]
        done = synth(words)
        assert (done.code, done.stderr) == (0, "")
        assert [place.name for place in (tmp_path / "out" / "stacks").iterdir()] == [DRILL_STACK]
        return dict(json.loads((tmp_path / "out" / "stacks" / DRILL_STACK / "cdk.tf.json").read_text()))

    return make


def test_volumes_are_made_from_the_snapshots_and_nothing_is_protected(
    declared: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    stack = declared(CHECKS)
    volumes = stack["resource"]["aws_ebs_volume"]
    assert {name: (v["snapshot_id"], v["size"]) for name, v in volumes.items()} == {
        "disk_root": ("snap-0123456789abcdef0", 40),
        "disk_data": ("snap-0123456789abcdef1", 120),
    }
    assert "prevent_destroy" not in json.dumps(stack)
    # Neither the replica's state nor a tag of it: what looks for the replica's own never finds a copy's.
    assert stack["terraform"]["backend"]["local"]["path"] == str(tmp_path / "state/web01/drill/terraform.tfstate")
    for kind in ("aws_ebs_volume", "aws_instance", "aws_security_group"):
        for block in stack["resource"][kind].values():
            assert block["tags"]["hotadd:replication"] == "web01/drill" and block["tags"]["hotadd:drill"] == "web01"
            assert block["tags"]["hotadd:expires"] == REQUEST.expires
    assert stack["output"]["access_node_id"]["value"] == REQUEST.access_node_id


@pytest.mark.parametrize(
    ("checks", "rules"),
    [
        ([], {}),
        ([{"tcp": 443}], {"drill_port_443": ("ingress", 443, ["10.0.0.5/32"])}),
        ([{"ssm": "uptime"}], {"drill_ssm": ("egress", 443, ["10.0.0.0/16"])}),
    ],
    ids=["nothing", "tcp", "ssm"],
)
def test_only_what_is_checked_passes(
    declared: Callable[..., dict[str, Any]], checks: list[dict[str, Any]], rules: dict[str, Any]
) -> None:
    stack = declared(checks)
    found = stack["resource"].get("aws_security_group_rule", {})
    assert {n: (r["type"], r["from_port"], r["cidr_blocks"]) for n, r in found.items()} == rules
    (instance,) = stack["resource"]["aws_instance"].values()
    assert instance["vpc_security_group_ids"] == ["${aws_security_group.drill.id}"]


def test_a_request_of_another_is_refused(tmp_path: Path, synth: Synth) -> None:
    request = write_document(REQUEST, "drill_request").replace('"web01"', '"web02"')
    (tmp_path / "request.json").write_text(request)
    done = synth([ROOT / "examples" / "linux-web01.yaml", "--out", tmp_path, "--drill", tmp_path / "request.json"])
    assert done.code == 3 and "No spec describes web02" in done.stderr
