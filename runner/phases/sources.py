"""A spec's disk as a source to read, wherever it is: a file, an NBD export, an S3 object."""

from __future__ import annotations

from runner.aws.account import Account
from runner.blocks.bytefile import ByteFile, open_local
from runner.blocks.source import Source, check_stated, is_package, open_source, read_source
from runner.phases.s3_file import S3File
from schemas.errors import Refused
from schemas.location import location_fault, s3_object
from schemas.spec import Disk


class LocationRefused(Refused):
    """A place that no disk of this format is read from."""

    def __init__(self, location: str, fault: str, hint: str) -> None:
        super().__init__(f"{location}: {fault}", hint)
        self.location = location
        self.fault = fault


def open_disk(disk: Disk, account: Account) -> Source:
    """Open a disk of a loaded spec; the caller closes it. Raises what `open_place` does."""
    return open_place(disk.path, disk.format, disk.member, account)


def open_place(location: str, format: str, member: str, account: Account) -> Source:
    """Open a disk by its location (schemas/location.py) and stated format.

    Raises `LocationRefused`, what `open_source` raises, and errors of AWS.
    """
    if fault := location_fault(location, format):
        raise LocationRefused(location, *fault)
    if s3_object(location) is None:
        return open_source(location, format, member)
    return read_source(open_file(location, account), format, member)


def check_disk(disk: Disk, account: Account) -> None:
    """Hold what a disk's package states of it against its bytes, by reading them whole.

    Raises `PackageDiffers`, what `open_file` raises, and errors of AWS.
    """
    if is_package(disk.format):
        check_stated(open_file(disk.path, account), disk.format, disk.member)


def open_file(location: str, account: Account) -> ByteFile:
    """Open a file of this machine or an S3 object; raises `SourceMissing`, `SourceUnusable`, and errors of AWS."""
    place = s3_object(location)
    return open_local(location) if place is None else S3File(account, place)
