"""The lock file of a bundle of Windows drivers: what was downloaded from where, and its SHA-256."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Product = Literal["nvme", "ena", "pv", "ec2launch"]


@dataclass(frozen=True)
class LockedPackage:
    """A file of the bundle. `wanted` is the version asked for, "latest" or a number; `bytes` its size."""

    product: Product
    wanted: str
    url: str
    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class DriversLock:
    """drivers.lock: every file of a bundle, in the order of their names."""

    version: Literal[1]
    packages: tuple[LockedPackage, ...]
