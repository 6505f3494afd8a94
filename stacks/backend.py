"""The backend block of a stack: the state lies beside the manifests, never inside a checkout."""

from __future__ import annotations

from schemas.spec import Backend
from stacks.place import Place, s3_settings, state_file, state_key
from stacks.resources import Stack


def keep_state(stack: Stack, name: str, backend: Backend, place: Place) -> None:
    """Give a stack the backend that the spec names."""
    if backend.local is not None:
        stack.local_backend(state_file(backend.local.path, name))
    if backend.s3 is not None:
        s3 = backend.s3
        key = state_key(s3.prefix, name)
        stack.s3_backend(bucket=s3.bucket, key=key, region=s3.region, settings=s3_settings(s3, place))
