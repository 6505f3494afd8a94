"""The one door to libguestfs: an appliance with all disks of a guest, and the few verbs probe and apply need.

Every path is the guest's, resolved inside the appliance: a symlink leads nowhere else.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import guestfs

from runner.acceleration import accelerator
from runner.guest.doing import doing
from runner.guest.refusals import DirectoryTooBig, FileTooBig, NoPlainFile
from runner.guest.time_limit import time_limit
from runner.guest.volumes import Volumes

TEXT_BYTES_MOST = 1024 * 1024  # no honest fstab, grub.cfg or interfaces file comes near
_MEMORY_MIB = (768, 2048)  # least and most; an initramfs with all modules unpacks to some 300 MiB of tmpfs
Kind = Literal["", "file", "directory", "symlink", "other"]
_KINDS: dict[str, Kind] = {"r": "file", "d": "directory", "l": "symlink"}  # as guestfs_readdir has them
# libguestfs's Python binding tells no errno, only its words.
_NOTHING_THERE = tuple(os.strerror(e) for e in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG))
SEARCHED_BYTES_MOST = 64 * 1024 * 1024  # modules.dep of a full kernel has 1 MB
NAMES_MOST = 10_000  # names in a directory; a /boot or conf.d has dozens
_PROGRAM_SECONDS = 1800.0  # an initramfs with all modules takes minutes on an emulated CPU


class Appliance(Volumes):
    """libguestfs's small virtual machine with the overlays as its disks, in the guest's order.

    One that `opens_luks` takes more of the machine's memory: Argon2 wants up to 1 GiB (cryptsetup(8), --pbkdf-memory).
    """

    def __init__(self, overlays: Sequence[Path], *, opens_luks: bool = False) -> None:
        self._mappings = []
        g: Any = guestfs.GuestFS(python_return_dict=True)
        self._g = g
        g.set_backend("direct")
        if accelerator() == "tcg":
            g.set_backend_setting("force_tcg", "1")
            g.set_smp(1)  # measured: two emulated CPUs take a quarter more time of the real ones for the same work
        else:
            g.set_smp(min(os.cpu_count() or 1, 4))
        g.set_network(False)
        # Binaries of EL6 need vsyscall, and Debian's kernel has none by default. libguestfs starts software RAID when
        # it starts: start_ro keeps an unclean array from being resynced until it was looked at.
        g.set_append("vsyscall=emulate md_mod.start_ro=1")
        share = _memory_mib() * 3 // 4 if opens_luks else _memory_mib() // 2
        g.set_memsize(min(max(share, _MEMORY_MIB[0]), _MEMORY_MIB[1]))
        for overlay in overlays:
            # unsafe: nobody needs the overlay of an appliance that died; it is made again.
            g.add_drive_opts(str(overlay), format="qcow2", cachemode="unsafe")

    def __enter__(self) -> Self:
        with doing("starting the appliance"):
            self._g.launch()
            self._qemu = int(self._g.get_pid())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                with doing("closing the appliance"):
                    self._g.umount_all()
                    self._stop_arrays()
                    self._g.shutdown()
        finally:
            self._g.close()

    def _stop_arrays(self) -> None:
        """Mark software RAID clean: its kernel does so 200 ms after the last write, and shutdown() does not wait."""
        arrays = self._g.list_md_devices()
        if arrays:
            self.tool(["dmsetup", "remove_all"])  # LVM's volumes and LUKS', one in the other: from the top down
        for array in arrays:
            self._g.md_stop(array)

    # Files

    def exists(self, path: str) -> bool:
        """Whether a path leads to something; a dangling link does not, though libguestfs's own call says so."""
        with doing(f"looking for {path}"):
            try:
                self._g.statns(path)
            except RuntimeError as error:
                if not str(error).endswith(_NOTHING_THERE):
                    raise
                return False
        return True

    def names(self, directory: str) -> list[str]:
        """The names in a directory, sorted; none when there is no such directory. Raises `DirectoryTooBig`.

        Names that are no UTF-8 are left out: no system's configuration has one, and libguestfs's calls take none.
        """
        with doing(f"listing {directory}"):
            is_directory = self.exists(directory) and self._g.is_dir(directory, followsymlinks=True)
            found = sorted(self._listed(directory)) if is_directory else []
        if len(found) > NAMES_MOST:
            raise DirectoryTooBig(directory, len(found), NAMES_MOST)
        return found

    def _listed(self, directory: str) -> list[str]:
        with tempfile.NamedTemporaryFile() as file:
            self._g.ls0(directory, file.name)
            names = file.read().split(b"\0")
        return [name.decode() for name in names if name and name == name.decode("utf-8", "ignore").encode()]

    def size(self, path: str) -> int | None:
        """The size of a regular file in bytes; None when there is none (a FIFO, a device or a loop is none)."""
        with doing(f"looking at {path}"):
            is_file = self.exists(path) and self._g.is_file(path, followsymlinks=True)
            return int(self._g.filesize(path)) if is_file else None

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
        """The lines of a file that match an extended regular expression; none when there is no such file.

        Raises `FileTooBig`.
        """
        size = self.size(path)
        if size is None:
            return []
        if size > SEARCHED_BYTES_MOST:
            raise FileTooBig(path, size, SEARCHED_BYTES_MOST)
        with doing(f"searching {path}"):
            return [str(line) for line in self._g.grep(pattern, path, extended=True)]

    def write(self, path: str, text: str) -> None:
        """Write a text file; an existing one keeps its owner, mode and labels. Raises `NoPlainFile`.

        A link that leads to no file (a mask, say, to /dev/null) gives its place to the file. To open a FIFO would wait
        for ever, and a device may be a disk of the appliance.
        """
        if self.size(path) is None:
            with doing(f"making room for {path}"):
                if self._g.is_symlink(path):
                    self._g.rm(path)
                elif self._g.exists(path):
                    raise NoPlainFile(path)
                self._g.mkdir_p(path.rpartition("/")[0] or "/")
        with doing(f"writing {path}"):
            self._g.write(path, text.encode("utf-8", "surrogateescape"))

    def chmod(self, path: str, mode: int) -> None:
        """Set a file's permission bits."""
        with doing(f"setting the mode of {path}"):
            self._g.chmod(mode, path)

    def copy(self, path: str, to: str) -> None:
        """Copy a file with all its attributes; of a symbolic link what it leads to."""
        with doing(f"copying {path}"):
            self._g.cp_a(self._g.realpath(path), self._in_place(to))

    def link(self, path: str) -> str | None:
        """The target of a symbolic link, None when there is none."""
        with doing(f"looking at {path}"):
            return str(self._g.readlink(path)) if self._g.is_symlink(path) else None

    def make_link(self, path: str, target: str) -> None:
        """Make a symbolic link, in the place of one that is there, and the directory for it."""
        with doing(f"making the link {path}"):
            self._g.mkdir_p(path.rpartition("/")[0] or "/")
            self._g.ln_sf(target, self._in_place(path))

    def rename(self, path: str, to: str) -> None:
        """Rename a file."""
        with doing(f"renaming {path}"):
            self._g.mv(self._in_place(path), self._in_place(to))

    def _in_place(self, path: str) -> str:
        """The path with no link in its directories: libguestfs's cp, mv and ln follow those outside the guest."""
        directory, _, name = path.rpartition("/")
        return f"{self._g.realpath(directory or '/').rstrip('/')}/{name}"

    def entries(self, directory: str) -> dict[str, Kind]:
        """What is in a directory that is there, each name with what it is itself: one call, whatever their number."""
        with doing(f"listing {directory}"):
            found = {str(each["name"]): _KINDS.get(each["ftyp"], "other") for each in self._g.readdir(directory)}
        if len(found) > NAMES_MOST:
            raise DirectoryTooBig(directory, len(found), NAMES_MOST)
        return found

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

    def digest(self, path: str) -> str:
        """The SHA-256 of a file, in hexadecimal."""
        with doing(f"reading {path}"):
            return str(self._g.checksum("sha256", path))

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

    def run(self, argv: Sequence[str], *, seconds: float = _PROGRAM_SECONDS) -> str:
        """Run a program of the guest in the guest; what it printed, 4 MB at most. Raises `GuestProgramEndless`."""
        with time_limit(self._qemu, argv[0], seconds), doing(f"running {' '.join(argv)} in the guest"):
            return str(self._g.command(list(argv)))

    def cover(self, directory: str) -> None:
        """Mount memory over a directory of the guest, so that a program's scratch files dirty no block."""
        with doing(f"mounting memory over {directory}"):
            self._g.debug("sh", ["mount", "-t", "tmpfs", "tmpfs", self._beneath(directory)])

    def uncover(self, directory: str) -> None:
        """Undo `cover`."""
        with doing(f"unmounting memory from {directory}"):
            self._g.debug("sh", ["umount", self._beneath(directory)])

    def _beneath(self, path: str) -> str:
        """Where the appliance's own programs find a path of the guest, whose links they would follow elsewhere."""
        return f"/sysroot{self._g.realpath(path)}"


def _memory_mib() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2
