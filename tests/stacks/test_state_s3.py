"""A state in S3: one GetObject, and what S3 may answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.spec import Backend, S3Backend
from stacks.state import StateUnreadable, machine_state, node_instance

BACKEND = Backend(s3=S3Backend("acme-hotadd", "replicas/prod", "eu-central-1"))
NODE = {
    "version": 4,
    "outputs": {"instance_id": {"value": "i-0123456789abcdef0", "type": "string"}},
    "resources": [],
}


@pytest.fixture(autouse=True)
def account(s3_door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard AWS variables, leading to the door."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_door.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def test_no_object_is_no_state(s3_door: Any) -> None:
    assert machine_state(BACKEND, "db01") is None
    assert s3_door.asked == ["/acme-hotadd/replicas/prod/db01/terraform.tfstate"]


def test_object(s3_door: Any) -> None:
    s3_door.objects["/acme-hotadd/replicas/prod/node-fra-a/terraform.tfstate"] = json.dumps(NODE).encode()
    assert node_instance(BACKEND, "fra-a") == "i-0123456789abcdef0"


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (404, "NoSuchBucket"), (403, "ExpiredToken"), (400, "InvalidToken")]
)
def test_a_refusal_is_no_absence(s3_door: Any, status: int, code: str) -> None:
    s3_door.refusal = (status, code)
    with pytest.raises(StateUnreadable, match=f"S3 says {code}") as caught:
        machine_state(BACKEND, "db01")
    assert caught.value.where == "s3://acme-hotadd/replicas/prod/db01/terraform.tfstate"


def test_damaged_object(s3_door: Any) -> None:
    s3_door.objects["/acme-hotadd/replicas/prod/db01/terraform.tfstate"] = b"{"
    with pytest.raises(StateUnreadable, match="no JSON"):
        machine_state(BACKEND, "db01")
