"""One qcow2 overlay a disk: everything conversion writes goes there, and its clusters are the injected set."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from runner.confinement import without_network
from runner.guest.qcow2 import CLUSTER_BYTES, Qcow2
from runner.guest.refusals import ConversionFailed
from runner.listening import listens
from runner.process import Leashed, run

_CREATE_SECONDS = 60.0
_LISTEN_SECONDS = 20.0
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class InjectedCluster:
    """A block that injection changes: offset and length in bytes (the last one of a disk may be short).

    `digest_hex`: BLAKE3, 16 bytes in hexadecimal, of the block as it is after `commit`, zero-padded to 512 KiB.
    """

    offset: int
    length: int
    digest_hex: str


@contextmanager
def served(device: Path, socket: Path, owner: tuple[int, int]) -> Iterator[None]:
    """Offer a device or file read-only on a unix socket (NBD), to the one user who may connect.

    The appliance runs as a user who may not open the device; with this it needs neither the device nor its path.
    Raises `ConversionFailed` when the server does not come up.
    """
    driver = "host_device" if stat.S_ISBLK(device.stat().st_mode) else "file"
    image = f"driver=raw,file.driver={driver},file.filename={_escaped(device.resolve())}"
    server = Leashed(
        [*without_network(), "qemu-nbd", "--read-only", "--persistent", "--shared=4", f"--socket={socket}"]
        + ["--image-opts", image]
    )
    try:
        if not listens(server, socket, _LISTEN_SECONDS):
            server.end()
            said = server.process.stderr.read().decode(errors="replace") if server.process.stderr else ""
            raise ConversionFailed(f"opening {device}", said.strip() or "qemu-nbd does not listen")
        os.chown(socket, *owner)
        yield
    finally:
        server.end()
        socket.unlink(missing_ok=True)


def create(path: Path, size: int, socket: Path) -> None:
    """Make the empty overlay of a disk of `size` bytes that is served on `socket`; every format is stated."""
    file = {"driver": "nbd", "server": {"type": "unix", "path": str(socket)}}
    backing = "json:" + json.dumps({"driver": "raw", "file": file})
    run(
        ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", backing]
        + ["-o", f"cluster_size={CLUSTER_BYTES}", str(path), str(size)],
        timeout=_CREATE_SECONDS,
    )


def injected(path: Path, size: int) -> tuple[InjectedCluster, ...]:
    """The clusters an overlay holds, with the digests of their bytes. Raises `OverlayDamaged`."""
    with Qcow2(path, size) as overlay:
        return tuple(InjectedCluster(c.offset, c.length, digest(overlay.content(c))) for c in overlay.clusters())


def digest(content: bytes) -> str:
    """BLAKE3 of a block, 16 bytes in hexadecimal; a short block is padded with zeroes to 512 KiB."""
    return blake3(content.ljust(CLUSTER_BYTES, b"\0")).hexdigest(length=_DIGEST_BYTES)


def size_of(device: Path) -> int:
    """The size of a block device or file in bytes, by seeking: stat says 0 for devices."""
    fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.lseek(fd, 0, os.SEEK_END)
    finally:
        os.close(fd)


def _escaped(path: Path) -> str:
    return str(path).replace(",", ",,")  # QEMU's option syntax
