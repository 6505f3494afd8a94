"""The plan guard, a row a rule. Changes are written as Terraform's plan JSON has them."""

from __future__ import annotations

import pytest

from runner.terraform.guard import Goal, PlanRefused, check_plan, check_removal
from runner.terraform.plan import Action, Change, Difference, Plan

VOLUME = "aws_ebs_volume.disk_root"
STAGING = "aws_volume_attachment.staging_disk_root[0]"
TARGET = "aws_volume_attachment.target_disk_root[0]"
INSTANCE = "aws_instance.destination[0]"

TO_STAGING = Goal("detached", "staging", False, False, ("root", "data"))
LEAVE_STAGING = Goal("staging", "detached", False, False, ("root", "data"))
LAUNCH = Goal("detached", "detached", False, True, ("root", "data"))
TO_TARGET = Goal("detached", "target", True, True, ("root", "data"))
STAY = Goal("target", "target", True, True, ("root", "data"))
JUMP = Goal("staging", "target", True, True, ("root", "data"))

CREATE: tuple[Action, ...] = ("create",)
DELETE: tuple[Action, ...] = ("delete",)
UPDATE: tuple[Action, ...] = ("update",)
REPLACE: tuple[Action, ...] = ("delete", "create")
REPLACE_FIRST: tuple[Action, ...] = ("create", "delete")


def change(address: str, actions: tuple[Action, ...], *attributes: str, importing: bool = False) -> Change:
    return Change(address, address.split(".")[0], actions, attributes, importing)


def resized(before: int, after: int) -> Change:
    """A volume that the spec gives another size, in GiB."""
    sizes = (Difference("size", str(before), str(after)),)
    return Change(VOLUME, "aws_ebs_volume", UPDATE, ("size",), False, sizes)


ALLOWED = [
    (TO_STAGING, change(VOLUME, CREATE)),
    (TO_STAGING, change(STAGING, CREATE)),
    (TO_STAGING, change(VOLUME, UPDATE, "size")),
    (TO_STAGING, change(VOLUME, UPDATE, "tags", "tags_all")),
    (LEAVE_STAGING, change(STAGING, DELETE)),
    (LAUNCH, change(INSTANCE, CREATE)),
    (TO_TARGET, change(TARGET, CREATE)),
    (STAY, change(INSTANCE, UPDATE, "instance_type")),
    (Goal("target", "detached", True, True, ("root",)), change(TARGET, DELETE)),
    # An incremental whose disk grew: on the way to the access node.
    (Goal("target", "detached", True, True, ("root",)), resized(40, 50)),
    (Goal("detached", "staging", True, True, ("root",)), resized(40, 50)),
    # A killed apply leaves the outputs at `detached` while an attachment is still in the state.
    (Goal("detached", "detached", False, False, ("root",)), change(STAGING, DELETE)),
]

REFUSED = [
    (TO_STAGING, change(VOLUME, DELETE), "destroyed"),
    (TO_STAGING, change(VOLUME, REPLACE, "encrypted"), "replaced (because of encrypted)"),
    (TO_STAGING, change(VOLUME, REPLACE_FIRST, "availability_zone"), "replaced"),
    (TO_STAGING, change(VOLUME, UPDATE, "kms_key_id"), "change in kms_key_id"),
    (TO_TARGET, change(VOLUME, CREATE), "created after the launch"),
    # Somebody deleted a detached volume: a new one would be blank, and the replica silently empty.
    (LAUNCH, change(VOLUME, CREATE), "made anew, and empty"),
    (LEAVE_STAGING, change(VOLUME, CREATE), "made anew, and empty"),
    # No root is attached yet: the provider would modify and start an instance that cannot start.
    (TO_TARGET, change(INSTANCE, UPDATE, "instance_type"), "outside the target"),
    (TO_STAGING, change(TARGET, CREATE), "the step leads to staging"),
    (TO_STAGING, change(STAGING, DELETE), "leads from detached to staging"),
    (LEAVE_STAGING, change(TARGET, DELETE), "leads from staging to detached"),
    (TO_STAGING, change(STAGING, REPLACE, "instance_id"), "replaced"),
    (TO_STAGING, change(STAGING, UPDATE, "device_name"), "changed in place"),
    (TO_STAGING, change("aws_volume_attachment.staging_disk_other[0]", CREATE), "foreign to this replication"),
    (TO_STAGING, change("aws_volume_attachment.own", CREATE), "foreign to this replication"),
    (TO_STAGING, change(INSTANCE, CREATE), "outside its launch"),
    (STAY, change(INSTANCE, CREATE), "outside its launch"),
    (LAUNCH, change(INSTANCE, DELETE), "destroyed"),
    (STAY, change(INSTANCE, REPLACE, "ami"), "replaced (because of ami)"),
    (
        Goal("detached", "staging", True, True, ("root",)),
        change(INSTANCE, UPDATE, "instance_type"),
        "outside the target",
    ),
    (TO_STAGING, change("aws_security_group.extra", CREATE), "foreign to this step"),
    (TO_STAGING, change("aws_instance.other[0]", DELETE), "foreign to this step"),
    (TO_STAGING, change(VOLUME, ("no-op",), importing=True), "would be imported"),
    (TO_STAGING, resized(50, 40), "would shrink from 50 to 40 GiB"),
    (TO_TARGET, resized(40, 50), "would grow on the way from detached to target"),
    (LEAVE_STAGING, resized(40, 50), "would grow on the way from staging to detached"),
    (STAY, resized(40, 50), "would grow on the way from target to target"),
]


@pytest.mark.parametrize(("goal", "one"), ALLOWED)
def test_what_a_step_needs_is_allowed(goal: Goal, one: Change) -> None:
    assert check_plan(Plan((one,), False, True), goal) is None


@pytest.mark.parametrize(("goal", "one", "said"), REFUSED)
def test_everything_else_is_refused(goal: Goal, one: Change, said: str) -> None:
    with pytest.raises(PlanRefused) as refused:
        check_plan(Plan((one,), False, True), goal)
    assert said in refused.value.sentence
    assert one.address in refused.value.sentence
    assert refused.value.exit_code == 3


def test_a_volume_never_jumps_from_one_instance_to_the_other() -> None:
    with pytest.raises(PlanRefused, match="pass through detached"):
        check_plan(Plan((change(STAGING, DELETE), change(TARGET, CREATE)), False, True), JUMP)


def test_every_fault_of_a_plan_is_named() -> None:
    with pytest.raises(PlanRefused) as refused:
        check_plan(Plan((change(VOLUME, DELETE), change(INSTANCE, DELETE)), True, False), TO_STAGING)
    assert len(refused.value.faults) == 2


def test_a_removal_deletes_what_is_ours_alone() -> None:
    ours = (change(VOLUME, DELETE), change(TARGET, DELETE), change(INSTANCE, DELETE))
    assert check_removal(Plan(ours, False, True), ("root",)) is None
    for foreign in (change("aws_ebs_volume.disk_data", DELETE), change("aws_vpc.main", DELETE), change(VOLUME, UPDATE)):
        with pytest.raises(PlanRefused, match="foreign to a removal"):
            check_removal(Plan((*ours, foreign), False, True), ("root",))
