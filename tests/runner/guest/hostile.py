"""Guests that nobody vouches for: what an attacker leaves on a disk, one trap a disk. Needs root for device nodes."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

from tests.runner.guest import small_guest

SIZE = 512 * 1024**2  # room for an initramfs, so that it is the trap that refuses
BIG = 10 * 1024**3
CROWD = 12_000
POLICY = "etc/initramfs-tools/conf.d/zz-hotadd"  # a file that conversion itself makes
DEP = "etc/initramfs-tools/initramfs.conf"
MODULES = f"lib/modules/{small_guest.KERNEL}"
Trap = Callable[[Path], None]


def traps(sentinel: Path) -> dict[str, Trap]:
    """The traps by name; links lead to a directory of the host, which has the file that they name."""

    def odd(tree: Path) -> None:
        remake(tree / "etc/default/grub").symlink_to(f"../../../../../../../..{sentinel}/file")
        remake(tree / "etc/default/grub.hotadd").symlink_to(f"{sentinel}/file")
        remake(tree / POLICY).symlink_to(f"/proc/1/root{sentinel}/new")
        (tree / "boot/grub").rename(tree / "srv/grub")
        (tree / "boot/grub").symlink_to("/srv/grub")  # outside the guest, the appliance's /srv
        loops(tree)
        nodes(tree)
        names(tree)
        (tree / "etc/fstab.hotadd").hardlink_to(tree / "etc/fstab")

    def fstab_out(tree: Path) -> None:
        remake(tree / "etc/fstab").symlink_to(f"../../../../../../../..{sentinel}/file")

    return {
        "links out, loops, hard links, devices, FIFOs, odd names": odd,
        "an fstab that leads out of the guest": fstab_out,
        "an etc that is a file": etc_file,
        "a sparse fstab of 10 GB": lambda tree: sparse(tree / "etc/fstab"),
        "a sparse modules.dep of 10 GB": lambda tree: sparse(tree / f"{MODULES}/modules.dep"),
        "a FIFO to write to": lambda tree: os.mkfifo(policy(tree)),
        "a disk to write to": lambda tree: os.mknod(policy(tree), 0o60666, os.makedev(8, 0)),
        "a crowd of names": crowd,
    }


def build(path: Path, number: int, trap: Trap) -> None:
    """A raw disk: a small guest as VMware left it, with one trap. File systems have a UUID each."""
    files = {**small_guest.FILES, **small_guest.FROM_VMWARE}
    files["etc/fstab"] = f"UUID={uuid(number)} / ext4 defaults 0 1\n/dev/disk/by-path/x-part9 /old ext4 defaults 0 2\n"
    files["boot/grub/grub.cfg"] = files["boot/grub/grub.cfg"].replace("/dev/sda1", f"UUID={uuid(number)}")
    files["etc/network/interfaces"] = "auto eth0\niface eth0 inet dhcp\n"
    small_guest.write_disk(path, files, uuid=uuid(number), signature=0x5AD1E100 + number, size=SIZE, change=trap)


def uuid(number: int) -> str:
    """The UUID of a disk's root."""
    return f"0b9f6d1e-7c43-4a52-8f3e-1d2c3b4a6e{number:02x}"


def remake(path: Path) -> Path:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def policy(tree: Path) -> Path:
    """Where conversion writes a file of its own, on a guest with MODULES=dep."""
    (tree / DEP).write_text("MODULES=dep\n")
    return remake(tree / POLICY)


def sparse(path: Path) -> None:
    with remake(path).open("wb") as file:
        file.truncate(BIG)


def loops(tree: Path) -> None:
    for number in range(60):  # Linux follows 40 links
        (tree / f"etc/chain{number}").symlink_to(f"chain{number + 1}")
    remake(tree / "etc/initramfs-tools/modules").symlink_to("/etc/chain0")
    (tree / "etc/modprobe.d").symlink_to("/etc/modprobe.d")
    remake(tree / "etc/crypttab").symlink_to("crypttab")


def nodes(tree: Path) -> None:
    os.mkfifo(remake(tree / "etc/inittab"))
    os.mknod(remake(tree / "etc/kernel/cmdline"), 0o20666, os.makedev(1, 5))  # /dev/zero never ends
    os.mknod(remake(tree / "etc/initramfs-tools/conf.d/resume"), 0o60666, os.makedev(8, 0))


def crowd(tree: Path) -> None:
    directory = tree / "etc/initramfs-tools/conf.d"
    directory.mkdir(parents=True)
    for number in range(CROWD):
        (directory / f"{number}").touch()


def names(tree: Path) -> None:
    directory = tree / "etc/initramfs-tools/conf.d"
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("a\nb", "\x1b]0;owned\x07", "%s%n", "-rf", "$(touch x)", "\udcff", "x" * 255):
        (directory / name).write_text("RESUME=none\n")


def etc_file(tree: Path) -> None:
    (tree / "etc").rename(tree / "not-etc")
    (tree / "etc").write_text("no directory\n")


# Programs of the guest without a library: x86-64, one page. `jmp .` and write(1, this page, 4096) for ever.
SLEEPS = b"\xeb\xfe"
PRINTS = b"\xb8\x01\0\0\0\xbf\x01\0\0\0\xbe\0\0\x40\0\xba\0\x10\0\0\x0f\x05\xeb\xe8"


def executable(code: bytes) -> bytes:
    """An ELF file that runs on any x86-64 Linux."""
    base, start = 0x400000, 64 + 56
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, start + len(code), start + len(code), 4096)
    return header + segment + code


def program(code: bytes) -> Trap:
    """A guest whose lister of initramfs images is this program, and whose kernel makes the probe call it."""

    def change(tree: Path) -> None:
        lister = remake(tree / "usr/bin/lsinitramfs")
        lister.write_bytes(executable(code))
        lister.chmod(0o755)
        (tree / f"{MODULES}/modules.dep").write_text("kernel/drivers/net/ethernet/amazon/ena/ena.ko:\n")

    return change
