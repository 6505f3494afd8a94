"""The guest's file tree, made by debootstrap as root; nothing of the host but the kernel takes part."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from runner.lab.guest import recipe
from runner.lab.guest.recipe import GuestFile
from runner.process import run
from schemas.errors import Refused

_DOWNLOAD_SECONDS = 900.0
_CONFIGURE_SECONDS = 900.0
# apt's two formats (sources.list(5)): stanzas of fields, and one line an archive.
_FIELD = re.compile(r"^(URIs|Suites):[ \t]*(.+)$", re.MULTILINE)
_LINE = re.compile(rf"^deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+{recipe.SUITE}\s", re.MULTILINE)
# A tree is no disk, so grub-probe cannot answer; these are its answers on the guest's own disk.
_GRUB_PROBE = f"""\
#!/bin/sh
case "$*" in
*target=device*) echo /dev/sda1 ;;
*target=fs_uuid*) echo {recipe.ROOT_UUID} ;;
*target=partuuid*) echo {recipe.ROOT_SIGNATURE:08x}-01 ;;
*target=abstraction*) ;;
*target=partmap*) echo msdos ;;
*target=fs*) echo ext2 ;;
*target=compatibility_hint*) echo hd0,msdos1 ;;
*target=hints_string*) echo --hint-bios=hd0,msdos1 --hint-efi=hd0,msdos1 --hint-baremetal=ahci0,msdos1 ;;
*) exit 1 ;;
esac
"""
_GRUB_MODULES = ("biosdisk", "part_msdos", "ext2")


class NotRoot(Refused):
    """The sample guest was asked for without root's rights."""

    def __init__(self, uid: int) -> None:
        super().__init__(
            f"Building the sample guest needs root (this is uid {uid}): debootstrap makes device nodes and a chroot.",
            "Run the command as root; everything else in the lab needs no root.",
        )
        self.uid = uid


class ToolMissing(Refused):
    """A program that builds the sample guest is not installed."""

    def __init__(self, program: str, package: str) -> None:
        super().__init__(
            f"Cannot find {program}, which builds the sample guest.", f"Install it: apt-get install {package}."
        )
        self.program = program
        self.package = package


def check_can_build() -> None:
    """Raise `NotRoot` or `ToolMissing` when this machine cannot build the guest."""
    if os.geteuid() != 0:
        raise NotRoot(os.geteuid())
    for program, package in (("debootstrap", "debootstrap"), ("mke2fs", "e2fsprogs"), ("unshare", "util-linux")):
        if shutil.which(program) is None:
            raise ToolMissing(program, package)


def apt_mirror(sources: Path = Path("/etc/apt")) -> list[str]:
    """The archive that this machine's apt takes the suite from, if it says so; else debootstrap knows one."""
    for file in sorted([*sources.glob("sources.list"), *sources.glob("sources.list.d/*")]):
        text = file.read_text(encoding="utf-8", errors="replace")
        stanzas = [dict(_FIELD.findall(stanza)) for stanza in text.split("\n\n")]
        wanted = [s["URIs"].split()[0] for s in stanzas if recipe.SUITE in s.get("Suites", "").split() and "URIs" in s]
        if wanted:
            return wanted[:1]
        line = _LINE.search(text)
        if line:
            return [line.group(1)]
    return []


def make_tree(tree: Path, *, log: Callable[[str], None]) -> None:
    """Install the guest into the empty directory `tree`."""
    install(tree, recipe.PACKAGES, recipe.files_before_packages(), log=log)
    write_files(tree, recipe.files_after_packages())
    log("Making the boot loader and the guest's settings")
    in_guest(tree, ["systemctl", "enable", "console-report.service"])
    in_guest(tree, ["chpasswd"], stdin=f"root:{recipe.ROOT_PASSWORD}\n")
    _make_boot_loader(tree)
    (tree / recipe.DATA_MOUNT.lstrip("/")).mkdir(parents=True)
    tidy(tree)


def install(
    tree: Path, packages: Sequence[str], before_packages: Sequence[GuestFile], *, log: Callable[[str], None]
) -> None:
    """Install Debian with `packages` into the empty directory `tree`, in which some files lie before dpkg unpacks."""
    log(f"Downloading {recipe.SUITE} packages")
    include = ",".join(packages)
    run(
        ["debootstrap", "--variant=minbase", "--foreign", f"--include={include}", recipe.SUITE, tree, *apt_mirror()],
        timeout=_DOWNLOAD_SECONDS,
    )
    write_files(tree, before_packages)
    log("Installing them")
    in_guest(tree, ["/debootstrap/debootstrap", "--second-stage"])


def write_files(tree: Path, files: Sequence[GuestFile]) -> None:
    """Write files into the tree; nothing in it is a symlink yet that could lead outside."""
    for file in files:
        path = tree / file.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text, encoding="utf-8")
        path.chmod(file.mode)


def _make_boot_loader(tree: Path) -> None:
    modules, grub = tree / "usr/lib/grub/i386-pc", tree / "boot/grub"
    shutil.copytree(modules, grub / "i386-pc", dirs_exist_ok=True)
    core = "/boot/grub/i386-pc/core.img"
    in_guest(tree, ["grub-mkimage", "-O", "i386-pc", "-o", core, "-p", "(hd0,msdos1)/boot/grub", *_GRUB_MODULES])
    probe = tree / "usr/sbin/grub-probe"
    kept = probe.rename(probe.with_name("grub-probe.kept"))
    probe.write_text(_GRUB_PROBE, encoding="utf-8")
    probe.chmod(0o755)
    in_guest(tree, ["grub-mkconfig", "-o", "/boot/grub/grub.cfg"])
    kept.rename(probe)


def in_guest(tree: Path, argv: Sequence[str], *, stdin: str = "") -> None:
    """Run a program of the guest in a chroot and namespaces. Raises `ProgramFailed`."""
    # The namespaces take every mount and process of the chroot with them when the command ends.
    run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "chroot", tree, *argv],
        timeout=_CONFIGURE_SECONDS,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        stdin=stdin.encode(),
    )


def tidy(tree: Path) -> None:
    """Remove what installing left: packages, their lists, logs, and the identity that each machine has for itself."""
    for directory in ("var/cache/apt/archives", "var/lib/apt/lists", "var/log", "tmp", "run"):
        for path in sorted((tree / directory).rglob("*"), reverse=True):
            if path.is_symlink() or not path.is_dir():
                path.unlink()
    (tree / "etc/machine-id").write_text("", encoding="utf-8")  # the first boot makes one
