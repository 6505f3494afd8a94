"""Disks with a Windows on them, made for tests: the file tree of a system volume, hives of a release, an ESP.

All of them are made in one appliance. No file of Microsoft's is here. The layouts of the volume's own records are those
of the NTFS documentation that ntfs-3g's layout.h quotes ($VOLUME_INFORMATION, $LogFile's restart area).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import guestfs

from tests.runner.guest.windows import made_hives, made_logs
from tests.runner.guest.windows.made_hives import Made

MIB = 1024 * 1024
SECTORS = MIB // 512
_ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00C04FC93EC9"
_DATA_TYPE = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
SYSTEM, SOFTWARE = "/Windows/System32/config/SYSTEM", "/Windows/System32/config/SOFTWARE"
LOADER = b"MZ boot loader of Windows" * 4000
# Beside what conversion looks at, some of what it must leave alone; /windows has no file that another name fits.
TREE: Mapping[str, bytes] = {
    "/bootmgr": b"boot manager" * 1000,
    "/Windows/System32/ntoskrnl.exe": b"kernel" * 10000,
    "/Windows/System32/drivers/disk.sys": b"disk",
    "/Windows/System32/drivers/AWSNVMe.sys.old": b"not ours",
    "/Windows/INF/disk.inf": b"[Version]\r\n",
    "/Users/Public/desktop.ini": b"[.ShellClassInfo]\r\n",
    "/Program Files/Common Files/letter.txt": "Grüße".encode(),
}
Damage = Callable[[Any, str], None]


@dataclass(frozen=True)
class Disk:
    """One disk. `spelled` maps names to the ones they have here; `damage` is done to the finished, unmounted volume."""

    made: Made
    firmware: str = "bios"
    spelled: Mapping[str, str] = field(default_factory=dict)
    esp: Mapping[str, bytes] = field(default_factory=lambda: {"/EFI/Microsoft/Boot/bootmgfw.efi": LOADER})
    files: Mapping[str, bytes] = field(default_factory=dict)
    damage: Damage | None = None

    def path(self, path: str) -> str:
        """A path as it is spelled on this disk."""
        return "/".join(self.spelled.get(part, part) for part in path.split("/"))


def build(directory: Path, disks: Mapping[str, Disk]) -> tuple[dict[str, Path], dict[str, dict[str, str]]]:
    """The disks as sparse raw files, made in one appliance; with the file tree of each volume that is sound."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = {name: directory / f"{name}.img" for name in disks}
    g = guestfs.GuestFS(python_return_dict=True)
    for name, path in paths.items():
        with path.open("wb") as file:
            file.truncate((456 if disks[name].firmware == "uefi" else 408) * MIB)
        g.add_drive_opts(str(path), format="raw", cachemode="unsafe")
    g.set_backend("direct")
    g.set_backend_setting("force_tcg", "1")
    g.set_network(False)
    g.launch()
    trees = {}
    for device, (name, disk) in zip(g.list_devices(), disks.items(), strict=True):
        volume = _fill(g, device, disk)
        trees[name] = {} if disk.damage is not None else tree(g, volume)
    g.shutdown()
    g.close()
    return paths, trees


def hives(made: Made) -> dict[str, bytes]:
    """Both hives of a release, by their paths."""
    with TemporaryDirectory() as scratch:
        system = made_hives.system(Path(scratch, "SYSTEM"), made).read_bytes()
        software = made_hives.software(Path(scratch, "SOFTWARE"), made).read_bytes()
    return {SYSTEM: system, SOFTWARE: software}


def dirty_hive(made: Made) -> dict[str, bytes]:
    """A SYSTEM hive whose last write was not finished, and the log that holds it: fDenyTSConnections is 7 in it."""
    whole = hives(made)[SYSTEM]
    before = made_hives.renumbered(whole, 6, 5)
    with TemporaryDirectory() as scratch:
        tree = made_hives.system_tree(made)
        tree[f"{made.set_name}\\Control\\CrashControl"] = {"AutoReboot": 0, "CrashDumpEnabled": 7}
        after = made_hives.make(Path(scratch, "SYSTEM"), tree).read_bytes()
    assert len(after) == len(before) and after != whole
    bins = made_logs.bins_of(after)
    pages = made_logs.changed(whole, after)
    log = made_logs.new_log(before, 5, [made_logs.entry(5, bins, pages)])
    return {SYSTEM: before, SYSTEM + ".LOG1": log}


def _fill(g: Any, device: str, disk: Disk) -> str:
    volume = f"{device}1"
    if disk.firmware == "uefi":
        volume = f"{device}2"
        g.part_init(device, "gpt")
        g.part_add(device, "p", 2048, 48 * SECTORS - 1)
        g.part_add(device, "p", 48 * SECTORS, -2048)
        g.part_set_gpt_type(device, 1, _ESP_TYPE)
        g.part_set_gpt_type(device, 2, _DATA_TYPE)
        g.mkfs("vfat", f"{device}1")
        _write(g, f"{device}1", disk.esp)
    else:
        g.part_disk(device, "mbr")
        g.part_set_mbr_id(device, 1, 7)
    g.mkfs("ntfs", volume)
    files = {**TREE, **hives(disk.made), **disk.files}
    _write(g, volume, {disk.path(path): content for path, content in files.items()})
    if disk.damage is not None:
        disk.damage(g, volume)
    return volume


def _write(g: Any, device: str, files: Mapping[str, bytes]) -> None:
    g.mount_options("", device, "/")
    for path, content in files.items():
        g.mkdir_p(path.rpartition("/")[0] or "/")
        g.write(path, content)
    g.umount_all()


# What may be the matter with a volume


def flag_for_chkdsk(g: Any, device: str) -> None:
    """Set VOLUME_IS_DIRTY in $Volume (record 3) and in its mirror."""
    table, mirror, record, _ = _geometry(g, device)
    for base in (table, mirror):
        data = bytearray(g.pread_device(device, record, base + 3 * record))
        at = _attribute(data, 0x70)
        (offset,) = struct.unpack_from("<H", data, at + 0x14)
        data[at + offset + 10] |= 1
        g.pwrite_device(device, bytes(data), base + 3 * record)


def leave_log_open(g: Any, device: str) -> None:
    """Give $LogFile (record 2) a restart page with a client in use, as a mounted volume has."""
    table, _, record, cluster = _geometry(g, device)
    data = g.pread_device(device, record, table + 2 * record)
    at = _attribute(data, 0x80)
    (size,) = struct.unpack_from("<Q", data, at + 0x30)
    runs = at + struct.unpack_from("<H", data, at + 0x20)[0]
    lengths, offsets = data[runs] & 15, data[runs] >> 4
    first = int.from_bytes(data[runs + 1 + lengths : runs + 1 + lengths + offsets], "little") * cluster
    page = bytearray(4096)
    struct.pack_into("<4sHHQIIHhh", page, 0, b"RSTR", 0x1E, 9, 0, 4096, 4096, 0x30, 1, 1)
    bits = 67 - size.bit_length()
    struct.pack_into("<QHHHHIHHQIHHII", page, 0x30, 0, 1, 0xFFFF, 0, 0, bits, 224, 64, size, 0, 0x30, 0x40, 0, 0)
    struct.pack_into("<QQHHH6sI", page, 0x70, 0, 0, 0xFFFF, 0xFFFF, 0, b"", 8)
    page[0x90:0x98] = "NTFS".encode("utf-16-le")
    page[0x1E:0x20] = b"\x01\x00"
    for sector in range(8):  # the update sequence: the last two bytes of each sector stand in its array
        end = 512 * sector + 510
        page[0x20 + 2 * sector : 0x22 + 2 * sector] = page[end : end + 2]
        page[end : end + 2] = b"\x01\x00"
    for copy in (0, 4096):
        g.pwrite_device(device, bytes(page), first + copy)


def encrypt(g: Any, device: str) -> None:
    """The boot sector and the metadata header of a BitLocker volume (libbde's documentation), and nothing of NTFS."""
    g.zero_device(device)
    boot = bytearray(512)
    boot[:11] = b"\xeb\x58\x90-FVE-FS-"
    boot[160:176] = bytes.fromhex("3bd67749292ed84a8399f6a339e3d001")
    struct.pack_into("<QQQ", boot, 176, MIB, 2 * MIB, 3 * MIB)
    boot[510:] = b"\x55\xaa"
    g.pwrite_device(device, bytes(boot), 0)
    header = bytearray(64)
    struct.pack_into("<8sHH", header, 0, b"-FVE-FS-", 64, 2)
    for at in (MIB, 2 * MIB, 3 * MIB):
        g.pwrite_device(device, bytes(header), at)


def make_dynamic(g: Any, device: str) -> None:
    """Give the partition the type of a dynamic disk."""
    g.part_set_mbr_id(device.rstrip("0123456789"), 1, 0x42)


def turn_into_link(path: str, target: str) -> Damage:
    """A directory replaced by a link, as ntfs-3g shows a junction."""

    def damage(g: Any, device: str) -> None:
        g.mount_options("", device, "/")
        g.rm_rf(path)
        g.ln_s(target, path)
        g.umount_all()

    return damage


def add(files: Mapping[str, bytes]) -> Damage:
    """Further files, after all else."""
    return lambda g, device: _write(g, device, files)


def _geometry(g: Any, device: str) -> tuple[int, int, int, int]:
    """Bytes: where the file table and its mirror are, a record, a cluster."""
    boot = g.pread_device(device, 512, 0)
    sector, sectors = struct.unpack_from("<HB", boot, 0x0B)
    table, mirror = struct.unpack_from("<QQ", boot, 0x30)
    (records,) = struct.unpack_from("<b", boot, 0x40)
    cluster = sector * sectors
    return table * cluster, mirror * cluster, cluster * records if records > 0 else 1 << -records, cluster


def _attribute(record: Sequence[int] | bytes | bytearray, kind: int) -> int:
    data = bytes(record)
    (at,) = struct.unpack_from("<H", data, 0x14)
    while True:
        found, size = struct.unpack_from("<II", data, at)
        if found == kind:
            return int(at)
        assert found != 0xFFFFFFFF, hex(kind)
        at += size


def tree(g: Any, device: str) -> dict[str, str]:
    """Every path of a file system, with the SHA-256 of the files."""
    g.mount_options("ro", device, "/")
    with TemporaryDirectory() as scratch:
        told = Path(scratch, "sums")
        g.checksums_out("sha256", "/", str(told))
        sums = dict(reversed(line.split("  .", 1)) for line in told.read_text("utf-8").splitlines())
    found = {f"/{path}": sums.get(f"/{path}", "") for path in g.find("/")}
    g.umount_all()
    return found
