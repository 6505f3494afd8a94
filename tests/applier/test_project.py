"""What the small applier refuses, and what both appliers make of the outputs that an import writes."""

from __future__ import annotations

from typing import Any

import pytest

from runner.terraform.project import outputs_of
from schemas.document import DocumentDamaged
from tests.applier.expression import Unknowable
from tests.applier.project import check_stack

VOLUME = {"availability_zone": "us-east-1a", "size": 1, "type": "gp3", "encrypted": True, "tags": {"any": "tag"}}


def _stack(**resources: Any) -> dict[str, Any]:
    return {
        "terraform": {"backend": {"local": {"path": "x"}}, "required_version": ">= 1.11.0", "required_providers": {}},
        "provider": {"aws": [{"region": "us-east-1"}]},
        "variable": {},
        "output": {},
        "resource": resources,
    }


def test_takes_a_stack_it_knows() -> None:
    check_stack(_stack(aws_ebs_volume={"disk_root": {**VOLUME, "lifecycle": {"prevent_destroy": True}}}))


@pytest.mark.parametrize(
    ("stack", "named"),
    [
        (_stack(aws_s3_bucket={"b": {}}), "aws_s3_bucket"),
        (_stack(aws_ebs_volume={"disk_root": {**VOLUME, "final_snapshot": True}}), "disk_root.final_snapshot"),
        (_stack(aws_ebs_volume={"disk_root": {**VOLUME, "size": {"gib": 1}}}), "disk_root.size"),
        (_stack(aws_instance={"d": {"metadata_options": {"http_tags": 1}}}), "metadata_options.http_tags"),
        (_stack(aws_ebs_volume={"disk_root": {"lifecycle": {"create_before_destroy": True}}}), "create_before_destroy"),
        (_stack() | {"locals": {}}, "locals"),
        (_stack() | {"provider": {"aws": [{"assume_role": []}]}}, "assume_role"),
        (_stack() | {"terraform": {"cloud": {}}}, "cloud"),
    ],
)
def test_refuses_a_stack_that_says_more(stack: dict[str, Any], named: str) -> None:
    with pytest.raises(Unknowable, match=named):
        check_stack(stack)


# As Terraform 1.11.4 wrote them after `terraform import aws_ebs_volume.disk_root vol-...` into an empty state.
IMPORTED: dict[str, Any] = {
    "access_node_id": "i-de0e257ce1e42937b",
    "contract": 1,
    "destination_devices": {"data": "xvdf", "root": "/dev/xvda"},
    "instance_id": "",
    "launched": False,
    "phase": "staging",
    "replication": "web01",
    "root_device": "/dev/xvda",
    "sizes_gib": {"data": None, "root": 1},
    "slots": {"data": "xvdg", "root": "xvdf"},
    "volumes": {"data": None, "root": "vol-bf015094c6190b46a"},
}
WHOLE = IMPORTED | {
    "sizes_gib": {"data": 1, "root": 1},
    "volumes": {"data": "vol-0123456789abcdef0", "root": "vol-bf015094c6190b46a"},
}


def test_half_an_import_is_no_apply() -> None:
    assert outputs_of(IMPORTED, "here") is None
    assert outputs_of({}, "here") is None


def test_whole_outputs_are_read_and_damaged_ones_told() -> None:
    found = outputs_of(WHOLE, "here")
    assert found is not None and found.phase == "staging" and found.volumes["data"] == "vol-0123456789abcdef0"
    with pytest.raises(DocumentDamaged, match="phase"):
        outputs_of(WHOLE | {"phase": "elsewhere"}, "here")
