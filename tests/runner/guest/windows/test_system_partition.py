"""Which EFI system partition is Windows', and whether the loader that EC2's firmware starts is Windows' own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pytest

from runner.guest.facts import FileSystem
from runner.guest.windows.facts import SystemPartition
from runner.guest.windows.probe import system_partition

FREE = 50_000_000
OWN, GRUB = b"Windows Boot Manager", b"GRUB 2.06 for x86_64"
LOADER, FALLBACK = "/EFI/Microsoft/Boot/bootmgfw.efi", "/EFI/BOOT/BOOTX64.EFI"


class Partitions:
    """File systems in memory, as the appliance shows them: one is mounted at a time."""

    def __init__(self, contents: Mapping[str, Mapping[str, bytes]]) -> None:
        self.contents = contents
        self.mounted: Mapping[str, bytes] | None = None

    def can_mount(self, device: str) -> bool:
        assert self.mounted is None
        self.mounted = self.contents[device]
        return True

    def unmount_all(self) -> None:
        self.mounted = None

    def files(self) -> Mapping[str, bytes]:
        assert self.mounted is not None
        return self.mounted

    def entries(self, directory: str) -> dict[str, str]:
        start = directory.rstrip("/") + "/"
        below = [path[len(start) :].partition("/") for path in self.files() if path.startswith(start)]
        return {name: "directory" if rest else "file" for name, rest, _ in below}

    def space(self, path: str) -> tuple[int, int]:
        return FREE, 2 * FREE

    def size(self, path: str) -> int | None:
        return len(self.files()[path]) if path in self.files() else None

    def digest(self, path: str) -> str:
        return hashlib.sha256(self.files()[path]).hexdigest()


def found(*contents: Mapping[str, bytes]) -> SystemPartition | None:
    devices = {f"/dev/sda{number}": files for number, files in enumerate(contents, 1)}
    systems = tuple(FileSystem(device, "vfat", "", "", "", 0, int(device[-1])) for device in devices)
    partitions = Partitions(devices)
    told = system_partition(partitions, systems, 0)
    assert partitions.mounted is None
    return told


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        ([{FALLBACK: GRUB}, {LOADER: OWN}], SystemPartition("/dev/sda2", LOADER, len(OWN), False, FREE)),
        ([{LOADER: OWN, FALLBACK: OWN}], SystemPartition("/dev/sda1", LOADER, len(OWN), True, FREE)),
        ([{LOADER: OWN, FALLBACK: GRUB}], SystemPartition("/dev/sda1", LOADER, len(OWN), True, FREE, True)),
        ([{LOADER: OWN, FALLBACK: OWN + b"2"}], SystemPartition("/dev/sda1", LOADER, len(OWN), True, FREE, True)),
        ([{FALLBACK: GRUB}, {FALLBACK: OWN}], SystemPartition("/dev/sda1", "", 0, True, FREE)),
        ([{"/letter.txt": b""}], None),
    ],
)
def test_windows_own_loader_is_looked_for_on_every_partition(contents, expected):
    assert found(*contents) == expected
