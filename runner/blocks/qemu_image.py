"""qcow2, VHD and VHDX as sources: opened by qemu-nbd in confinement, read through its socket.

Two servers, so that the one which parses the image has no rights at all: qemu-nbd as this process's user offers the
file's plain bytes (it parses nothing), and a confined one, with no network and no file it may open, offers the disk in
them. What an image could be told to open beyond itself is refused by our own check of its header before.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from runner.blocks.bytefile import ByteFile, LocalFile
from runner.blocks.errors import ImageRefused, SourceUnusable
from runner.blocks.extent import Extent
from runner.blocks.fingerprint import Fingerprint
from runner.blocks.nbd_source import NbdSource
from runner.blocks.qcow2_header import check_qcow2
from runner.blocks.vhd_header import check_vhd
from runner.blocks.vhdx_header import check_vhdx
from runner.confinement import confined, identity
from runner.listening import listens
from runner.process import Leashed

_SCRATCH = "/var/tmp"  # a path that the unprivileged user can reach; it holds two sockets
_LISTEN_SECONDS = 20.0
_CONNECTIONS = 16
_PREFIX = "hotadd-image-"
_SETTLED_SECONDS = 60.0  # a younger folder's owner may be about to lock it


class QemuSource(ABC):
    """A disk in an image that QEMU knows. It owns the file; raises `ImageRefused`, `SourceUnusable`.

    `options` is how QEMU is told to read the format.
    """

    options: ClassVar[Mapping[str, Any]]

    def __init__(self, file: ByteFile) -> None:
        self.location = file.path
        self._file = file
        with ExitStack() as stack:
            stack.callback(file.close)
            if not isinstance(file, LocalFile):
                raise ImageRefused(file.path, "format", "QEMU reads files of this machine only", "Download it first.")
            self.size = self.check(file)
            self._disk = self._serve(stack, file)
            stack.callback(self._disk.close)
            # QEMU offers whole sectors: the last one may be longer than the disk.
            if not self.size <= self._disk.size < self.size + 512:
                said = f"the header says {self.size} bytes, QEMU {self._disk.size}"
                raise ImageRefused(file.path, "size", said)
            self._stack = stack.pop_all()

    @staticmethod
    @abstractmethod
    def check(file: ByteFile) -> int:
        """Our own check of the image's header; the disk's size in bytes. Raises `ImageRefused`."""

    def fingerprint(self) -> Fingerprint:
        """The image file's."""
        return self._file.fingerprint()

    def extents(self) -> Iterator[Extent]:
        """As the image has it."""
        for extent in self._disk.extents():
            if extent.offset < self.size:
                yield Extent(extent.offset, min(extent.length, self.size - extent.offset), extent.kind)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer; raises `OSError` and `ShortRead`."""
        self._disk.read_into(offset, buffer)

    def close(self) -> None:
        """End the servers; a second call does nothing."""
        self._stack.close()

    def _serve(self, stack: ExitStack, file: LocalFile) -> NbdSource:
        who = identity()
        folder = _folder(stack)
        bytes_at, disk_at = folder / "bytes", folder / "disk"
        plain = {"driver": "file", "filename": f"/proc/self/fd/{file.fd}", "locking": "off", "read-only": True}
        _start(stack, (), {"driver": "raw", "file": plain}, bytes_at, self.location, (file.fd,))
        os.chown(bytes_at, who.uid, who.gid)
        os.chown(folder, who.uid, who.gid)
        inside = {"driver": "nbd", "server": {"type": "unix", "path": str(bytes_at)}}
        image = {**self.options, "file": {"driver": "raw", "file": inside}}
        _start(stack, confined(who), image, disk_at, self.location, ())
        return NbdSource(f"nbd+unix:///?socket={disk_at}")


class Qcow2Source(QemuSource):
    """A qcow2 image: one file, not encrypted, without snapshots; its clusters may be compressed."""

    options = {"driver": "qcow2", "backing": None}
    check = staticmethod(check_qcow2)


class VhdSource(QemuSource):
    """A fixed or dynamic VHD; its size is the footer's own (QEMU's guess takes some creators' geometry: smaller)."""

    options = {"driver": "vpc", "force_size_calc": "current_size"}
    check = staticmethod(check_vhd)


class VhdxSource(QemuSource):
    """A fixed or dynamic VHDX that was closed properly."""

    options = {"driver": "vhdx"}
    check = staticmethod(check_vhdx)


def _folder(stack: ExitStack) -> Path:
    """A folder for the sockets, gone with the stack; those of killed processes are removed on the way.

    Its owner holds a lock on it, which the kernel lets go of however it dies.
    """
    for old in Path(_SCRATCH).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # in use, gone meanwhile, or another user's
            if time.time() - old.stat().st_mtime > _SETTLED_SECONDS:
                os.close(_locked(old))
                shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_SCRATCH))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    stack.callback(os.close, _locked(folder))
    return folder


def _locked(folder: Path) -> int:
    """A descriptor that holds the folder's lock; raises `OSError` where another one does."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise
    return fd


def _start(
    stack: ExitStack,
    prefix: tuple[str, ...],
    image: Mapping[str, Any],
    socket: Path,
    location: str,
    fds: tuple[int, ...],
) -> None:
    """Start a server of an image and wait until it listens."""
    argv = [*prefix, "qemu-nbd", "--read-only", "--persistent", f"--shared={_CONNECTIONS}", f"--socket={socket}"]
    server = Leashed([*argv, "json:" + json.dumps(image)], pass_fds=fds)
    stack.callback(server.end)
    if not listens(server, socket, _LISTEN_SECONDS):
        server.end()
        said = server.process.stderr.read().decode(errors="replace") if server.process.stderr else ""
        last = (said.strip().splitlines() or ["qemu-nbd does not listen"])[-1]
        raise SourceUnusable(location, last.rpartition("': ")[2])
