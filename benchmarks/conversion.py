"""Conversion of the sample guest beside virt-v2v-in-place, each on a fresh copy of the same disks, alternately.

Both in a libguestfs appliance with the same accelerator, the same memory and the same cached appliance. virt-v2v sets
the number of its appliance's CPUs itself (up to eight of the machine's). Target: ours takes no longer.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from runner.acceleration import accelerator
from runner.guest.conversion import GuestDisk, commit, inspect, prepare
from runner.guest.facts import Options
from runner.lab.guest import sample

PEER = "virt-v2v-in-place"
CACHE = Path(__file__).parents[1] / ".cache"
# virt-v2v multiplies libguestfs's default by 14/5; ours takes half of the machine's memory, 2048 MiB at most.
MEMORY_MIB = 2048 * 5 // 14
MOST_SECONDS = 1800.0
LAUNCH = "import guestfs; g = guestfs.GuestFS(); g.add_drive('/dev/null'); g.launch()"


def environment() -> dict[str, str]:
    """libguestfs's settings for the peer: those that ours makes for itself."""
    settings = {"LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_MEMSIZE": str(MEMORY_MIB)}
    if accelerator() == "tcg":
        settings["LIBGUESTFS_BACKEND_SETTINGS"] = "force_tcg"
    return {**os.environ, **settings}


def ours(disks: Sequence[Path], scratch: Path) -> None:
    """From bare disks to committed ones."""
    guest = [GuestDisk(path.stem, path, number == 0) for number, path in enumerate(disks)]
    prepared = prepare(guest, Options("dhcp", os="linux"), scratch / "work")
    commit(prepared.disks, {disk.id: disk.device for disk in guest if isinstance(disk.device, Path)})


def peers(disks: Sequence[Path], scratch: Path) -> None:
    """The same by virt-v2v, which takes a machine of several disks as libvirt's XML."""
    described = "".join(
        f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file={quoteattr(str(path))}/>"
        f"<target dev='sd{'abcdefgh'[number]}' bus='scsi'/></disk>"
        for number, path in enumerate(disks)
    )
    xml = scratch / "guest.xml"
    xml.write_text(
        "<domain type='kvm'><name>sample</name><memory unit='MiB'>1024</memory><vcpu>1</vcpu>"
        f"<os><type arch='x86_64'>hvm</type></os><devices>{described}</devices></domain>"
    )
    subprocess.run(
        [PEER, "-i", "libvirtxml", str(xml)],
        check=True,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=MOST_SECONDS,
    )


def measure(convert: Callable[[Sequence[Path], Path], None], guest: Sequence[Path], place: Path) -> float:
    """Seconds for one conversion of a fresh copy; the copying is not counted."""
    with tempfile.TemporaryDirectory(dir=place) as name:
        scratch = Path(name)
        disks = [scratch / path.name for path in guest]
        for path, copy in zip(guest, disks, strict=True):
            subprocess.run(["cp", "--sparse=always", path, copy], check=True)
        began = time.monotonic()
        convert(disks, scratch)
        return time.monotonic() - began


def main() -> None:
    """Measure and print; fails where the target is missed."""
    parser = argparse.ArgumentParser(description="Conversion of the sample guest beside virt-v2v-in-place.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("conversion: building the sample guest needs root")
    took: dict[str, list[float]] = {"ours": [], PEER: []}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        guest = [disk.path for disk in sample.build(place / "guest", cache=CACHE, log=lambda _: None).disks]
        # Once for each, not counted: whoever comes first makes the cached appliance.
        inspect([GuestDisk("root", guest[0], True)], place / "look")
        subprocess.run([sys.executable, "-c", LAUNCH], check=True, env=environment(), timeout=MOST_SECONDS)
        for _ in range(asked.rounds):
            took["ours"].append(measure(ours, guest, place))
            if shutil.which(PEER):
                took[PEER].append(measure(peers, guest, place))
    medians = {name: round(statistics.median(seconds), 1) for name, seconds in took.items() if seconds}
    if asked.json:
        print(json.dumps({"medians": medians, "seconds": took}))
    else:
        print("conversion: " + ", ".join(f"{name} {seconds} s" for name, seconds in medians.items()))
    if PEER not in medians:
        sys.exit(f"{PEER} is not installed: apt-get install --no-install-recommends virt-v2v")
    if medians["ours"] > medians[PEER]:
        sys.exit(f"ours took longer than {PEER}")


if __name__ == "__main__":
    main()
