"""What an initramfs lacks to unlock a volume: told from listings as lsinitramfs and lsinitrd print them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from runner.guest.luks_in_initramfs import lacking

KERNEL = "6.1.0-50-amd64"
MODULE = f"usr/lib/modules/{KERNEL}/kernel/drivers/md/dm-crypt.ko"
# lsinitramfs of Debian 12 prints paths; those of cryptsetup 2:2.6.1's hook and, in the last, of 2:1.7.3's.
DEBIAN = ("cryptroot", "cryptroot/crypttab", MODULE, "usr/sbin/cryptsetup", "usr/sbin/dmsetup")
OLD = ("conf/conf.d/cryptroot", MODULE, "sbin/cryptsetup")
LINE = "sda2_crypt UUID=3c1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e09 none luks,discard\n"
OLD_LINE = "target=sda2_crypt,source=UUID=3c1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e09,key=none,rootdev,discard\n"
# lsinitrd prints as ls -l does.
DRACUT = tuple(
    f"-rwxr-xr-x   1 root     root        10000 Nov 12 10:00 {path}"
    for path in (f"{MODULE}.xz", "usr/lib/systemd/systemd-cryptsetup", "usr/lib/systemd/systemd")
)


class Guest:
    """The guest that has the image: its lister, what that prints, the image's files, what its kernel has built in."""

    def __init__(self, lister: str, listing: Sequence[str], files: dict[str, str], builtin: str = "") -> None:
        self.lister, self.listing, self.files, self.builtin = lister, listing, files, builtin
        self.unpacked = False

    def exists(self, path: str) -> bool:
        return path == self.lister

    def run(self, argv: Sequence[str], *, seconds: float) -> str:
        assert argv[1] == "/boot/image" and seconds > 0
        self.unpacked = self.unpacked or argv[0] == "/usr/bin/unmkinitramfs"
        return "\n".join(self.listing) + "\n" if argv[0] == self.lister else ""

    def read(self, path: str) -> str | None:
        return self.files.get(path.removeprefix("/var/tmp/hotadd-unpacked/")) if self.unpacked else None

    def lines(self, path: str, pattern: str) -> list[str]:
        assert path == f"/lib/modules/{KERNEL}/modules.builtin"
        return [self.builtin] if self.builtin else []


def without(listing: Sequence[str], word: str) -> tuple[str, ...]:
    return tuple(line for line in listing if word not in line)


MADE = "/usr/bin/lsinitramfs"
ROOT = "line for the LUKS volume sda2_crypt"


@pytest.mark.parametrize(
    ("guest", "missing"),
    [
        (Guest(MADE, DEBIAN, {"cryptroot/crypttab": LINE}), set()),
        # In main/ where microcode comes before it: unmkinitramfs(8).
        (Guest(MADE, DEBIAN, {"main/cryptroot/crypttab": LINE}), set()),
        (Guest(MADE, OLD, {"conf/conf.d/cryptroot": OLD_LINE}), set()),
        (Guest(MADE, DEBIAN, {"cryptroot/crypttab": ""}), {ROOT}),
        (Guest(MADE, DEBIAN, {"cryptroot/crypttab": LINE.replace("sda2_crypt", "sda2_crypt_old")}), {ROOT}),
        (Guest(MADE, without(DEBIAN, "crypttab"), {"cryptroot/crypttab": LINE}), {ROOT}),
        (Guest(MADE, without(DEBIAN, "sbin/cryptsetup"), {"cryptroot/crypttab": LINE}), {"cryptsetup"}),
        (Guest(MADE, without(DEBIAN, MODULE), {"cryptroot/crypttab": LINE}), {"dm-crypt"}),
        (Guest(MADE, without(DEBIAN, MODULE), {"cryptroot/crypttab": LINE}, MODULE), set()),
        (Guest("/usr/bin/lsinitrd", DRACUT, {}), set()),
        (Guest("/usr/bin/lsinitrd", without(DRACUT, "cryptsetup"), {}), {"cryptsetup"}),
        (Guest("/usr/bin/lsinitrd", without(DRACUT, "dm-crypt"), {}), {"dm-crypt"}),
    ],
)
def test_what_is_missing_is_told(guest: Guest, missing: set[str]) -> None:
    assert lacking(guest, "/boot/image", KERNEL, ("sda2_crypt",)) == missing  # type: ignore[arg-type]  # its methods


def test_without_luks_nothing_is_looked_at() -> None:
    assert lacking(Guest("", (), {}), "/boot/image", KERNEL, ()) == set()  # type: ignore[arg-type]  # its methods
