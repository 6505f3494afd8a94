"""Whether an initramfs that was built unlocks the LUKS volumes of the system. Reads through the appliance.

What must be there: cryptsetup (or systemd's, in dracut's image), dm-crypt, and of initramfs-tools a table with the
volume's name: its hook leaves out, with a warning alone, a volume that it does not find or whose key file it may not
copy.
"""

from __future__ import annotations

import re

from runner.guest.appliance import Appliance
from runner.guest.families.drivers import LISTERS

_UNPACK = "/usr/bin/unmkinitramfs"
_TABLE = "cryptroot/crypttab"
_OLD_TABLE = "conf/conf.d/cryptroot"  # before cryptsetup 2:2.0.3-2 (Debian 10, Ubuntu 18.10)
_UNPACKED = "/var/tmp/hotadd-unpacked"  # memory, see apply
_PROGRAM = re.compile(r"(?:^|/)(?:systemd-)?cryptsetup$", re.MULTILINE)
_SECONDS = 600.0  # an image with all modules, unpacked by an emulated CPU: a minute


def lacking(appliance: Appliance, image: str, kernel: str, names: tuple[str, ...]) -> set[str]:
    """What the image of a kernel lacks to unlock the volumes of these names under /dev/mapper."""
    lister = next((path for path in LISTERS if appliance.exists(path)), None)
    if not names or lister is None:
        return set()
    listing = appliance.run([lister, image], seconds=_SECONDS)
    module = re.search(rf"lib/modules/{re.escape(kernel)}/.*/dm-crypt\.ko", listing)
    missing = set()
    if not _PROGRAM.search(listing):
        missing.add("cryptsetup")
    if not module and not appliance.lines(f"/lib/modules/{kernel}/modules.builtin", r"/dm-crypt\.ko"):
        missing.add("dm-crypt")
    if lister.endswith("lsinitramfs"):
        missing |= {
            f"line for the LUKS volume {name}" for name in names if name not in _table(appliance, image, listing)
        }
    return missing


def _table(appliance: Appliance, image: str, listing: str) -> set[str]:
    """The names in the image's table. The old one tells target=NAME among other settings."""
    path = next((path for path in (_TABLE, _OLD_TABLE) if re.search(rf"^(?:\./)?{path}$", listing, re.MULTILINE)), None)
    if path is None:
        return set()
    appliance.run([_UNPACK, image, _UNPACKED], seconds=_SECONDS)
    # In main/ where an archive with microcode comes first.
    text = appliance.read(f"{_UNPACKED}/main/{path}") or appliance.read(f"{_UNPACKED}/{path}") or ""
    return {word.removeprefix("target=") for line in text.splitlines() for word in re.split(r"[\s,]+", line)}
