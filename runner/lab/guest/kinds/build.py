"""The guests of other kinds: one tree of packages for all, a disk for each, kept in a cache, copied sparsely."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner.lab.guest import disk, recipe, tree
from runner.lab.guest.kinds import kind as kinds
from runner.lab.guest.kinds import storage
from runner.lab.guest.kinds.kind import Kind
from runner.process import run

_COPY_SECONDS = 600.0
# What dpkg keeps of a purged package is nothing; the kernel's package wants one tool or the other.
_INITRAMFS_TOOLS = ("initramfs-tools", "initramfs-tools-core")


@dataclass(frozen=True)
class KindGuest:
    """A guest of one disk and what is true about it."""

    disk: Path
    root_uuid: str
    kernel: str  # `uname -r`


def build(kind: Kind, directory: Path, *, cache: Path, log: Callable[[str], None]) -> KindGuest:
    """Put the raw disk of a guest of this kind into `directory`, from `cache` if it was built before.

    The first one takes two minutes, each further kind one (the appliance is emulated). Needs root and a Debian
    mirror; raises `tree.NotRoot`, `tree.ToolMissing`.
    """
    kept = cache / f"guest-{kind.name}-{_key(kind)}"
    if not (kept / "facts.json").is_file():
        _build_into(kept, kind, cache, log)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{kind.name}.raw"
    run(["cp", "--sparse=always", "--reflink=auto", kept / "root.raw", path], timeout=_COPY_SECONDS)
    return KindGuest(path, **json.loads((kept / "facts.json").read_text(encoding="utf-8")))


def _tree_key(more: tuple[str, ...]) -> str:
    packages, before = (*kinds.PACKAGES, *more), kinds.files_before_packages(more)
    content = repr((recipe.SUITE, packages, before, kinds.files_after_packages()))
    return hashlib.sha256(Path(tree.__file__).read_bytes() + content.encode()).hexdigest()[:16]


def _key(kind: Kind) -> str:
    digest = hashlib.sha256(f"{_tree_key(kind.packages)} {kind}".encode())
    for module in (__file__, kinds.__file__, storage.__file__, disk.__file__):
        digest.update(Path(module).read_bytes())
    return digest.hexdigest()[:16]


def _build_into(kept: Path, kind: Kind, cache: Path, log: Callable[[str], None]) -> None:
    tree.check_can_build()
    cache.mkdir(parents=True, exist_ok=True)
    packed = _common_tree(kind.packages, cache, log)
    scratch = Path(tempfile.mkdtemp(prefix="building-", dir=cache))
    try:
        root = scratch / "tree"
        root.mkdir()
        run(["tar", "-xf", packed, "-C", root], timeout=_COPY_SECONDS)
        kernel = _make_kind(root, kind, log)
        run(["tar", "--numeric-owner", "-cf", scratch / "tree.tar", "-C", root, "."], timeout=_COPY_SECONDS)
        path = scratch / "root.raw"
        root_uuid = storage.write_disk(path, kind, scratch / "tree.tar", log=log)
        if kind.firmware == "bios":
            grub = root / "boot/grub/i386-pc"
            images = (grub / "boot.img").read_bytes(), (grub / "core.img").read_bytes()
            disk.embed_grub(path, boot_image=images[0], core_image=images[1])
        shutil.rmtree(root)
        (scratch / "tree.tar").unlink()
        facts = {"root_uuid": root_uuid, "kernel": kernel}
        (scratch / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
        _publish(scratch, kept, kept / "facts.json")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _common_tree(more: tuple[str, ...], cache: Path, log: Callable[[str], None]) -> Path:
    """The tar file of the tree that all kinds with these packages `more` begin with."""
    kept = cache / f"guest-tree-{_tree_key(more)}.tar"
    if not kept.is_file():
        scratch = Path(tempfile.mkdtemp(prefix="building-", dir=cache))
        try:
            root = scratch / "tree"
            tree.install(root, (*kinds.PACKAGES, *more), kinds.files_before_packages(more), log=log)
            tree.write_files(root, kinds.files_after_packages())
            tree.in_guest(root, ["systemctl", "enable", "console-report.service"])
            tree.in_guest(root, ["chpasswd"], stdin=f"root:{recipe.ROOT_PASSWORD}\n")
            tree.tidy(root)
            run(["tar", "--numeric-owner", "-cf", scratch / "tree.tar", "-C", root, "."], timeout=_COPY_SECONDS)
            _publish(scratch / "tree.tar", kept, kept)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return kept


def _publish(made: Path, kept: Path, sign: Path) -> None:
    try:
        made.rename(kept)  # the cache never shows something half-built
    except OSError:
        if not sign.is_file():
            raise
        # Another process built the same meanwhile; its is as good.


def _make_kind(root: Path, kind: Kind, log: Callable[[str], None]) -> str:
    """Turn the common tree into that of one kind; the version of its kernel."""
    kernel = sorted(path.name for path in (root / "lib/modules").iterdir())[-1]
    log(f"Making the initramfs and the boot loader of the guest {kind.name}")
    tree.write_files(root, kinds.own_files(kind, kernel))
    image = f"/boot/initrd.img-{kernel}"
    if kind.tool == "dracut":
        (root / image.lstrip("/")).unlink()
        tree.in_guest(root, ["dpkg", "--purge", "--force-depends", *_INITRAMFS_TOOLS])
        # What a hostonly image has that was made on VMware: its controllers, the root's file system and volumes.
        drivers = " ".join((*kinds.VMWARE_DRIVERS, "xfs", "dm_mod"))
        tree.in_guest(
            root,
            ["dracut", "--force", "--gzip", "--no-hostonly", "--no-hostonly-cmdline", "--add", "lvm"]
            + ["--drivers", drivers, "--filesystems", "xfs", image, kernel],
        )
    else:
        tree.in_guest(root, ["rm", "-f", "/usr/bin/dracut", "/usr/bin/lsinitrd"])
        tree.in_guest(root, ["update-initramfs", "-u", "-k", kernel])
    _make_boot_loader(root, kind)
    return kernel


def _make_boot_loader(root: Path, kind: Kind) -> None:
    if kind.firmware == "uefi":
        loader = "/boot/efi/EFI/debian/grubx64.efi"
        (root / loader.lstrip("/")).parent.mkdir(parents=True)
        target = "x86_64-efi"
    else:
        target = "i386-pc"
        loader = "/boot/grub/i386-pc/core.img"
        shutil.copytree(root / "usr/lib/grub/i386-pc", root / "boot/grub/i386-pc", dirs_exist_ok=True)
    tree.in_guest(root, ["grub-mkimage", "-O", target, "-o", loader, "-p", kind.grub_prefix, *kind.grub_modules])
