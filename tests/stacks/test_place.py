"""What differs between an account and the lab: the provider block, and where S3 is."""

from __future__ import annotations

from pathlib import Path

from schemas.spec import S3Backend
from stacks.attributes import Provider
from stacks.place import Place, s3_settings, state_file, state_key

LAB = Place("http://127.0.0.1:4566")


def test_an_account() -> None:
    assert Place().provider("eu-central-1") == Provider("eu-central-1")
    assert Place().provider_version == ">= 5.100, < 7"


def test_the_lab() -> None:
    provider = LAB.provider("eu-central-1")
    assert provider.endpoints is not None and provider.endpoints.ec2 == "http://127.0.0.1:4566"
    assert provider.skip_metadata_api_check == "true"
    assert LAB.provider_version == ">= 3.39, < 7"


def test_s3_state_is_locked_and_encrypted_everywhere() -> None:
    s3 = S3Backend("acme", "replicas/prod", "eu-central-1", "arn:aws:kms:eu-central-1:111122223333:key/1")
    account = s3_settings(s3, Place())
    assert account == {"encrypt": True, "use_lockfile": True, "kms_key_id": s3.kms_key_id}
    assert s3_settings(s3, LAB).items() >= account.items()
    assert s3_settings(s3, LAB)["use_path_style"] is True


def test_state_places() -> None:
    assert state_file("/srv/hotadd", "web01") == Path("/srv/hotadd/web01/terraform.tfstate")
    assert state_file("here", "web01").is_absolute()
    assert state_key("replicas/prod", "node-fra-a") == "replicas/prod/node-fra-a/terraform.tfstate"
