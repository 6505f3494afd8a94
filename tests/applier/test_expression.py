"""The small applier evaluates what `stacks` emits, as Terraform's language reference says, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.applier.expression import UNKNOWN, Unknowable, Unresolved, resolve

SCOPE: dict[str, Any] = {
    "var": {
        "phase": "staging",
        "launched": True,
        "slots": {"root": "xvdf", "data-2": "xvdg"},
        "twins": {"a": 1, "b": 1},
    },
    "aws_ebs_volume": {"disk_root": {"id": "vol-1", "size": 8}, "disk_new": {"id": UNKNOWN}},
    "aws_instance": {"destination": [], "made": [{"id": "i-1"}], "coming": [{"id": UNKNOWN}]},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("${var.phase}", "staging"),
        ("${var.launched ? 1 : 0}", 1),
        ('${var.phase == "staging" ? 1 : 0}', 1),
        ('${var.phase == "target" ? 1 : 0}', 0),
        ('${var.slots["data-2"]}', "xvdg"),
        ("${var.slots}", {"root": "xvdf", "data-2": "xvdg"}),
        ("${aws_ebs_volume.disk_root.size}", 8),
        ("${aws_ebs_volume.disk_new.id}", UNKNOWN),
        ('${try(aws_instance.destination[0].id, "")}', ""),
        ('${try(aws_instance.made[0].id, "")}', "i-1"),
        ('${try(aws_instance.coming[0].id, "")}', UNKNOWN),
        ('${contains(["detached", "staging"], var.phase)}', True),
        ('${contains(["detached", "target"], var.phase)}', False),
        ('${var.phase != "target" || var.launched}', True),
        ('${var.phase != "staging" || "" != ""}', False),
        ('${alltrue([for disk in ["root", "data-2"] : contains(keys(var.slots), disk)])}', True),
        ('${alltrue([for disk in ["root", "gone"] : contains(keys(var.slots), disk)])}', False),
        ("${length(distinct(values(var.slots))) == length(var.slots)}", True),
        ("${length(distinct(values(var.twins))) == length(var.twins)}", False),
    ],
)
def test_evaluates(text: str, value: object) -> None:
    assert resolve({"inside": [text]}, SCOPE) == {"inside": [value]}


@pytest.mark.parametrize(
    "text",
    [
        "disk-${var.phase}",  # stacks writes whole values only
        "%{if true}a%{endif}",
        "${local.phase}",
        "${upper(var.phase)}",
        "${var.phase + 1}",
        "${var.slots[*]}",
        "${var.phase",
        "${var.launched && true}",
        "${var.launched ? 1}",
        "${var.phase var.phase}",
    ],
)
def test_refuses_what_it_does_not_know(text: str) -> None:
    with pytest.raises((Unknowable, Unresolved)):
        resolve(text, SCOPE)


def test_a_missing_value_is_an_error_outside_try() -> None:
    with pytest.raises(Unresolved):
        resolve("${aws_instance.destination[0].id}", SCOPE)
