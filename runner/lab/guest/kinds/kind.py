"""Other kinds of guests than the sample, one disk each: another boot loader, initramfs, root file system.

All are the same Debian 12, years on VMware: the disk by its controller's name, an initramfs that knows VMware's
controllers alone, no serial console, a static address that a udev rule binds to VMware's MAC.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from runner.lab.guest import recipe
from runner.lab.guest.recipe import GuestFile

# One tree with both tools serves all; each guest then keeps one of them.
PACKAGES = (*recipe.PACKAGES, "dracut-core", "grub-efi-amd64-bin", "lvm2", "xfsprogs", "btrfs-progs", "jfsutils")
MODULES_UNPACKED = ("fs/btrfs", "fs/jfs")
VMWARE_DRIVERS = ("vmw_pvscsi", "mptspi", "ahci", "ata_piix", "sd_mod", "crc32c_generic")
MIB = recipe.MIB

HOSTNAME = "app01"
REPORT = "lab guest:"


@dataclass(frozen=True)
class Kind:
    """One kind of guest. `root` is what it calls its root's device, as VMware's controllers made it.

    `grub` is where GRUB finds itself and its grub.cfg, with the modules that this takes; `boot` the path of /boot as
    GRUB sees it; `flags` the kernel parameters besides root=; `packages` those that this kind has and others have not.
    """

    name: str
    firmware: Literal["bios", "uefi"]
    tool: Literal["initramfs-tools", "dracut"]
    layout: Literal["jfs", "xfs on lvm", "btrfs subvolumes", "ext4 on lvm in luks"]
    root: str
    mounts: tuple[str, ...]
    grub_prefix: str
    grub_modules: tuple[str, ...]
    boot: str
    flags: str
    size: int = 2048 * MIB
    packages: tuple[str, ...] = ()


JFS = Kind(
    name="jfs",
    firmware="bios",
    tool="initramfs-tools",
    layout="jfs",
    root="/dev/sda1",
    mounts=("/dev/sda1 / jfs errors=remount-ro 0 1",),
    grub_prefix="(hd0,msdos1)/boot/grub",
    grub_modules=("biosdisk", "part_msdos", "jfs"),
    boot="/boot",
    flags="ro",
)

# As Red Hat's installer lays a machine out: /boot apart, the rest in a volume group.
XFS_ON_LVM = Kind(
    name="xfs-on-lvm",
    firmware="bios",
    tool="dracut",
    layout="xfs on lvm",
    root="/dev/mapper/vg00-root",
    mounts=("/dev/mapper/vg00-root / xfs defaults 0 0", "/dev/sda1 /boot xfs defaults 0 0"),
    grub_prefix="(hd0,msdos1)/grub",
    grub_modules=("biosdisk", "part_msdos", "xfs"),
    boot="",
    # The administrator does not wait three minutes for a lost disk, which is dracut's habit.
    flags="ro rd.lvm.lv=vg00/root rd.retry=20",
)

# As Ubuntu's installer does: the root in the subvolume @. Nothing lies at the path that firmware looks for by itself.
BTRFS_UEFI = Kind(
    name="btrfs-uefi",
    firmware="uefi",
    tool="initramfs-tools",
    layout="btrfs subvolumes",
    root="/dev/sda2",
    mounts=(
        "/dev/sda2 / btrfs defaults,subvol=@ 0 0",
        "/dev/sda2 /home btrfs defaults,subvol=@home 0 0",
        "/dev/sda1 /boot/efi vfat umask=0077 0 1",
    ),
    grub_prefix="/EFI/debian",
    grub_modules=(
        *("part_gpt", "fat", "btrfs", "normal", "configfile", "search", "search_fs_uuid", "linux", "echo", "test"),
        *("terminal", "serial", "gzio", "zstd", "ls", "cat"),
    ),
    boot="/@/boot",
    flags="ro rootflags=subvol=@",
)

# As Debian's installer lays out an encrypted machine: /boot apart, the rest in a volume group in LUKS.
LVM_IN_LUKS = Kind(
    name="lvm-in-luks",
    firmware="bios",
    tool="initramfs-tools",
    layout="ext4 on lvm in luks",
    root="/dev/mapper/vg00-root",
    mounts=("/dev/mapper/vg00-root / ext4 errors=remount-ro 0 1", "/dev/sda1 /boot ext4 defaults 0 2"),
    grub_prefix="(hd0,msdos1)/grub",
    grub_modules=("biosdisk", "part_msdos", "ext2"),
    boot="",
    flags="ro",
    packages=("cryptsetup-initramfs",),
)
# The same, its initramfs made by dracut, which is told nothing of LUKS on the kernel's command line.
LVM_IN_LUKS_DRACUT = replace(LVM_IN_LUKS, name="lvm-in-luks-dracut", tool="dracut", flags="ro rd.lvm.lv=vg00/root")
LUKS_NAME = "sda2_crypt"
LUKS_KEY = "open it at the console"

KINDS = (JFS, XFS_ON_LVM, BTRFS_UEFI, LVM_IN_LUKS, LVM_IN_LUKS_DRACUT)


def files_before_packages(packages: tuple[str, ...] = ()) -> tuple[GuestFile, ...]:
    """Files of the tree with these packages more that must lie there before dpkg unpacks."""
    excluded = recipe.not_unpacked(MODULES_UNPACKED)
    if packages:  # an initramfs that opens LUKS waits for udev, which takes the rules that this hook brings
        kept = [line for line in excluded.text.splitlines(keepends=True) if "hooks/dmsetup" not in line]
        excluded = GuestFile(excluded.path, "".join(kept))
    return (
        excluded,
        GuestFile("/etc/initramfs-tools/modules", "".join(f"{name}\n" for name in VMWARE_DRIVERS)),
        GuestFile("/etc/initramfs-tools/conf.d/driver-policy", "MODULES=list\nCOMPRESSLEVEL=1\n"),
        GuestFile("/etc/fstab", "# none yet\n"),
    )


def files_after_packages() -> tuple[GuestFile, ...]:
    """The configuration that all kinds share."""
    kept = [file for file in recipe.files_after_packages() if "/etc/host" not in file.path]
    return (
        *(file for file in kept if not file.path.endswith("console-report")),
        GuestFile("/etc/hostname", f"{HOSTNAME}\n"),
        GuestFile("/etc/hosts", f"127.0.0.1 localhost\n{recipe.ADDRESS} {HOSTNAME}\n"),
        GuestFile("/usr/local/sbin/console-report", _REPORT_SCRIPT, 0o755),
    )


def own_files(kind: Kind, kernel: str) -> tuple[GuestFile, ...]:
    """The files by which a kind differs from the others; `kernel` is the one it boots."""
    own = {"btrfs subvolumes": "btrfs", "ext4 on lvm in luks": "ext4"}.get(kind.layout, "jfs")
    drivers = (*VMWARE_DRIVERS, own)
    files = [
        GuestFile("/etc/fstab", "\n".join((*kind.mounts, "/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0", ""))),
        GuestFile("/etc/default/grub", _DEFAULT_GRUB.format(flags=kind.flags.removeprefix("ro").strip())),
        GuestFile("/boot/grub/grub.cfg", _GRUB_CFG.format(kind=kind, kernel=kernel)),
    ]
    if kind.layout == "ext4 on lvm in luks":
        files.append(GuestFile("/etc/crypttab", f"{LUKS_NAME} /dev/sda2 none luks,discard\n"))
    if kind.tool == "initramfs-tools":
        files.append(GuestFile("/etc/initramfs-tools/modules", "".join(f"{name}\n" for name in drivers)))
    return tuple(files)


def esp_configuration(kind: Kind, root_uuid: str) -> str:
    """What the grub.cfg on the EFI system partition says: where the real one is."""
    return (
        f"search.fs_uuid {root_uuid} root hd0,gpt2\nset prefix=($root)'{kind.boot}/grub'\nconfigfile $prefix/grub.cfg\n"
    )


_DEFAULT_GRUB = """\
GRUB_DEFAULT=0
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="{flags}"
GRUB_DISABLE_LINUX_UUID=true
GRUB_TERMINAL=console
"""

_GRUB_CFG = """\
set default="0"
set timeout=1

### BEGIN /etc/grub.d/10_linux ###
menuentry 'Debian GNU/Linux, with Linux {kernel}' --class debian --class gnu-linux --class gnu --class os {{
	echo	'Loading Linux {kernel} ...'
	linux	{kind.boot}/vmlinuz-{kernel} root={kind.root} {kind.flags}
	echo	'Loading initial ramdisk ...'
	initrd	{kind.boot}/initrd.img-{kernel}
}}
### END /etc/grub.d/10_linux ###
"""

# The guest testifies by itself what it runs on, and whether the driver of EC2's network interface can be loaded.
_REPORT_SCRIPT = f"""\
#!/bin/sh
ena=missing
modprobe ena && grep -q '^ena ' /proc/modules && ena=loaded
echo "{REPORT} root $(findmnt -no SOURCE /), $(findmnt -no FSTYPE /), ena $ena," \\
    "addresses $(ip -4 -o addr show scope global | awk '{{print $2 "=" $4 ($0 ~ / dynamic / ? "(dhcp)" : "")}}' \\
    | tr '\\n' ' ')" >/dev/console
"""
