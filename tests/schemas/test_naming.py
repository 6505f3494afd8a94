"""Names and tags: distinct for distinct things, stable, and within what AWS and Terraform take."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.naming import (
    TAG_DISK,
    TAG_GENERATION,
    TAG_NODE,
    TAG_REPLICATION,
    TAG_ROLE,
    Role,
    address,
    machine_stack,
    node_stack,
    node_tags,
    tags,
)
from tests.schemas.documents import ids, names
from tests.schemas.specs import changed, problems

ROLES: tuple[Role, ...] = ("volume", "destination", "shell-root", "integrity", "access-node")


@given(ids, ids)
def test_addresses_are_distinct_terraform_names(one: str, other: str) -> None:
    # Terraform's identifiers: letters, digits, underscores and dashes, not beginning with a digit or a dash.
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", address(one))
    assert (address(one) == address(other)) == (one == other)


# An address names a volume for good: another mapping would have Terraform destroy it and make a new one.
@pytest.mark.parametrize(
    ("disk", "expected"), [("root", "disk_root"), ("data-2", "disk_data_2"), ("a--b", "disk_a__b")]
)
def test_addresses_are_stable(disk: str, expected: str) -> None:
    assert address(disk) == expected


@settings(max_examples=30)
@given(names, names)
def test_no_machine_shares_its_stack_with_an_access_node(machine: str, node: str) -> None:
    refused = bool(problems(changed("name: web01", f"name: {machine}")))
    assert refused == machine.startswith("node-") or machine in ("true", "false", "null")
    assert refused or machine_stack(machine) != node_stack(node)


@given(names, st.sampled_from(ROLES), st.just("") | ids, st.integers(0, 10**9))
def test_tags_are_what_aws_takes(replication: str, role: Role, disk: str, generation: int) -> None:
    found = tags(replication, role, disk=disk, generation=generation, extra={"team": "web"})
    assert all(0 < len(key) <= 128 and len(value) <= 256 and not key.startswith("aws:") for key, value in found.items())
    assert found[TAG_REPLICATION] == replication and found[TAG_ROLE] == role and found["team"] == "web"
    assert found.get(TAG_DISK, "") == disk
    assert found.get(TAG_GENERATION, "0") == str(generation)


def test_the_user_s_tags_never_replace_ours() -> None:
    ours = tags("web01", "volume", disk="root")
    assert tags("web01", "volume", disk="root", extra={key: "theirs" for key in ours}) == ours


@pytest.mark.parametrize(
    ("role", "disk", "expected"),
    [
        ("destination", "", "web01"),
        ("volume", "root", "hotadd-web01-root"),
        ("integrity", "root", "hotadd-web01-root"),
        ("shell-root", "", "hotadd-web01-shell-root"),
    ],
)
def test_what_the_console_shows(role: Role, disk: str, expected: str) -> None:
    assert tags("web01", role, disk=disk)["Name"] == expected


def test_an_access_node_is_no_replication_s_own() -> None:
    found = node_tags("fra-a")
    assert found == {"Name": "hotadd-node-fra-a", TAG_NODE: "fra-a", TAG_ROLE: "access-node"}
    assert TAG_REPLICATION not in found
