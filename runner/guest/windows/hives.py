"""Taking a registry hive out of a guest, ready to be read and edited, and putting it back. In the confined worker."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

from runner.guest.appliance import Appliance
from runner.guest.windows import ntfs, regf
from runner.guest.windows.facts import HiveState
from runner.guest.windows.refusals import HiveBroken
from runner.guest.windows.replay import ready
from runner.guest.windows.volume_refusals import FileNotKept


def fetch(appliance: Appliance, path: str, to: Path) -> HiveState:
    """Write the hive at `path` to a local file, its transaction logs replayed. Raises `HiveBroken`, `NameUnfit`."""
    name = path.rpartition("/")[2]
    hive = _bytes(appliance, path, regf.MOST_HIVE)
    if hive is None:
        raise HiveBroken(name, f"{path} is missing")
    log1, log2 = (_bytes(appliance, path + suffix, regf.MOST_LOG) for suffix in (".LOG1", ".LOG2"))
    whole = ready(hive, log1, log2, name)
    to.write_bytes(whole)
    return "clean" if whole == hive else "replayed"


def put(appliance: Appliance, content: Path, path: str) -> None:
    """Put a local file in place of the hive at `path`, which keeps its access rights. Raises `FileNotKept`."""
    place = ntfs.find(appliance, path).path
    appliance.upload(content, place)
    if appliance.digest(place) != hashlib.sha256(content.read_bytes()).hexdigest():
        raise FileNotKept(place)


def _bytes(appliance: Appliance, path: str, most: int) -> bytes | None:
    place = ntfs.find(appliance, path)
    if place.kind != "file":
        return None
    with TemporaryDirectory() as scratch:
        local = Path(scratch, "file")
        appliance.download(place.path, local, most)
        return local.read_bytes()
