"""What the probe reads in every guest, for all families together. Pure data."""

from __future__ import annotations

from runner.guest import grub, linux
from runner.guest.families import initramfs_tools

DRIVERS = initramfs_tools.DRIVERS
LIST_INITRAMFS = "/usr/bin/lsinitramfs"

FILES = (
    "/etc/os-release",
    "/etc/debian_version",
    *grub.CONFIGS,
    grub.DEFAULTS,
    grub.DEVICE_MAP,
    initramfs_tools.MODULES,
    initramfs_tools.MAIN_CONFIG,
    *linux.FILES,
)
# (directory, regular expression for the whole name)
DIRECTORIES = (
    (initramfs_tools.CONFIG_DIRECTORY, r".+"),
    *linux.DIRECTORIES,
)
# Only looked for, not read.
PATHS = (
    initramfs_tools.UPDATE,
    *linux.PATHS,
)
