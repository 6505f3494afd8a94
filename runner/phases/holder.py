"""Who works on a replication now, on this machine or another."""

from __future__ import annotations

from runner.aws.account import Account
from runner.aws.lock import BucketLock
from runner.home import Home, user
from schemas.spec import Spec


def holder_of(spec: Spec, home: Home) -> str:
    """Who works on it, in words, by the home's lock and the one in S3; empty if nobody does."""
    here, s3 = home.holder(), spec.backend.s3
    if here or s3 is None:
        return here
    return BucketLock(Account(s3.region), s3, spec.name, user(), home.lock_identity()).holder()
