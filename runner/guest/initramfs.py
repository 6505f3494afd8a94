"""What an initramfs of the guest holds: drivers, and what unlocks the LUKS volumes of the system.

To unlock it takes cryptsetup (or systemd's, in dracut's image), dm-crypt, and of initramfs-tools a table with the
volume's name: its hook leaves out, with a warning alone, a volume that it does not find or whose key file it may not
copy.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runner.guest.appliance import Appliance
from runner.guest.cpio import read_members
from runner.guest.edits import Rebuild
from runner.guest.refusals import ConversionFailed

# Programs of guests that list an initramfs: initramfs-tools' and dracut's, where distributions put them.
_LISTERS = ("/usr/bin/lsinitramfs", "/usr/bin/lsinitrd", "/bin/lsinitrd", "/usr/sbin/lsinitrd", "/sbin/lsinitrd")
# The names in the image; the second before cryptsetup 2:2.0.3-2 (Debian 10, Ubuntu 18.10).
TABLES = ("cryptroot/crypttab", "conf/conf.d/cryptroot")
_PROGRAM = re.compile(r"(?:^|/)(?:systemd-)?cryptsetup\Z")
_IMAGE_BYTES_MOST = 2 * 1024**3  # with all modules and firmware it has 200 MiB
_LISTING_SECONDS = 600.0  # an image with all modules, unpacked by an emulated CPU: a minute


@dataclass(frozen=True)
class Initramfs:
    """One image: lines that end in its members' paths, and its tables of LUKS volumes by path, where it was read."""

    members: tuple[str, ...] = ()
    tables: Mapping[str, str] = field(default_factory=dict)

    def modules(self, version: str) -> frozenset[str]:
        """The modules that it holds for a kernel, with underscores in their names."""
        own = re.compile(rf"lib/modules/{re.escape(version)}/.*/([^/]+?)[.]ko(?:[.]\w+)?\Z")
        return frozenset(match[1].replace("-", "_") for member in self.members if (match := own.search(member)))

    def unlocks(self) -> bool:
        """Whether it has the program that opens LUKS volumes."""
        return any(_PROGRAM.search(member) for member in self.members)

    def listed(self) -> frozenset[str]:
        """The words in its tables, names of volumes among them. The old table tells target=NAME."""
        lines = [line for text in self.tables.values() for line in text.splitlines()]
        return frozenset(word.removeprefix("target=") for line in lines for word in re.split(r"[\s,]+", line))


def look(appliance: Appliance, image: str) -> Initramfs:
    """Read a copy of an image; where that cannot be read, ask the guest's own lister. Empty where nothing can tell.

    Raises `FileTooBig`, and `GuestProgramEndless` of the lister.
    """
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, "initramfs")
        appliance.download(image, copy, _IMAGE_BYTES_MOST)
        found = read_members(copy, TABLES)
    if found is not None:
        tables = {path: found[path].decode("utf-8", "replace") for path in TABLES if path in found}
        return Initramfs(tuple(found), tables)
    lister = next((path for path in _LISTERS if appliance.exists(path)), None)
    if lister is None:
        return Initramfs()
    try:
        told = appliance.run([lister, image], seconds=_LISTING_SECONDS)
    except ConversionFailed:
        return Initramfs()  # no archive, or in a compression that the guest cannot read: it will be built anew
    return Initramfs(tuple(line.rstrip() for line in told.splitlines()))


def lacking(appliance: Appliance, image: str, step: Rebuild) -> set[str]:
    """What an image that was built for a step lacks of what the step says."""
    held = look(appliance, image)
    modules = held.modules(step.kernel)
    missing = set(step.modules) - modules
    if step.unlocks:
        builtin = appliance.lines(f"/lib/modules/{step.kernel}/modules.builtin", r"/dm-crypt\.ko")
        missing |= set() if "dm_crypt" in modules or builtin else {"dm-crypt"}
        missing |= set() if held.unlocks() else {"cryptsetup"}
    if step.tabled:
        missing |= {f"line for the LUKS volume {name}" for name in set(step.unlocks) - held.listed()}
    return missing
