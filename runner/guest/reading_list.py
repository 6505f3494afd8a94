"""What the probe reads in every guest, for all families together. Pure data."""

from __future__ import annotations

from runner.guest import agents, linux, support
from runner.guest.boot import table as boot
from runner.guest.families import dracut, initramfs_tools

FILES = (
    *support.FILES,
    *boot.FILES,
    initramfs_tools.MODULES,
    initramfs_tools.MAIN_CONFIG,
    *dracut.FILES,
    *linux.FILES,
)
# (directory, regular expression for the whole name)
DIRECTORIES = (
    *boot.DIRECTORIES,
    (initramfs_tools.CONFIG_DIRECTORY, r".+"),
    *linux.DIRECTORIES,
)
# Only looked for, not read.
PATHS = (
    *agents.PATHS,
    *initramfs_tools.PATHS,
    *dracut.PATHS,
    *linux.PATHS,
)
# Looked at as links, wherever they lead.
LINKS = linux.LINKS
