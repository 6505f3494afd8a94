"""The access node's policies: what is tied to our tags, and that nothing else is allowed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from schemas.naming import TAG_DRILL, TAG_NODE, TAG_REPLICATION, TAG_ROLE
from stacks import policy
from stacks.attributes import Expression
from stacks.policy import Prefix, Scope

KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234"
SCOPE = Scope(
    "eu-central-1",
    (Prefix("acme", "replicas/prod", "eu-central-1", KEY),),
    (KEY,),
    "s3://acme/dist/h.whl",
    True,
    ("exports/web/01.ova", "exports/odd *${x}"),
)


def statements(scope: Scope = SCOPE) -> list[dict[str, Any]]:
    documents = [policy.control(scope), policy.data(scope), policy.removal(scope)]
    return [one for document in documents for one in json.loads(document)["Statement"]]


def allowing(action: str) -> list[dict[str, Any]]:
    return [one for one in statements() if action in one["Action"]]


@pytest.mark.parametrize(
    "action",
    [
        "ec2:AttachVolume",
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:DeleteSecurityGroup",
        "ec2:DeleteSnapshot",
        "ec2:DeleteVolume",
        "ec2:DetachVolume",
        "ec2:GetConsoleOutput",
        "ec2:ModifyInstanceAttribute",
        "ec2:ModifyVolume",
        "ec2:StartInstances",
        "ec2:StopInstances",
        "ec2:TerminateInstances",
        "ebs:GetSnapshotBlock",
        "ebs:ListChangedBlocks",
    ],
)
def test_what_changes_or_reads_needs_our_tag_on_it(action: str) -> None:
    found = allowing(action)
    assert found
    for one in found:
        condition = json.dumps(one.get("Condition", {}))
        assert any(f"aws:ResourceTag/{tag}" in condition for tag in (TAG_REPLICATION, TAG_NODE, TAG_ROLE)), one


@pytest.mark.parametrize(
    "action", ["ec2:CreateVolume", "ec2:CreateSnapshot", "ec2:RunInstances", "ec2:CreateSecurityGroup"]
)
def test_what_creates_needs_our_tag_in_the_request(action: str) -> None:
    made = {
        "ec2:CreateVolume": "volume/*",
        "ec2:CreateSnapshot": "snapshot/*",
        "ec2:RunInstances": "instance/*",
        "ec2:CreateSecurityGroup": "security-group/*",
    }
    new = [one for one in allowing(action) if any(arn.endswith(made[action]) for arn in one["Resource"])]
    assert new
    for one in new:
        assert one["Condition"] == {"Null": {f"aws:RequestTag/{TAG_REPLICATION}": "false"}}


def test_commands_run_in_drills_alone_and_only_if_a_drill_asks() -> None:
    sent = allowing("ssm:SendCommand")
    (on_instances,) = [one for one in sent if any(":instance/" in arn for arn in one["Resource"])]
    assert on_instances["Condition"] == {"Null": {f"aws:ResourceTag/{TAG_DRILL}": "false"}}
    (by,) = [one for one in sent if one is not on_instances]
    assert {arn.rpartition("/")[2] for arn in by["Resource"]} == {"AWS-RunShellScript", "AWS-RunPowerShellScript"}
    assert "ssm:" not in json.dumps(statements(replace(SCOPE, commands=False)))


def test_sources_in_s3_are_read_and_no_others() -> None:
    (one,) = [one for one in statements() if one["Sid"] == "ReadSources"]
    assert one["Action"] == ["s3:GetObject", "s3:GetObjectVersion"]
    assert one["Resource"] == ["arn:aws:s3:::exports/web/01.ova", "arn:aws:s3:::exports/odd ???x?"]
    assert "ReadSources" not in json.dumps(statements(replace(SCOPE, sources=())))


def test_volumes_are_made_from_our_snapshots_alone() -> None:
    (one,) = [s for s in allowing("ec2:CreateVolume") if any("snapshot/*" in arn for arn in s["Resource"])]
    assert one["Condition"] == {"Null": {f"aws:ResourceTag/{TAG_REPLICATION}": "false"}}


def test_only_describe_calls_reach_everything() -> None:
    for one in statements():
        if "*" in one["Resource"]:
            # Reading verbs; EC2, STS and SSM know no resources for them.
            assert all(
                re.fullmatch(r"(ec2:Describe|sts:Get|iam:Get|ssm:Get)\w+", action) for action in one["Action"]
            ), one


def test_no_action_is_a_pattern() -> None:
    for one in statements():
        assert not any("*" in action for action in one["Action"]), one


def test_tagging_is_for_creation_and_for_ours() -> None:
    conditions = [one["Condition"] for one in allowing("ec2:CreateTags")]
    assert {"Null": {f"aws:ResourceTag/{TAG_REPLICATION}": "false"}} in conditions
    assert any("ec2:CreateAction" in json.dumps(condition) for condition in conditions)
    # The mark of a shell's root: on volumes made from a snapshot that carry no role of ours yet, and no other mark.
    assert {
        "StringEquals": {f"aws:RequestTag/{TAG_ROLE}": "shell-root"},
        "Null": {f"aws:ResourceTag/{TAG_ROLE}": "true", "ec2:ParentSnapshot": "false"},
    } in conditions
    assert len(conditions) == 3


def test_removal_is_apart() -> None:
    for document in (policy.control(SCOPE), policy.data(SCOPE)):
        assert "TerminateInstances" not in document
    deleting = [s for s in json.loads(policy.data(SCOPE))["Statement"] if "ec2:DeleteVolume" in s["Action"]]
    roles = ("shell-root", "temporary")
    assert [s["Condition"] for s in deleting] == [{"StringEquals": {f"aws:ResourceTag/{TAG_ROLE}": r}} for r in roles]


def test_grants_are_for_aws_resources_only() -> None:
    (one,) = allowing("kms:CreateGrant")
    assert one["Resource"] == [KEY]
    assert one["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}
    assert "ec2.eu-central-1.amazonaws.com" in one["Condition"]["StringEquals"]["kms:ViaService"]


def test_state_prefix() -> None:
    (put,) = allowing("s3:PutObject")
    assert put["Resource"] == ["arn:aws:s3:::acme/replicas/prod/*"]
    (listed,) = allowing("s3:ListBucket")
    assert listed["Resource"] == ["arn:aws:s3:::acme"]
    assert listed["Condition"] == {"StringLike": {"s3:prefix": ["replicas/prod/*"]}}
    assert ["arn:aws:s3:::acme/dist/h.whl"] in [one["Resource"] for one in allowing("s3:GetObject")]


def test_without_keys_and_buckets_nothing_of_theirs_is_allowed() -> None:
    bare = json.dumps(statements(Scope("eu-central-1")))
    assert "kms:" not in bare and "s3:" not in bare and "PassRole" not in bare


def test_roles_are_passed_to_ec2_only() -> None:
    text = policy.pass_roles([Expression("data.aws_iam_instance_profile.profile_0.role_arn")]).text
    inside = re.fullmatch(r"jsonencode\((.*)\)", text)
    assert inside is not None
    # Terraform evaluates the reference; in its place any JSON value makes the rest plain JSON.
    document = json.loads(inside[1].replace("data.aws_iam_instance_profile.profile_0.role_arn", '"arn"'))
    (one,) = document["Statement"]
    assert one["Action"] == ["iam:PassRole"] and one["Resource"] == ["arn"]
    assert one["Condition"] == {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}


def test_actions_are_those_of_the_statements() -> None:
    found = {action for one in statements() for action in one["Action"]} | {"iam:PassRole"}
    assert found == policy.ACTIONS
    assert policy.IMPLIED <= policy.ACTIONS


def test_policies_fit_a_role() -> None:
    # "IAM and AWS STS quotas": 10,240 characters for all inline policies of a role, white space not counted.
    documents = (policy.control(SCOPE), policy.data(SCOPE), policy.removal(SCOPE))
    assert sum(len(re.sub(r"\s", "", document)) for document in documents) < 9000


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-central-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_partition(region: str, partition: str) -> None:
    assert f"arn:{partition}:ec2:" in policy.control(Scope(region))


def test_sids_are_unique_and_plain() -> None:
    for document in (policy.control(SCOPE), policy.data(SCOPE), policy.removal(SCOPE)):
        sids = [one["Sid"] for one in json.loads(document)["Statement"]]
        assert len(sids) == len(set(sids))
        assert all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids)
