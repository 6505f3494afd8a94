"""The Terraform state of a machine's stack, read as it lies there: without Terraform."""

from __future__ import annotations

from runner.aws.account import Account
from runner.aws.bucket import read_object
from runner.home import Home
from runner.terraform.statefile import StateFile, parse_state
from schemas.naming import machine_stack
from schemas.spec import Spec


def read_state(spec: Spec, home: Home) -> StateFile:
    """The state of a machine's stack, from its file or by one S3 GetObject. Raises `StateUnreadable`."""
    name = "terraform.tfstate"
    bucket = spec.backend.s3
    if bucket is None:
        path = home.directory / name
        try:
            return parse_state(path.read_bytes(), str(path))
        except FileNotFoundError:
            return parse_state(b"", str(path))
    key = f"{bucket.prefix}/{machine_stack(spec.name)}/{name}"
    data = read_object(Account(bucket.region), bucket.bucket, key)
    return parse_state(data or b"", f"s3://{bucket.bucket}/{key}")
