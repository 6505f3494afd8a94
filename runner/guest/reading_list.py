"""What the probe reads in every guest, for all families together. Pure data."""

from __future__ import annotations

from runner.guest import fstab, grub, ifupdown
from runner.guest.families import initramfs_tools

DRIVERS = initramfs_tools.DRIVERS
LIST_INITRAMFS = "/usr/bin/lsinitramfs"

FILES = (
    "/etc/os-release",
    "/etc/debian_version",
    fstab.PATH,
    *grub.CONFIGS,
    grub.DEFAULTS,
    grub.DEVICE_MAP,
    ifupdown.PATH,
    initramfs_tools.MODULES,
    initramfs_tools.MAIN_CONFIG,
    initramfs_tools.INITTAB,
)
# (directory, regular expression for the whole name)
DIRECTORIES = (
    (ifupdown.DIRECTORY, r"[A-Za-z0-9_.-]+"),
    ("/etc/netplan", r".+\.yaml"),
    (initramfs_tools.CONFIG_DIRECTORY, r".+"),
    (initramfs_tools.RULES_DIRECTORY, r".*persistent-net.*\.rules"),
)
# Only looked for, not read.
PATHS = (
    initramfs_tools.UPDATE,
    initramfs_tools.SYSTEMD,
    f"/lib/udev/rules.d/{initramfs_tools.NET_GENERATOR}",
    *ifupdown.DHCP_CLIENTS,
)
