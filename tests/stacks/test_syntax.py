"""Terraform's JSON syntax: what the user wrote stays text, what we wrote is evaluated."""

from __future__ import annotations

from typing import Any

import pytest

from stacks.attributes import EbsVolume, Expression, VolumeAttachment
from stacks.syntax import Lifecycle, Validation, fields_written, lifecycle_written, written


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        # "Strings and Templates", Terraform language: $${ and %%{ are literal ${ and %{.
        ("${path.root}", "$${path.root}"),
        ("%{ if true }x%{ endif }", "%%{ if true }x%%{ endif }"),
        ("100 % of $5", "100 % of $5"),
        (Expression("var.phase"), "${var.phase}"),
        ({"a": Expression("x"), "${b}": ["${c}", 1, True]}, {"a": "${x}", "$${b}": ["$${c}", 1, True]}),
        (("a", "b"), ["a", "b"]),
        (7, 7),
    ],
)
def test_values(value: Any, wanted: Any) -> None:
    assert written(value) == wanted


def test_unset_fields_are_left_out() -> None:
    volume = EbsVolume("eu-central-1a", 8, "gp3", True, {"Name": "${x}"})
    assert fields_written(volume) == {
        "availability_zone": "eu-central-1a",
        "size": 8,
        "type": "gp3",
        "encrypted": True,
        "tags": {"Name": "$${x}"},
    }


def test_references_stay_references() -> None:
    attachment = VolumeAttachment(Expression("aws_ebs_volume.disk_a.id"), "i-1", "xvdf")
    assert fields_written(attachment)["volume_id"] == "${aws_ebs_volume.disk_a.id}"


def test_lifecycle() -> None:
    assert lifecycle_written(Lifecycle()) == {}
    assert lifecycle_written(Lifecycle(True, ("ami",))) == {"prevent_destroy": True, "ignore_changes": ["ami"]}


def test_validation_messages_are_text() -> None:
    rule = Validation(Expression("var.x != 1"), "Not ${x}.")
    assert fields_written(rule) == {"condition": "${var.x != 1}", "error_message": "Not $${x}."}
