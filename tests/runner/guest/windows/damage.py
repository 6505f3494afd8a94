"""Reads and edits damaged hives, one a seed: `python -m ...damage DIRECTORY FIRST LAST` prints how many end in what.

A program of its own, for hivex is C: what it makes of a damaged hive may be the end of the process.
"""

from __future__ import annotations

import collections
import random
import sys
from pathlib import Path

from runner.guest.windows import registry, system_hive
from runner.guest.windows.driver import Driver
from runner.guest.windows.hive import Hive, apply
from runner.guest.windows.refusals import HiveBroken
from runner.guest.windows.replay import ready
from tests.runner.guest.windows import made_hives

_LIKELY = (0, 1, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000)
_CLASS = "{4d36e97b-e325-11ce-bfc1-08002be10318}"
_DRIVER = Driver(
    *("a.zip", "a.inf", "", "A", "A", "SCSIAdapter", _CLASS, "01/01/2020", "1.0", ("PCI\\VEN_1D0F&DEV_8061",)),
    *("Install", "AWSNVMe", "", "AWSNVMe.sys", 1, 0, 1, "SCSI miniport"),
)


def damaged(hive: bytes, seed: int) -> bytes:
    """The hive with some bytes of its bins changed: anything, or what a number of its records may well be."""
    chance = random.Random(seed)
    content = bytearray(hive)
    for _ in range(chance.choice([1, 1, 2, 8, 40])):
        at = chance.randrange(4096, len(content))
        if chance.random() < 0.3:
            at &= ~3
            cell = chance.randrange(len(content)) & ~7
            content[at : at + 4] = chance.choice((*_LIKELY, cell)).to_bytes(4, "little")
        else:
            content[at] = chance.randrange(256)
    return bytes(content)


def main() -> None:
    """Tell how often the damage was refused, and how often it was no matter."""
    root = Path(sys.argv[1])
    made = made_hives.WINDOWS_2019
    whole, software = made_hives.system(root / "whole", made).read_bytes(), made_hives.software(root / "SOFTWARE", made)
    ends: collections.Counter[str] = collections.Counter()
    for seed in range(int(sys.argv[2]), int(sys.argv[3])):
        path = root / "SYSTEM"
        try:
            path.write_bytes(ready(damaged(whole, seed), None, None))
            facts = registry.read(Hive(path), Hive(software, "SOFTWARE"))
            apply(path, system_hive.decide(facts, [_DRIVER]))
            ends["edited"] += 1
        except HiveBroken:
            ends["refused"] += 1
    print(ends["refused"], ends["edited"])


if __name__ == "__main__":
    main()
