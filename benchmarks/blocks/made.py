"""The disks that are copied, made from a seed."""

from __future__ import annotations

import os
import random
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
BLOCK = 512 * 1024
HUGE = 16 << 40  # bytes of the sparse disk

_DISK_URL = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
_OVF = """<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
<References><File ovf:href="disk.vmdk" ovf:id="f" ovf:size="{size}"/></References>
<DiskSection><Info/><Disk ovf:capacity="{capacity}" ovf:diskId="d" ovf:fileRef="f" ovf:format="{url}"/></DiskSection>
<VirtualSystem ovf:id="vm"><Info/><Name>vm</Name></VirtualSystem></Envelope>"""


@dataclass(frozen=True)
class Disks:
    """Where the disks of one run lie; each is made when it is first asked for."""

    folder: Path
    gib: float
    seed: int

    def raw(self) -> Path:
        """Pieces of 1 MiB: half random data, a quarter zeroes, a quarter never written."""
        return self._made("raw", lambda path: self._mixed(path, random.Random.randbytes))

    def text(self) -> Path:
        """The same layout; its data can be compressed, as a file system's can."""
        chosen = random.Random(self.seed)
        words = [chosen.randbytes(8) for _ in range(4096)]

        def piece(chance: random.Random, size: int) -> bytes:
            return b"".join(chance.choices(words, k=size // 8))

        return self._made("text", lambda path: self._mixed(path, piece))

    def changed(self) -> Path:
        """The raw disk with one byte changed in 1 % of its blocks."""

        def make(path: Path) -> None:
            subprocess.run(["cp", "--sparse=always", self.raw(), path], check=True)
            with open(path, "r+b") as file:
                for block in self.changed_blocks():
                    file.seek(block * BLOCK + 99)
                    byte = file.read(1)
                    file.seek(-1, os.SEEK_CUR)
                    file.write(bytes([byte[0] ^ 0xFF]))

        return self._made("changed", make)

    def changed_blocks(self) -> list[int]:
        """Which blocks `changed` changes."""
        blocks = int(self.gib * 1024) * MIB // BLOCK
        return sorted(random.Random(self.seed).sample(range(blocks), blocks // 100))

    def sparse(self) -> Path:
        """16 TiB with data in 1 MiB pieces at random places, a GiB in all."""

        def make(path: Path) -> None:
            chance = random.Random(self.seed)
            with open(path, "wb") as file:
                file.truncate(HUGE)
                for place in sorted(chance.sample(range(HUGE // MIB), 1024)):
                    file.seek(place * MIB)
                    file.write(chance.randbytes(MIB))

        return self._made("sparse", make)

    def vmdk(self, subformat: str) -> Path:
        """The compressible disk as a VMDK."""

        def make(path: Path) -> None:
            convert = ["qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", f"subformat={subformat}"]
            subprocess.run([*convert, self.text(), path], check=True)

        return self._made(f"{subformat}.vmdk", make)

    def ova(self) -> Path:
        """A package of the compressible disk."""

        def make(path: Path) -> None:
            disk = self.vmdk("streamOptimized")
            said = path.with_suffix(".ovf")
            capacity = self.text().stat().st_size
            said.write_text(_OVF.format(size=disk.stat().st_size, capacity=capacity, url=_DISK_URL))
            with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
                tar.add(said, "vm.ovf")
                tar.add(disk, "disk.vmdk")

        return self._made("machine.ova", make)

    def _made(self, name: str, make) -> Path:  # noqa: ANN001
        path = self.folder / name
        if not path.exists():
            make(path)
        return path

    def _mixed(self, path: Path, piece) -> None:  # noqa: ANN001
        chance = random.Random(self.seed)
        count = int(self.gib * 1024)
        kinds = ["data"] * (count // 2) + ["zero"] * (count // 4)
        kinds += ["hole"] * (count - len(kinds))
        chance.shuffle(kinds)
        with open(path, "wb") as file:
            file.truncate(count * MIB)
            for number, kind in enumerate(kinds):
                if kind != "hole":
                    file.seek(number * MIB)
                    file.write(piece(chance, MIB) if kind == "data" else bytes(MIB))


def data_pieces(path: Path) -> list[tuple[int, int]]:
    """(from, to) in bytes of what the file system holds as data."""
    found, at = [], 0
    fd = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(fd).st_size
        while at < size:
            try:
                start = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(fd, start, os.SEEK_HOLE)
            found.append((start, at))
    finally:
        os.close(fd)
    return found
