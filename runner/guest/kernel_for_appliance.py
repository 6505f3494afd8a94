"""The access node's own kernel, which the appliance boots: it must be readable to whom conversion runs as."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

_BOOT = Path("/boot")
_MODULES = Path("/lib/modules")


def environment(scratch: Path) -> Mapping[str, str]:
    """What supermin must be told: nothing where a kernel is readable to all, or where the user has told it.

    Ubuntu makes /boot/vmlinuz-* readable to root alone; as root a copy in `scratch` helps.
    """
    told = {name: os.environ[name] for name in ("SUPERMIN_KERNEL", "SUPERMIN_MODULES") if name in os.environ}
    if told:
        return told
    kernels = [k for k in _BOOT.glob("vmlinuz-*") if (_MODULES / k.name.removeprefix("vmlinuz-")).is_dir()]
    if not kernels or any(k.stat().st_mode & stat.S_IROTH for k in kernels) or os.geteuid() != 0:
        return {}
    newest = max(kernels, key=lambda kernel: [int(n) for n in re.findall(r"\d+", kernel.name)])
    copy = Path(shutil.copy2(newest, scratch / newest.name))  # with its time: supermin rebuilds for a newer kernel
    copy.chmod(0o644)
    return {
        "SUPERMIN_KERNEL": str(copy),
        "SUPERMIN_MODULES": str(_MODULES / newest.name.removeprefix("vmlinuz-")),
    }
