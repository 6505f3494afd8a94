"""A lab without boots, one for the session, and clients that talk to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from runner.lab import account
from runner.lab.record import LabInfo

if TYPE_CHECKING:
    from mypy_boto3_ebs import EBSClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabInfo]:
    """A lab whose instances run without QEMU, and whose snapshots take half a second."""
    directory = tmp_path_factory.mktemp("lab")
    yield account.up(directory, boot=False, snapshot_seconds=0.5)
    account.down(directory)


@pytest.fixture(scope="session")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabInfo]:
    """A lab whose snapshots stay pending, however slow the machine is."""
    directory = tmp_path_factory.mktemp("lasting")
    yield account.up(directory, boot=False, snapshot_seconds=3600)
    account.down(directory)


def session_in(lab: LabInfo) -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=account.ACCESS_KEY, aws_secret_access_key=account.SECRET_KEY, region_name=lab.region
    )


@pytest.fixture(scope="session")
def session(lab: LabInfo) -> boto3.Session:
    return session_in(lab)


@pytest.fixture(scope="session")
def lasting_session(lasting: LabInfo) -> boto3.Session:
    return session_in(lasting)


@pytest.fixture(scope="session")
def ec2(lab: LabInfo, session: boto3.Session) -> EC2Client:
    return session.client("ec2", endpoint_url=lab.endpoint)


@pytest.fixture(scope="session")
def ebs(lab: LabInfo, session: boto3.Session) -> EBSClient:
    return session.client("ebs", endpoint_url=lab.endpoint)


@pytest.fixture(scope="session")
def s3(lab: LabInfo, session: boto3.Session) -> S3Client:
    return session.client("s3", endpoint_url=lab.endpoint)


@pytest.fixture(scope="session")
def volume_file(lab: LabInfo) -> Callable[[str], Path]:
    """Where the bytes of a volume are."""
    return lab.layout.volume


@pytest.fixture(scope="session")
def wait_for() -> Callable[..., None]:
    """`wait_for(look, wanted, seconds=10)`: look until the wanted value is there; fail with the last one seen."""

    def wait(look: Callable[[], object], wanted: object, seconds: float = 10.0) -> None:
        patience = time.monotonic() + seconds
        while (seen := look()) != wanted:
            assert time.monotonic() < patience, f"still {seen!r}, not {wanted!r}, after {seconds} s"
            time.sleep(0.05)

    return wait
