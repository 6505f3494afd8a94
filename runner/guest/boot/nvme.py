"""The time-out of NVMe requests, which EBS volumes may take longer to answer than the kernel waits by itself. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from runner.guest.facts import Kernel

_LONGEST = 4294967295  # seconds, for NVMe: the largest number of 32 bits
_TIMEOUT = re.compile(r"nvme(?:_core)?\.io_timeout=([0-9]{1,10})\Z")


def timeouts(kernels: Iterable[Kernel]) -> tuple[str, ...]:
    """The parameters that keep a slow EBS volume from being given up, one for each module that has it in a kernel.

    EC2 User Guide, "NVMe I/O operation timeout": the module is nvme before Linux 4.6, and the most it takes is 255
    before 4.15. Of the kernels with the same module the oldest decides, since all boot entries share one setting.
    """
    oldest: dict[str, tuple[int, int]] = {}
    for kernel in kernels:
        module = _module(kernel)
        oldest[module] = min(kernel.number, oldest.get(module, kernel.number))
    found = oldest or {"nvme_core": (6, 1)}
    return tuple(f"{name}.io_timeout={_LONGEST if found[name] >= (4, 15) else 255}" for name in sorted(found))


def _module(kernel: Kernel) -> str:
    """RHEL 7's 3.10 has the nvme_core of newer kernels; the number decides where no module is known."""
    had = {*kernel.loadable, *kernel.builtin}
    if "nvme_core" in had or "nvme" in had:
        return "nvme_core" if "nvme_core" in had else "nvme"
    return "nvme_core" if kernel.number >= (4, 6) else "nvme"


def is_longer(word: str, ours: str) -> bool:
    """Whether a word of a command line states a longer time-out than one of `timeouts`."""
    stated, own = _TIMEOUT.match(word), _TIMEOUT.match(ours)
    return bool(stated and own and int(stated[1]) > int(own[1]))
