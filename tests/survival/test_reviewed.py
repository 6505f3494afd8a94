"""A plan that was reviewed, and runs held to it: the small applier plans exactly what was predicted, or is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.survival.driver import Fate
from tests.survival.ground import Ended, Replication

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

pytestmark = [pytest.mark.lab, pytest.mark.process]


def plan(made: Replication, *words: str) -> tuple[Ended, dict[str, Any], Path]:
    """`hotadd plan -o`: how it ended, the plan of the machine, and the file that holds it."""
    file = made.directory / f"plan-{len(list(made.directory.glob('plan-*')))}.json"
    ended = made.run(["plan", str(made.spec), "-o", str(file), *words])
    document = json.loads(file.read_text()) if file.exists() else {"machines": [{}]}
    return ended, document["machines"][0], file


def replicate(made: Replication, file: Path, fate: Fate | None = None) -> Ended:
    return made.run(["replicate", str(made.spec), "--plan", str(file)], fate)


def applies(planned: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """(step, [(verb, address)]) of each apply."""
    return [
        (step["name"], [(action["verb"], action["address"]) for action in step["apply"]["actions"]])
        for step in planned["steps"]
        if "apply" in step
    ]


def refused(ended: Ended, sentence: str) -> None:
    assert ended.status == 3, ended.said
    assert sentence in ended.said and "\nhint: " in ended.said and "Traceback" not in ended.said, ended.said


def test_a_full_replication_does_what_was_predicted(replication: Callable[[str], Replication]) -> None:
    made = replication("predicted")
    before = len(made.lab.calls())
    ended, planned, file = plan(made)
    assert ended.status == 2, ended.said
    assert len(made.lab.calls()) == before, "a prediction calls nothing"
    assert not made.home.exists(), "a prediction leaves nothing"
    # By hand, from docs/cdktf.md: what each phase attaches, detaches and makes.
    volumes = [("create", f"aws_ebs_volume.disk_{d}") for d in ("data", "root")]
    staging, target = (
        [f"aws_volume_attachment.{side}_disk_{d}[0]" for d in ("data", "root")] for side in ("staging", "target")
    )
    assert applies(planned) == [
        ("apply staging", volumes + [("attach", a) for a in staging]),
        ("apply detached", [("detach", a) for a in staging]),
        ("apply launched", [("launch", "aws_instance.destination[0]")]),
        ("apply target", [("attach", a) for a in target]),
    ]
    restore = next(step for step in planned["steps"] if step["name"] == "restore")
    assert restore["cost"]["bytes_read"] == 2 * 24 << 20, "two disks of 24 MiB of data each"
    assert not restore["cost"]["at_most"]

    done = replicate(made, file)
    assert done.status == 0, done.said

    ended, planned, _ = plan(made)
    assert (ended.status, planned["kind"], applies(planned)) == (0, "finished", [("deploy", [])]), ended.said
    refused(replicate(made, file), "predicted")


def test_a_plan_of_another_world_is_refused(replication: Callable[[str], Replication]) -> None:
    made = replication("elsewhere")
    _, _, file = plan(made)
    made.edit("name: elsewhere", "name: elsewhere\nverify: written")
    refused(replicate(made, file), "another spec")
    assert made.left() == {"volumes": set(), "instances": set(), "snapshots": set()}
    document = json.loads(file.read_text())
    other = {**document, "machines": [{**document["machines"][0], "replication": "another"}]}
    file.write_text(json.dumps(other))
    refused(replicate(made, file), "says nothing of elsewhere")
    file.write_text(json.dumps({**document, "hotadd": "0.0.1"}))
    refused(replicate(made, file), "made by hotadd 0.0.1")


def test_a_killed_run_goes_on_with_its_plan(replication: Callable[[str], Replication]) -> None:
    """Killed in an apply, when one volume was made; and again when everything was staged."""
    made = replication("resumed")
    _, _, file = plan(made)
    assert replicate(made, file, Fate("terraform", "note", "Creation complete")).killed
    assert made.left()["volumes"]
    assert replicate(made, file, Fate("snapshot", "started")).killed
    done = replicate(made, file)
    assert done.status == 0, done.said
    assert len(made.left()["volumes"]) == 2


def test_what_was_not_reviewed_is_not_applied(replication: Callable[[str], Replication], ec2: EC2Client) -> None:
    """Somebody changes a volume while a run is down: Terraform would change it back, which nobody reviewed."""
    made = replication("changed")
    _, _, file = plan(made)
    assert replicate(made, file, Fate("apply detached", "started")).killed
    volume = made.outputs()["volumes"]["data"]
    ec2.create_tags(Resources=[volume], Tags=[{"Key": "Name", "Value": "mine"}])
    ended = replicate(made, file)
    refused(ended, "update of aws_ebs_volume.disk_data (tags) was not reviewed")
    (described,) = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    assert {"Key": "Name", "Value": "mine"} in described["Tags"]
    assert described["Attachments"][0]["State"] == "attached", "nothing was applied"
    ec2.create_tags(Resources=[volume], Tags=[{"Key": "Name", "Value": "hotadd-changed-data"}])
    done = replicate(made, file)
    assert done.status == 0, done.said


def test_an_incremental_does_what_was_predicted(replication: Callable[[str], Replication]) -> None:
    """Volumes go back to the access node and return, always through `detached`; and killed on the way, it goes on."""
    made = replication("again")
    assert made.replicate().status == 0
    ended, planned, file = plan(made, "--mode", "incremental")
    assert (ended.status, planned["kind"], planned["generation"]) == (2, "incremental", 2), ended.said
    instance = made.outputs()["instance_id"]
    (warned,) = planned["warnings"]
    assert (warned["danger"], warned["subject"]) == ("stop", instance)
    staging, target = (
        [f"aws_volume_attachment.{side}_disk_{d}[0]" for d in ("data", "root")] for side in ("staging", "target")
    )
    expected = [
        ("apply detached first", [("detach", a) for a in target]),
        ("apply staging", [("attach", a) for a in staging]),
        ("apply detached", [("detach", a) for a in staging]),
        ("apply target", [("attach", a) for a in target]),
    ]
    assert applies(planned) == expected
    assert replicate(made, file, Fate("apply staging", "started")).killed
    done = replicate(made, file)
    assert done.status == 0, done.said
    # Once more, in one go: now nothing may be missing either.
    made.source("data").touch()
    ended, planned, file = plan(made)
    assert (ended.status, planned["kind"], planned["generation"], applies(planned)) == (2, "incremental", 3, expected)
    done = replicate(made, file)
    assert done.status == 0, done.said
    refused(replicate(made, file), "generation 3 was reviewed and is 4")


def test_a_live_machine_as_it_is_looked_at_and_removed(
    replication: Callable[[str], Replication], ec2: EC2Client
) -> None:
    made = replication("looked")
    assert made.replicate().status == 0
    volume, instance = made.outputs()["volumes"]["data"], made.outputs()["instance_id"]

    # What somebody changed in EC2 no state tells; Terraform sees it.
    ec2.create_tags(Resources=[volume], Tags=[{"Key": "Name", "Value": "mine"}])
    ended, planned, _ = plan(made)
    assert (ended.status, applies(planned)) == (0, [("deploy", [])])
    ended, planned, _ = plan(made, "--refresh")
    assert (ended.status, applies(planned)) == (2, [("deploy", [("update", "aws_ebs_volume.disk_data")])]), ended.said
    assert planned["steps"][0]["apply"]["basis"] == "terraform"
    ec2.create_tags(Resources=[volume], Tags=[{"Key": "Name", "Value": "hotadd-looked-data"}])

    _, planned, _ = plan(made, "--refresh", "--mode", "incremental")
    assert [step["apply"]["basis"] for step in planned["steps"] if "apply" in step] == ["terraform"] + ["predicted"] * 3
    assert planned["warnings"][0]["sentence"].startswith(f"The destination {instance} runs, and is stopped")

    made.edit("network: dhcp", "network: dhcp\ndecommission: true")
    ended, planned, file = plan(made)
    shown = made.run(["decommission", str(made.spec)])
    assert (ended.status, shown.status) == (2, 2), shown.said
    listed = [line.removeprefix("- ") for line in shown.said.splitlines() if line.startswith("- aws_")]
    assert listed and {address for _, actions in applies(planned) for _, address in actions} == set(listed)
    dangers = {(warned["danger"], warned["subject"]) for warned in planned["warnings"]}
    assert ("stop", instance) in dangers and ("destroy", "aws_ebs_volume.disk_root") in dangers
    refused(replicate(made, file), "holds no replication of looked")
