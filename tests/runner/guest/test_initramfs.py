"""What an initramfs lacks: told from its members, or from listings as lsinitramfs and lsinitrd print them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from runner.guest.edits import Rebuild
from runner.guest.initramfs import lacking, look

KERNEL = "6.1.0-50-amd64"
MODULE = f"usr/lib/modules/{KERNEL}/kernel/drivers/md/dm-crypt.ko"
# lsinitramfs of Debian 12 prints paths; those of cryptsetup 2:2.6.1's hook and, in the last, of 2:1.7.3's.
DEBIAN = ("cryptroot/crypttab", MODULE, "usr/sbin/cryptsetup", "usr/sbin/dmsetup")
OLD = ("conf/conf.d/cryptroot", MODULE, "sbin/cryptsetup")
LINE = "sda2_crypt UUID=3c1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e09 none luks,discard\n"
OLD_LINE = "target=sda2_crypt,source=UUID=3c1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e09,key=none,rootdev,discard\n"
# lsinitrd prints as ls -l does.
DRACUT = tuple(
    f"-rwxr-xr-x   1 root     root        10000 Nov 12 10:00 {path}"
    for path in (f"{MODULE}.xz", "usr/lib/systemd/systemd-cryptsetup", "usr/lib/systemd/systemd")
)


class Guest:
    """The guest that has the image: the image itself, what its lister prints, and what its kernel has built in."""

    def __init__(self, image: bytes, listing: Sequence[str] | None, builtin: str = "") -> None:
        self.image, self.listing, self.builtin = image, listing, builtin

    def download(self, path: str, to: Path, most: int) -> None:
        assert path == "/boot/image" and len(self.image) < most
        to.write_bytes(self.image)

    def exists(self, path: str) -> bool:
        return self.listing is not None and path == LISTER

    def run(self, argv: Sequence[str], *, seconds: float) -> str:
        assert self.listing is not None and list(argv) == [LISTER, "/boot/image"] and seconds > 0
        return "\n".join(self.listing) + "\n"

    def lines(self, path: str, pattern: str) -> list[str]:
        assert path == f"/lib/modules/{KERNEL}/modules.builtin"
        return [self.builtin] if self.builtin else []


def packed(place: Path, members: Sequence[str], texts: dict[str, str]) -> bytes:
    """An image with these members, made by cpio."""
    for path in members:
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(texts.get(path, "x"))
    command = ["sh", "-c", "find . -type f -printf '%P\\n' | cpio --quiet -o -H newc"]
    return subprocess.run(command, cwd=place, check=True, capture_output=True, timeout=60).stdout


def without(listing: Sequence[str], word: str) -> tuple[str, ...]:
    return tuple(line for line in listing if word not in line)


LISTER = "/usr/bin/lsinitrd"
ROOT = "line for the LUKS volume sda2_crypt"
STEP = Rebuild(KERNEL, "/boot/initrd", ("make",), (), "because", unlocks=("sda2_crypt",))


@pytest.mark.process
@pytest.mark.parametrize(
    ("members", "texts", "builtin", "missing"),
    [
        (DEBIAN, {"cryptroot/crypttab": LINE}, "", set()),
        (OLD, {"conf/conf.d/cryptroot": OLD_LINE}, "", set()),
        (DEBIAN, {"cryptroot/crypttab": ""}, "", {ROOT}),
        (DEBIAN, {"cryptroot/crypttab": LINE.replace("sda2_crypt", "sda2_crypt_old")}, "", {ROOT}),
        (without(DEBIAN, "crypttab"), {}, "", {ROOT}),
        (without(DEBIAN, "sbin/cryptsetup"), {"cryptroot/crypttab": LINE}, "", {"cryptsetup"}),
        (without(DEBIAN, MODULE), {"cryptroot/crypttab": LINE}, "", {"dm-crypt"}),
        (without(DEBIAN, MODULE), {"cryptroot/crypttab": LINE}, MODULE, set()),
    ],
)
def test_what_an_image_of_initramfs_tools_lacks(
    members: Sequence[str], texts: dict[str, str], builtin: str, missing: set[str], tmp_path: Path
) -> None:
    guest = Guest(packed(tmp_path, members, texts), None, builtin)
    step = replace(STEP, tabled=True)
    assert lacking(guest, "/boot/image", step) == missing  # type: ignore[arg-type]  # its methods


@pytest.mark.parametrize(
    ("listing", "missing"),
    [(DRACUT, set()), (without(DRACUT, "cryptsetup"), {"cryptsetup"}), (without(DRACUT, "dm-crypt"), {"dm-crypt"})],
)
def test_what_the_lister_says_of_an_image_that_cannot_be_read(listing: Sequence[str], missing: set[str]) -> None:
    assert lacking(Guest(b"?", listing), "/boot/image", STEP) == missing  # type: ignore[arg-type]  # its methods


def test_without_luks_only_the_drivers_count() -> None:
    guest, step = Guest(b"?", DRACUT), replace(STEP, modules=("nvme", "dm_crypt"), unlocks=(), tabled=True)
    assert lacking(guest, "/boot/image", step) == {"nvme"}  # type: ignore[arg-type]  # its methods


def test_where_nothing_can_tell_nothing_is_held() -> None:
    held = look(Guest(b"?", None), "/boot/image")  # type: ignore[arg-type]  # its methods
    assert held.members == () and not held.unlocks() and not held.modules(KERNEL)
