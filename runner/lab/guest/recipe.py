"""What the sample guest is made of: a Debian 12 server as VMware leaves it, years after it was installed.

Everything that ties it to VMware stands here: the root disk by device name, an initramfs with VMware's storage
drivers and without nvme, a static address on an eth0 that a udev rule binds to a VMware MAC, no serial console.
The key of the cache is a digest of this file and its neighbours, so a change here is a new guest.
"""

from __future__ import annotations

from dataclasses import dataclass

SUITE = "bookworm"
PACKAGES = (
    "linux-image-amd64",  # the cloud kernel lacks vmw_pvscsi and mptspi
    "grub-pc",
    "initramfs-tools",
    "ifupdown",
    "isc-dhcp-client",
    "udev",
    "systemd-sysv",
    "iproute2",
    "kmod",
    "e2fsprogs",
    "zstd",
    "netbase",
)

MIB = 1024 * 1024
ROOT_BYTES = 2048 * MIB
DATA_BYTES = 1024 * MIB
ROOT_UUID = "2f1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e01"
DATA_UUID = "2f1d6c3e-5b60-4c1b-9f0e-6a1d0c7b8e02"
ROOT_SIGNATURE = 0x5AD1E001  # the MBR's disk signature
DATA_SIGNATURE = 0x5AD1E002

HOSTNAME = "web01"
ROOT_PASSWORD = "hotadd"  # of a guest that exists in the lab alone; its console is all one reaches
MAC = "00:50:56:9a:3c:11"  # 00:50:56 is VMware's
INTERFACE = "eth0"
ADDRESS = "192.168.10.20"
GATEWAY = "192.168.10.1"
DATA_MOUNT = "/srv/data"
REPORT = "lab guest:"  # what the line starts with that the guest writes to its console when it is up

# What VMware's virtual controllers need (pvscsi, LSI Logic, SATA, IDE) and the root file system; no nvme.
INITRAMFS_MODULES = ("vmw_pvscsi", "mptspi", "mptsas", "ahci", "ata_piix", "sd_mod", "ext4", "crc32c_generic")

# Parts of a kernel package that a server on VMware or EC2 never loads: two thirds of its bytes.
_UNUSED_MODULES = (
    *("sound", "net/bluetooth", "net/mac80211", "net/wireless", "net/ceph", "net/sunrpc", "lib/test_*"),
    *(f"fs/{name}" for name in ("btrfs", "ceph", "cifs", "f2fs", "gfs2", "jfs", "nfs", "ocfs2", "reiserfs", "smb*")),
    *(f"drivers/{name}" for name in ("bluetooth", "comedi", "gpu", "hid", "hwmon", "iio", "infiniband", "media")),
    *(f"drivers/{name}" for name in ("mtd", "platform", "soc", "staging", "thunderbolt", "usb", "video", "mmc")),
    *(f"drivers/net/{name}" for name in ("wireless", "usb", "can", "wwan", "ethernet/mellanox", "ethernet/chelsio")),
    *(f"drivers/net/ethernet/{name}" for name in ("broadcom", "qlogic", "cavium", "netronome", "sfc", "emulex")),
    *(f"drivers/scsi/{name}" for name in ("lpfc", "qla2xxx", "qla4xxx", "be2iscsi", "bfa", "aic7xxx", "qedf", "qedi")),
)
_UNUSED_FILES = (
    *(f"/usr/share/{name}/*" for name in ("doc", "man", "locale", "info")),
    # Hooks for hardware it has not: each costs an emulated CPU seconds.
    *(f"/usr/share/initramfs-tools/hooks/{name}" for name in ("dmsetup", "thermal")),
)


@dataclass(frozen=True)
class GuestFile:
    """A file of the guest: absolute path, text, permission bits."""

    path: str
    text: str
    mode: int = 0o644


def not_unpacked(needed: tuple[str, ...] = ()) -> GuestFile:
    """What dpkg is not to unpack; `needed` names parts of the kernel package to keep nevertheless."""
    modules = [part for part in _UNUSED_MODULES if part not in needed]
    excludes = [*_UNUSED_FILES, *(f"/lib/modules/*/kernel/{part}*" for part in modules)]
    lines = "force-unsafe-io\n" + "".join(f"path-exclude={pattern}\n" for pattern in excludes)
    return GuestFile("/etc/dpkg/dpkg.cfg.d/sample-guest", lines)


def files_before_packages() -> tuple[GuestFile, ...]:
    """Files that must lie there before dpkg unpacks: what not to unpack, and what the initramfs shall hold."""
    return (
        not_unpacked(),
        GuestFile("/etc/initramfs-tools/modules", "".join(f"{name}\n" for name in INITRAMFS_MODULES)),
        # zstd -9, the default, is an eighth of the time that an emulated CPU needs for an initramfs.
        GuestFile("/etc/initramfs-tools/conf.d/driver-policy", "MODULES=list\nCOMPRESSLEVEL=1\n"),
        GuestFile("/etc/initramfs-tools/conf.d/resume", "RESUME=/dev/sda5\n"),
        GuestFile("/etc/fstab", _FSTAB),  # the initramfs takes fsck for the root's type from here
        GuestFile("/etc/default/grub", _DEFAULT_GRUB),
    )


def files_after_packages() -> tuple[GuestFile, ...]:
    """The guest's own configuration."""
    return (
        GuestFile("/etc/hostname", f"{HOSTNAME}\n"),
        GuestFile("/etc/hosts", f"127.0.0.1 localhost\n{ADDRESS} {HOSTNAME}\n"),
        GuestFile("/etc/issue", "Debian GNU/Linux 12 \\n \\l\nAddress: \\4\n\n"),
        GuestFile("/etc/network/interfaces", _INTERFACES),
        GuestFile("/etc/resolv.conf", f"nameserver {GATEWAY}\n"),
        GuestFile("/etc/udev/rules.d/70-persistent-net.rules", _PERSISTENT_NET),
        GuestFile("/etc/systemd/system.conf.d/patience.conf", _PATIENCE),
        GuestFile("/etc/systemd/system/console-report.service", _REPORT_SERVICE),
        GuestFile("/usr/local/sbin/console-report", _REPORT_SCRIPT, 0o755),
    )


# systemd gives a mount 90 s. An emulated machine on a busy host has stood still for longer, and then went to emergency
# mode with nothing wrong in it.
_PATIENCE = "[Manager]\nDefaultTimeoutStartSec=15min\nDefaultDeviceTimeoutSec=15min\n"

_FSTAB = f"""\
# <file system> <mount point> <type> <options> <dump> <pass>
/dev/sda1 / ext4 errors=remount-ro 0 1
/dev/sdb1 {DATA_MOUNT} ext4 defaults 0 2
/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0
"""

_DEFAULT_GRUB = """\
GRUB_DEFAULT=0
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX=""
GRUB_DISABLE_LINUX_UUID=true
GRUB_TERMINAL=console
"""

_INTERFACES = f"""\
# The loopback network interface
auto lo
iface lo inet loopback

# The primary network interface
auto {INTERFACE}
iface {INTERFACE} inet static
    address {ADDRESS}/24
    gateway {GATEWAY}
    dns-nameservers {GATEWAY}
"""

_PERSISTENT_NET = f"""\
# PCI device 0x15ad:0x07b0 (vmxnet3)
SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{{address}}=="{MAC}", \
ATTR{{dev_id}}=="0x0", ATTR{{type}}=="1", KERNEL=="eth*", NAME="{INTERFACE}"
"""

# An operator's habit that makes the guest testify by itself: what it runs on, once it is up.
_REPORT_SERVICE = """\
[Unit]
Description=Report on the console
After=multi-user.target network-online.target
Wants=network-online.target

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/console-report

[Install]
WantedBy=multi-user.target
"""

_REPORT_SCRIPT = f"""\
#!/bin/sh
files=damaged
cd {DATA_MOUNT} && sha256sum --check --quiet SHA256SUMS >/dev/null 2>&1 && files=intact
echo "{REPORT} root $(findmnt -no SOURCE /), data $(findmnt -no SOURCE {DATA_MOUNT}), files $files," \\
    "addresses $(ip -4 -o addr show scope global | awk '{{print $2 "=" $4 ($0 ~ / dynamic / ? "(dhcp)" : "")}}' \\
    | tr '\\n' ' ')" >/dev/console
"""
