"""The one door to libguestfs: an appliance with all disks of a guest, and the few verbs probe and apply need.

Every path is the guest's, resolved inside the appliance: a symlink leads nowhere else.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, cast

import guestfs

from runner.acceleration import accelerator
from runner.guest.refusals import ConversionFailed, FileSystemDamaged, FileTooBig

TEXT_BYTES_MOST = 1024 * 1024  # no honest fstab, grub.cfg or interfaces file comes near
_MEMORY_MIB = (768, 2048)  # least and most; an initramfs with all modules unpacks to some 300 MiB of tmpfs
Kind = Literal["", "file", "directory", "symlink", "other"]
_SAID_MOST = 400  # characters of a program's last words that go into an error


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Turn libguestfs's RuntimeError into `ConversionFailed`, with what was being done."""
    try:
        yield
    except RuntimeError as error:
        raise ConversionFailed(what, _last_words(str(error))) from error


class Appliance:
    """libguestfs's small virtual machine with the overlays as its disks, in the guest's order."""

    def __init__(self, overlays: Sequence[Path]) -> None:
        g: Any = guestfs.GuestFS(python_return_dict=True)
        self._g = g
        g.set_backend("direct")
        if accelerator() == "tcg":
            g.set_backend_setting("force_tcg", "1")
            g.set_smp(1)  # measured: two emulated CPUs take a quarter more time of the real ones for the same work
        else:
            g.set_smp(min(os.cpu_count() or 1, 4))
        g.set_network(False)
        g.set_append("vsyscall=emulate")  # binaries of EL6 need it, and Debian's kernel has none by default
        g.set_memsize(min(max(_memory_mib() // 2, _MEMORY_MIB[0]), _MEMORY_MIB[1]))
        for overlay in overlays:
            # unsafe: nobody needs the overlay of an appliance that died; it is made again.
            g.add_drive_opts(str(overlay), format="qcow2", cachemode="unsafe")

    def __enter__(self) -> Self:
        with doing("starting the appliance"):
            self._g.launch()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                with doing("closing the appliance"):
                    self._g.umount_all()
                    self._g.shutdown()
        finally:
            self._g.close()

    # Block devices and file systems

    def volumes(self) -> list[str]:
        """Every device that may hold a file system: partitions, whole disks without any, LVM and md volumes."""
        with doing("looking for file systems"):
            partitions: list[str] = self._g.list_partitions()
            parents = {self._g.part_to_dev(p) for p in partitions}
            volumes = partitions + [d for d in self._g.list_devices() if d not in parents]
            kinds = {self.blkid(volume).get("TYPE", "") for volume in volumes}
            if "linux_raid_member" in kinds:
                volumes += self._g.list_md_devices()
            if "LVM2_member" in kinds:
                volumes += self._g.lvs()
            return volumes

    def groups(self) -> list[str]:
        """The LVM volume groups."""
        with doing("looking for volume groups"):
            return sorted(self._g.vgs())

    def blkid(self, device: str) -> dict[str, str]:
        """What blkid says about a device; empty when it knows nothing in it."""
        try:
            return dict(self._g.blkid(device))
        except RuntimeError:
            return {}

    def place(self, device: str) -> tuple[int | None, int | None]:
        """(disk from 0, partition or 0) of a device; (None, None) for LVM and md."""
        if not device.startswith("/dev/sd"):
            return None, None
        with doing(f"looking at {device}"):
            if device in self._g.list_devices():
                return int(self._g.device_index(device)), 0
            return int(self._g.device_index(self._g.part_to_dev(device))), int(self._g.part_to_partnum(device))

    def extent(self, device: str) -> tuple[int, int, int]:
        """(disk from 0, first byte, bytes) of a partition, or of a whole disk."""
        with doing(f"looking at {device}"):
            if device in self._g.list_devices():
                return int(self._g.device_index(device)), 0, int(self._g.blockdev_getsize64(device))
            parent, number = self._g.part_to_dev(device), self._g.part_to_partnum(device)
            part = next(one for one in self._g.part_list(parent) if one["part_num"] == number)
            return int(self._g.device_index(parent)), int(part["part_start"]), int(part["part_size"])

    def tool(self, argv: Sequence[str]) -> str:
        """Run one of the appliance's own programs; what it printed, 4 MB at most. For programs that only look."""
        with doing(f"running {argv[0]} in the appliance"):
            return str(self._g.debug("sh", [shlex.join(argv)]))

    def check_clean(self, device: str, kind: str) -> None:
        """Look through a file system without changing it. Raises `FileSystemDamaged`; unknown kinds pass."""
        if kind in ("ext2", "ext3", "ext4"):
            # The appliance's kernel may order disks in another way than libguestfs names them; blkid knows its name.
            name = self.blkid(device)["DEVNAME"]
            try:
                self._g.debug("sh", ["e2fsck", "-fn", name])
            except RuntimeError as error:
                raise FileSystemDamaged(device, _last_words(str(error))) from error
        elif kind == "xfs" and self._g.xfs_repair(device, nomodify=True) != 0:
            raise FileSystemDamaged(device, "xfs_repair -n finds faults")

    def mount(self, device: str, point: str, *, read_only: bool = False) -> None:
        """Mount a file system of the guest; the kernel replays its journal."""
        with doing(f"mounting {device}"):
            self._g.mount_options("ro" if read_only else "", device, point)

    def can_mount(self, device: str) -> bool:
        """Mount a file system read-only as the root, if it lets itself be mounted."""
        try:
            self._g.mount_options("ro", device, "/")
        except RuntimeError:
            return False
        return True

    def unmount_all(self) -> None:
        """Unmount everything, so that all changes lie in the overlays."""
        with doing("unmounting"):
            self._g.umount_all()

    def space(self, point: str) -> tuple[int, int]:
        """(free, size) in bytes of a mounted file system."""
        with doing(f"looking at the space on {point}"):
            told = self._g.statvfs(point)
        return told["bavail"] * told["frsize"], told["blocks"] * told["frsize"]

    # Files

    def exists(self, path: str) -> bool:
        """Whether a path exists (a dangling symlink does not)."""
        with doing(f"looking for {path}"):
            return bool(self._g.exists(path))

    def names(self, directory: str) -> list[str]:
        """The names in a directory, sorted; none when there is no such directory."""
        with doing(f"listing {directory}"):
            return sorted(self._g.ls(directory)) if self._g.is_dir(directory, followsymlinks=True) else []

    def size(self, path: str) -> int | None:
        """The size of a regular file in bytes; None when there is none (a FIFO or a device is none)."""
        with doing(f"looking at {path}"):
            return int(self._g.filesize(path)) if self._g.is_file(path, followsymlinks=True) else None

    def read(self, path: str) -> str | None:
        """The text of a configuration file, None when there is none. Raises `FileTooBig`."""
        size = self.size(path)
        if size is None:
            return None
        if size > TEXT_BYTES_MOST:
            raise FileTooBig(path, size, TEXT_BYTES_MOST)
        with doing(f"reading {path}"):
            content: bytes = self._g.read_file(path)
        return content.decode("utf-8", "surrogateescape")

    def lines(self, path: str, pattern: str) -> list[str]:
        """The lines of a file that match an extended regular expression; none when there is no such file."""
        with doing(f"searching {path}"):
            return self._g.grep(pattern, path, extended=True) if self.size(path) is not None else []

    def write(self, path: str, text: str) -> None:
        """Write a text file; an existing one keeps its owner, mode and labels."""
        with doing(f"writing {path}"):
            self._g.write(path, text.encode("utf-8", "surrogateescape"))

    def chmod(self, path: str, mode: int) -> None:
        """Set a file's permission bits."""
        with doing(f"setting the mode of {path}"):
            self._g.chmod(mode, path)

    def copy(self, path: str, to: str) -> None:
        """Copy a file with all its attributes."""
        with doing(f"copying {path}"):
            self._g.cp_a(path, to)

    def link(self, path: str) -> str | None:
        """The target of a symbolic link, None when there is none."""
        with doing(f"looking at {path}"):
            return str(self._g.readlink(path)) if self._g.is_symlink(path) else None

    def make_link(self, path: str, target: str) -> None:
        """Make a symbolic link, in the place of one that is there."""
        with doing(f"making the link {path}"):
            self._g.ln_sf(target, path)

    def rename(self, path: str, to: str) -> None:
        """Rename a file."""
        with doing(f"renaming {path}"):
            self._g.mv(path, to)

    def kind(self, path: str) -> Kind:
        """What a path is, without following a link in its last name."""
        with doing(f"looking at {path}"):
            if not self._g.exists(path) and not self._g.is_symlink(path):
                return ""
            for kind, is_kind in (
                ("symlink", self._g.is_symlink),
                ("file", self._g.is_file),
                ("directory", self._g.is_dir),
            ):
                if is_kind(path):
                    return cast(Kind, kind)
        return "other"

    def start_of(self, path: str, count: int) -> bytes:
        """The first bytes of a file."""
        with doing(f"reading {path}"):
            return bytes(self._g.pread(path, count, 0))

    def download(self, path: str, to: Path, most: int) -> None:
        """Copy a file out of the guest. Raises `FileTooBig` for more than `most` bytes."""
        size = self.size(path) or 0
        if size > most:
            raise FileTooBig(path, size, most)
        with doing(f"reading {path}"):
            self._g.download(path, str(to))

    def upload(self, content: Path, path: str) -> None:
        """Write a file into the guest; an existing one keeps its attributes."""
        with doing(f"writing {path}"):
            self._g.upload(str(content), path)

    def make_directory(self, path: str) -> None:
        """Make a directory whose parent is there."""
        with doing(f"making {path}"):
            self._g.mkdir(path)

    def attribute(self, path: str, name: str) -> bytes:
        """An extended attribute, of a link itself where the path is one."""
        with doing(f"reading {name} of {path}"):
            return bytes(self._g.lgetxattr(path, name))

    def set_attribute(self, path: str, name: str, value: bytes) -> None:
        """Set an extended attribute, by the appliance's setfattr: libguestfs's own call ends the value at a null.

        No part of the path may be a link: the appliance would follow it outside the guest.
        """
        self.tool(["setfattr", "-h", "-n", name, "-v", f"0x{value.hex()}", f"/sysroot{path}"])

    # The guest's own programs

    def run(self, argv: Sequence[str]) -> str:
        """Run a program of the guest in the guest; what it printed. libguestfs ends it at 4 MB of output."""
        with doing(f"running {' '.join(argv)} in the guest"):
            return str(self._g.command(list(argv)))

    def cover(self, directory: str) -> None:
        """Mount memory over a directory of the guest, so that a program's scratch files dirty no block."""
        with doing(f"mounting memory over {directory}"):
            self._g.debug("sh", ["mount", "-t", "tmpfs", "tmpfs", f"/sysroot{directory}"])

    def uncover(self, directory: str) -> None:
        """Undo `cover`."""
        with doing(f"unmounting memory from {directory}"):
            self._g.debug("sh", ["umount", f"/sysroot{directory}"])


def _memory_mib() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2


def _last_words(said: str) -> str:
    return " / ".join(line.strip() for line in said.splitlines() if line.strip())[-_SAID_MOST:]
