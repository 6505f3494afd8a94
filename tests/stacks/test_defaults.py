"""Defaults of the variables: from no state, from a state, and from a state that does not fit the spec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from schemas.slots import TooManyDisks
from schemas.spec import Spec
from stacks.defaults import Defaults, DiskGone, defaults
from stacks.state import MachineState

LIVE = MachineState(
    phase="target",
    launched=True,
    slots={"root": "xvdh", "data": "xvdj"},
    root_device="/dev/sda1",
    disks={"disk_root": "root", "disk_data": "data"},
)


def test_without_state_nothing_is_attached_and_slots_follow_the_spec(web01: Spec) -> None:
    assert defaults(web01, None) == Defaults("detached", False, {"root": "xvdf", "data": "xvdg"}, "/dev/xvda")


def test_with_state_everything_stays(web01: Spec) -> None:
    assert defaults(web01, LIVE) == Defaults("target", True, {"root": "xvdh", "data": "xvdj"}, "/dev/sda1")


def test_a_new_disk_gets_a_slot_that_is_free(web01: Spec, with_disks: Callable[..., Spec]) -> None:
    spec = with_disks(web01, "root", "new", "data")
    live = replace(LIVE, slots={"root": "xvdf", "data": "xvdg"})
    assert defaults(spec, live).slots == {"root": "xvdf", "new": "xvdh", "data": "xvdg"}


def test_disks_in_another_order_keep_their_slots(web01: Spec, with_disks: Callable[..., Spec]) -> None:
    assert defaults(with_disks(web01, "data", "root"), LIVE).slots == {"data": "xvdj", "root": "xvdh"}


def test_a_disk_that_the_spec_lacks_is_named(web01: Spec, with_disks: Callable[..., Spec]) -> None:
    with pytest.raises(DiskGone, match="data") as caught:
        defaults(with_disks(web01, "root"), LIVE)
    assert caught.value.disks == ("data",)
    assert caught.value.exit_code == 3
    assert "decommission" in caught.value.hint


def test_a_renamed_disk_is_a_disk_gone(web01: Spec, with_disks: Callable[..., Spec]) -> None:
    with pytest.raises(DiskGone, match="data"):
        defaults(with_disks(web01, "root", "data-2"), LIVE)


def test_decommission_may_lack_disks(web01: Spec, with_disks: Callable[..., Spec]) -> None:
    spec = replace(with_disks(web01, "root"), decommission=True)
    assert defaults(spec, LIVE).slots == {"root": "xvdh"}


def test_a_volume_that_is_only_in_the_resources_counts(web01: Spec) -> None:
    killed = MachineState("detached", False, {}, "", {"disk_root": "root", "disk_old": "old"})
    with pytest.raises(DiskGone, match="old"):
        defaults(web01, killed)


def test_root_device_of_a_killed_first_apply(web01: Spec) -> None:
    assert defaults(web01, MachineState("detached", False, {}, "", {"disk_root": "root"})).root_device == "/dev/xvda"


def test_one_disk_more_than_slots(web01: Spec, with_disks: Callable[..., Spec]) -> None:
    assert len(defaults(with_disks(web01, *(f"d{at}" for at in range(40))), None).slots) == 40
    with pytest.raises(TooManyDisks):
        defaults(with_disks(web01, *(f"d{at}" for at in range(41))), None)
