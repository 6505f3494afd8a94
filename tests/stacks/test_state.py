"""States as Terraform 1.11 writes them (data/launched.tfstate is its own), and what must not pass for one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.spec import Backend, LocalBackend
from stacks.state import MachineState, StateUnreadable, machine_state, node_instance, parse_machine, parse_node

LAUNCHED = (Path(__file__).parent / "data" / "launched.tfstate").read_bytes()
EMPTY = b'{"version": 4, "terraform_version": "1.11.4", "serial": 9, "lineage": "x", "outputs": {}, "resources": []}'


def test_launched_state() -> None:
    assert parse_machine(LAUNCHED, "here") == MachineState(
        phase="detached",
        launched=True,
        slots={"root": "xvdf", "data": "xvdg"},
        root_device="/dev/xvda",
        disks={"disk_data": "data", "disk_root": "root"},
    )


@pytest.mark.parametrize("data", [b"", b"\n", EMPTY], ids=["killed-while-locking", "newline", "destroyed"])
def test_no_state(data: bytes) -> None:
    assert parse_machine(data, "here") is None
    assert parse_node(data, "here") == ""


def test_outputs_that_a_killed_apply_left_out_are_empty() -> None:
    state = json.loads(LAUNCHED)
    state["outputs"] = {}
    read = parse_machine(json.dumps(state).encode(), "here")
    assert read is not None
    assert (read.phase, read.launched, read.slots) == ("detached", False, {})
    assert set(read.disks) == {"disk_data", "disk_root"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "no JSON"),
        (LAUNCHED[:-200], "no JSON"),
        (b"\x00" * 512, "no JSON"),
        (b"[]", "version 4"),
        (b'{"version": 3}', "version 4"),
        (LAUNCHED.replace(b'"value": "detached"', b'"value": "moving"'), "outputs"),
        (LAUNCHED.replace(b'"value": true', b'"value": "no"'), "outputs"),
        (LAUNCHED.replace(b'"data": "xvdg"', b'"data": 7'), "outputs"),
        (LAUNCHED.replace(b'"resources": [', b'"resources": [7,'), "resources"),
        (LAUNCHED.replace(b'"outputs": {', b'"outputs": {"x": 7,'), "outputs"),
    ],
)
def test_damaged_state_is_refused(data: bytes, said: str) -> None:
    assert data != LAUNCHED
    with pytest.raises(StateUnreadable, match=said) as caught:
        parse_machine(data, "/here/terraform.tfstate")
    assert "/here/terraform.tfstate" in caught.value.sentence
    assert "backup" in caught.value.hint


def test_node_instance() -> None:
    state = json.loads(EMPTY)
    state["outputs"] = {"instance_id": {"value": "i-0123456789abcdef0", "type": "string"}}
    assert parse_node(json.dumps(state).encode(), "here") == "i-0123456789abcdef0"


def test_local_state_is_found_by_stack_name(tmp_path: Path) -> None:
    backend = Backend(local=LocalBackend(str(tmp_path)))
    assert machine_state(backend, "web01") is None
    (tmp_path / "web01").mkdir()
    (tmp_path / "web01" / "terraform.tfstate").write_bytes(LAUNCHED)
    read = machine_state(backend, "web01")
    assert read is not None and read.launched
    assert machine_state(backend, "web02") is None
    assert node_instance(backend, "web01") == ""


def test_unreadable_file_is_an_error_and_no_absence(tmp_path: Path) -> None:
    (tmp_path / "web01" / "terraform.tfstate").mkdir(parents=True)
    with pytest.raises(StateUnreadable, match="Is a directory"):
        machine_state(Backend(local=LocalBackend(str(tmp_path))), "web01")


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "web01").write_text("")
    with pytest.raises(StateUnreadable):
        machine_state(Backend(local=LocalBackend(str(tmp_path))), "web01")


def test_state_errors_keep_their_fields() -> None:
    error = StateUnreadable("s3://b/k", "S3 says AccessDenied", "hint")
    assert (error.where, error.fault, error.exit_code) == ("s3://b/k", "S3 says AccessDenied", 1)
    assert replace(Backend(), local=None).s3 is None
