"""The part of the one writer that knows Windows: files with their access rights on NTFS, hives, the boot loader.

A step whose result is there already does nothing and is not recorded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from runner.guest.appliance import Appliance
from runner.guest.windows import acl, hive, hives, ntfs
from runner.guest.windows.acl import Access
from runner.guest.windows.bundle import read_payload
from runner.guest.windows.kit import Bundle, Payload
from runner.guest.windows.steps import CopyLoader, EditHive, PutDirectory, PutFile, WindowsStep
from runner.guest.windows.volume_refusals import AccessNotKept, FileNotKept, NameUnfit


def apply(appliance: Appliance, steps: Sequence[WindowsStep], root: str, bundle: Bundle | None) -> list[WindowsStep]:
    """Do the steps in the mounted guest; those that changed something, reduced to what they changed.

    `root` is the device of the system volume, `bundle` where the files of the bundle lie. Raises `HiveBroken`,
    `NameUnfit`, `AccessNotKept`, `FileNotKept`, and what reading the bundle raises.
    """
    done: list[WindowsStep] = []
    for path, group in groupby(steps, lambda step: step.path if isinstance(step, EditHive) else None):
        if path is not None:
            done += _edit_hive(appliance, path, [step for step in group if isinstance(step, EditHive)])
            continue
        for step in group:
            match step:
                case PutDirectory() if _put_directory(appliance, step):
                    done.append(step)
                case PutFile() if _put_file(appliance, step, bundle):
                    done.append(step)
                case CopyLoader():
                    _copy_loader(appliance, step, root)
                    done.append(step)
                case _:
                    pass
    return done


def _edit_hive(appliance: Appliance, path: str, steps: list[EditHive]) -> list[WindowsStep]:
    with TemporaryDirectory() as scratch:
        local = Path(scratch, "hive")
        hives.fetch(appliance, path, local)
        made = set(hive.apply(local, [change for step in steps for change in step.changes], path.rpartition("/")[2]))
        if made:
            hives.put(appliance, local, path)
    kept = [replace(step, changes=tuple(change for change in step.changes if change in made)) for step in steps]
    return [step for step in kept if step.changes]


def _put_directory(appliance: Appliance, step: PutDirectory) -> bool:
    place = _place(appliance, step.path, "directory")
    if not place.missing and _has_access(appliance, place.path, step.access, directory=True):
        return False
    if place.missing:
        appliance.make_directory(place.path)
    _grant(appliance, place.path, step.access, directory=True)
    return True


def _put_file(appliance: Appliance, step: PutFile, bundle: Bundle | None) -> bool:
    place = _place(appliance, step.path, "file")
    content = _content(step.content, bundle)
    digest = hashlib.sha256(content).hexdigest()
    same = not place.missing and appliance.digest(place.path) == digest
    if same and _has_access(appliance, place.path, step.access, directory=False):
        return False
    if not same:
        with TemporaryDirectory() as scratch:
            local = Path(scratch, "file")
            local.write_bytes(content)
            appliance.upload(local, place.path)
        if appliance.digest(place.path) != digest:
            raise FileNotKept(place.path)
    _grant(appliance, place.path, step.access, directory=False)
    return True


def _content(content: Payload | bytes, bundle: Bundle | None) -> bytes:
    if isinstance(content, bytes):
        return content
    assert bundle is not None  # a decider without one asks for none of its files
    return read_payload(Path(bundle.directory), content)


def _place(appliance: Appliance, path: str, kind: str) -> ntfs.Place:
    """Where to write: the path is of that kind, or missing in a directory that is there."""
    place = ntfs.find(appliance, path)
    if len(place.missing) > 1:
        raise NameUnfit(place.existing, f"{place.missing[0]} is missing in it")
    if not place.missing and place.kind != kind:
        raise NameUnfit(place.path, f"it is a {place.kind}")
    return place


def _has_access(appliance: Appliance, path: str, access: Access, *, directory: bool) -> bool:
    return appliance.attribute(path, acl.ATTRIBUTE) == acl.descriptor(access, directory=directory)


def _grant(appliance: Appliance, path: str, access: Access, *, directory: bool) -> None:
    appliance.set_attribute(path, acl.ATTRIBUTE, acl.descriptor(access, directory=directory))
    if not _has_access(appliance, path, access, directory=directory):
        raise AccessNotKept(path)


def _copy_loader(appliance: Appliance, step: CopyLoader, root: str) -> None:
    appliance.unmount_all()
    appliance.mount(step.device, "/")
    place = ntfs.find(appliance, step.to)
    for at in range(1, len(place.missing)):
        appliance.make_directory("/".join(place.path.split("/")[: -len(place.missing) + at]))
    if step.kept and not place.missing and (aside := ntfs.find(appliance, step.kept)).missing:
        appliance.rename(place.path, aside.path)
    appliance.copy(step.path, place.path)
    if appliance.digest(place.path) != appliance.digest(step.path):
        raise FileNotKept(place.path)
    appliance.unmount_all()
    appliance.mount(root, "/")
