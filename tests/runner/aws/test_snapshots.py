"""Waiting for snapshots that somebody deletes: told within a poll, not after a day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runner.aws import snapshots
from runner.aws.account import Account
from runner.aws.snapshots import SnapshotErrored
from runner.aws.temporary import TemporaryErrored
from schemas.errors import HotaddError


class Answers:
    """What DescribeSnapshots says, one answer after the other; the last one for ever."""

    def __init__(self, *listed: bool) -> None:
        self._listed = list(listed)

    def get_paginator(self, _name: str) -> Answers:
        return self

    def paginate(self, **_filters: object) -> Iterator[dict[str, Any]]:
        yield self.describe_snapshots()

    def describe_snapshots(self, **_filters: object) -> dict[str, Any]:
        listed = self._listed.pop(0) if len(self._listed) > 1 else self._listed[0]
        one = {"SnapshotId": "snap-1", "VolumeId": "vol-1", "State": "pending", "Tags": []}
        return {"Snapshots": [one] if listed else []}


@pytest.fixture(params=[(True, False), (False,)], ids=["was listed", "never listed"])
def account(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Account:
    made = Account("eu-west-1")
    made.__dict__["ec2"] = Answers(*request.param)
    if request.param == (False,):
        monkeypatch.setattr(snapshots, "LISTED_SECONDS", -1)
    return made


def _at_the_third_look() -> Callable[[], bool]:
    """A stop for what would wait on."""
    asked = iter([False, False])
    return lambda: next(asked, True)


@pytest.mark.parametrize("error", [SnapshotErrored, TemporaryErrored])
def test_one_that_is_gone(account: Account, error: type[HotaddError]) -> None:
    with pytest.raises(error, match="ended in gone"):
        snapshots.wait_completed(account, {"snap-1": "vol-1"}, _at_the_third_look(), lambda _said: None, error)
