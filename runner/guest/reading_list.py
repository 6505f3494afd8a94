"""What the probe reads in every guest, for all families together. Pure data."""

from __future__ import annotations

from runner.guest import fstab, grub
from runner.guest.families import initramfs_tools
from runner.guest.network import table as network

DRIVERS = initramfs_tools.DRIVERS
LIST_INITRAMFS = "/usr/bin/lsinitramfs"

FILES = (
    "/etc/os-release",
    "/etc/debian_version",
    fstab.PATH,
    *grub.CONFIGS,
    grub.DEFAULTS,
    grub.DEVICE_MAP,
    initramfs_tools.MODULES,
    initramfs_tools.MAIN_CONFIG,
    initramfs_tools.INITTAB,
    *network.FILES,
)
# (directory, regular expression for the whole name)
DIRECTORIES = (
    (initramfs_tools.CONFIG_DIRECTORY, r".+"),
    *network.DIRECTORIES,
)
# Only looked for, not read.
PATHS = (
    initramfs_tools.UPDATE,
    initramfs_tools.SYSTEMD,
    *network.PATHS,
)
