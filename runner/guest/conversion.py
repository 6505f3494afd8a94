"""Making a guest bootable on EC2: look at it, prepare the change in overlays, commit it to the volumes.

`inspect` and `prepare` write nothing but overlays; `commit` alone touches a volume.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner.confinement import identity, without_network
from runner.guest import kernel_for_appliance, overlay, redo
from runner.guest.edits import Edit
from runner.guest.facts import GuestFacts, Options
from runner.guest.families import table
from runner.guest.redo import InjectedDisk
from runner.guest.refusals import ConversionFailed, OverlayDamaged, ScratchFull, revive
from runner.guest.served import ServedDisk, served
from runner.guest.windows.bundle import open_bundle
from runner.guest.windows.kit import Bundle
from runner.guest.worker import Answer, Request
from runner.process import ProgramFailed, run
from schemas.document import structure, unstructure

# Under TCG an appliance starts in 20 s and an initramfs with all modules takes minutes; guests have a few kernels.
_CONVERSION_SECONDS = 3600.0
_SCRATCH = Path("/var/tmp")
# Overlays hold what is written: two initramfs, their copies, journals. QEMU does not fail on a full disk: it pauses the
# appliance until somebody makes room.
_ROOM = 512 * 1024 * 1024


@dataclass(frozen=True)
class GuestDisk:
    """A disk of the guest: a block device or raw file, or one that a reader serves (to look at, not to commit to).

    Disks are given in the order in which the guest has them.
    """

    id: str
    device: Path | ServedDisk
    boot: bool

    @property
    def size(self) -> int:
        """In bytes."""
        return self.device.size if isinstance(self.device, ServedDisk) else overlay.size_of(self.device)

    def serve(self, socket: Path, owner: tuple[int, int]) -> AbstractContextManager[None]:
        """Offer it read-only on a unix socket (NBD), to the one user who may connect. Raises `ConversionFailed`."""
        if isinstance(self.device, ServedDisk):
            return served(self.device, socket, owner)
        return overlay.served(self.device, socket, owner)


@dataclass(frozen=True)
class Prepared:
    """A conversion that waits for its commit: what the guest was, what was edited, what will be written.

    It is kept as plain JSON by `schemas.document.unstructure` and `structure`.
    """

    facts: GuestFacts
    edits: tuple[Edit, ...]
    disks: tuple[InjectedDisk, ...]


def inspect(disks: Sequence[GuestDisk], work: Path, luks_keys: tuple[str, ...] = ()) -> GuestFacts:
    """What the guest is; for preflight, on the source's own disks, which are only read. Takes 20 s and more.

    `luks_keys` are passphrases to open LUKS volumes with. Raises `FileSystemDamaged`, `FileTooBig` and
    `ConversionFailed`.
    """
    with overlaid(disks, work) as (scratch, overlays):
        return _convert("inspect", disks, overlays, Options("keep", luks_keys=luks_keys), scratch).facts


def check(facts: GuestFacts, options: Options) -> None:
    """Raise the refusal that `prepare` would end with, for a guest that was inspected."""
    table.decide(facts, options)


def prepare(disks: Sequence[GuestDisk], options: Options, work: Path) -> Prepared:
    """Convert the guest in overlays, one a disk, left in `work` for `commit`. Nothing but these overlays is written.

    Stale overlays of an earlier try are dropped first. Raises what `check` and `inspect` raise, and
    `InitramfsIncomplete`.
    """
    work.mkdir(parents=True, exist_ok=True)
    for disk in disks:
        _overlay_in(work, disk).unlink(missing_ok=True)
    with overlaid(disks, work) as (scratch, overlays):
        handed = replace(options, bundle=_handed(options, scratch))
        answer = _convert("prepare", disks, overlays, handed, scratch)
        injected = [_keep(disk, made, _overlay_in(work, disk)) for disk, made in zip(disks, overlays, strict=True)]
    return Prepared(answer.facts, answer.edits, tuple(injected))


def commit(prepared_disks: Sequence[InjectedDisk], devices: Mapping[str, Path]) -> None:
    """Copy the injected clusters down to the devices (by disk id); see `redo.commit`. May be run again."""
    redo.commit(prepared_disks, devices)


def scratch_of(work: Path) -> Path:
    """Where the conversion's unprivileged user works while `work` is converted; afterwards it is gone.

    Not in `work`, which may lie where only root may look. Its name follows from `work`, so a run that was killed leaves
    nothing that the next one does not remove.
    """
    return _SCRATCH / f"hotadd-guest-{hashlib.sha256(os.fsencode(work.resolve())).hexdigest()[:16]}"


def _overlay_in(work: Path, disk: GuestDisk) -> Path:
    return work / f"overlay-{disk.id}.qcow2"


@contextmanager
def overlaid(disks: Sequence[GuestDisk], work: Path) -> Iterator[tuple[Path, list[Path]]]:
    """A scratch directory that the conversion's user owns, with an empty overlay for each disk in it.

    Raises `ScratchFull`.
    """
    scratch = scratch_of(work)
    owner = (identity().uid, identity().gid)
    shutil.rmtree(scratch, ignore_errors=True)
    free = shutil.disk_usage(_SCRATCH).free
    if free < _ROOM:
        raise ScratchFull(str(_SCRATCH), free, _ROOM)
    scratch.mkdir(mode=0o700)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        made = []
        for number, disk in enumerate(disks):
            socket, path = scratch / f"{number}.sock", scratch / f"{number}.qcow2"
            stack.enter_context(disk.serve(socket, owner))
            overlay.create(path, disk.size, socket)
            os.chown(path, *owner)
            made.append(path)
        os.chown(scratch, *owner)
        yield scratch, made


def _handed(options: Options, scratch: Path) -> Bundle | None:
    """A copy of the bundle of drivers that the conversion's user can read, checked against its lock once more."""
    if options.bundle is None or options.os == "linux":
        return None
    directory = scratch / "bundle"
    directory.mkdir(mode=0o755)
    os.chown(directory, identity().uid, identity().gid)
    for name in options.bundle.files:
        shutil.copyfile(Path(options.bundle.directory, name), directory / name)
        os.chown(directory / name, identity().uid, identity().gid)
    return open_bundle(directory)


def _convert(task: Any, disks: Sequence[GuestDisk], overlays: list[Path], options: Options, scratch: Path) -> Answer:
    boot_disk = next((number for number, disk in enumerate(disks) if disk.boot), 0)
    request = Request(task, tuple(str(path) for path in overlays), boot_disk, identity(), options)
    try:
        done = run(
            [*without_network(), sys.executable, "-m", "runner.guest.worker"],
            timeout=_CONVERSION_SECONDS,
            env=environment(scratch),
            stdin=json.dumps(unstructure(request)).encode(),
        )
        told = json.loads(done.stdout)
    except (ProgramFailed, ValueError) as error:
        raise ConversionFailed("running the conversion process", str(error)) from error
    if "error" in told:
        raise revive(told["error"]["kind"], told["error"]["values"])
    return structure(told["answer"], Answer)


def environment(scratch: Path) -> dict[str, str]:
    """The environment of a confined process that works in `scratch`."""
    kept = {name: os.environ[name] for name in ("LIBGUESTFS_PATH", "PYTHONPATH", "VIRTUAL_ENV") if name in os.environ}
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        **dict.fromkeys(("HOME", "TMPDIR", "LIBGUESTFS_TMPDIR", "XDG_RUNTIME_DIR"), str(scratch)),
        "LIBGUESTFS_CACHEDIR": str(_SCRATCH),  # supermin's appliance is made once a user, in 10 s
        **kept,
        **kernel_for_appliance.environment(scratch),
    }


def _keep(disk: GuestDisk, made: Path, path: Path) -> InjectedDisk:
    """Move an overlay to where the commit finds it, under root's name again, and durably so."""
    size = disk.size
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    shutil.move(made, part)
    fd = os.open(part, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)  # a hostile worker may leave a link instead
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise OverlayDamaged(str(part), "it is no plain file")
        os.fchown(fd, os.geteuid(), os.getegid())
        os.fchmod(fd, 0o600)
        os.fsync(fd)
    finally:
        os.close(fd)
    clusters = overlay.injected(part, size)
    part.rename(path)
    return InjectedDisk(disk.id, path, size, clusters)
