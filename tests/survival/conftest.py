"""A lab without boots and a driver, one of each for a module, and replications in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from runner.lab import account
from tests.survival.ground import Driver, Lab, Replication

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    directory = tmp_path_factory.mktemp("lab")
    yield Lab(account.up(directory, boot=False, snapshot_seconds=0.3))
    account.down(directory)


@pytest.fixture(scope="module")
def ec2(lab: Lab) -> EC2Client:
    """The lab's EC2, for what somebody else does there."""
    session = boto3.Session(account.ACCESS_KEY, account.SECRET_KEY, region_name=lab.info.region)
    return session.client("ec2", endpoint_url=lab.info.endpoint)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    made = Driver(tmp_path_factory.mktemp("driver") / "said.txt")
    yield made
    made.close()


@pytest.fixture(scope="module")
def replication(lab: Lab, driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Replication]:
    """`replication(name)`: a new one."""

    def make(name: str) -> Replication:
        directory: Path = tmp_path_factory.mktemp(name)
        return Replication(name, lab, driver, directory)

    return make
