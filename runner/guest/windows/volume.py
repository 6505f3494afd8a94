"""The state in which Windows left a volume, from what ntfs-3g's tools and hiberfil.sys say. Pure.

ntfs-3g alone would not do: without being asked it empties the log of a volume that was not unmounted, mounts a
hibernated one read-only, and mounts one whose flag asks for chkdsk as if nothing were the matter (tried, 2022.10.3).
"""

from __future__ import annotations

import re

from runner.guest.refusals import FileSystemDamaged
from runner.guest.windows.facts import Hibernation, Volume

_CLEAN, _HIBERNATED, _LOG_OPEN = 0, 14, 15  # exit codes of ntfs-3g.probe(8)
_CODE = re.compile(r"^probe: (\d+)$", re.MULTILINE)
_FLAGS = re.compile(r"^\s*Volume Flags: 0x([0-9a-fA-F]+)", re.MULTILINE)
_NEEDS_CHECK = 0x0001 | 0x4000  # VOLUME_IS_DIRTY, and a chkdsk that is under way
_SAID_MOST = 300
# The first bytes of hiberfil.sys (PO_MEMORY_IMAGE): asleep (from Windows 8 on also after "fast startup"), and a wake-up
# that was under way. "wake" is what remains after Windows woke up, and stands in the way of nothing.
_SIGNATURES: dict[bytes, Hibernation] = {
    b"hibr": "hibernated",
    b"HIBR": "hibernated",
    b"rstr": "resuming",
    b"RSTR": "resuming",
}
SIGNATURE_BYTES = 4


def state(device: str, said: str, signature: bytes) -> Volume:
    """The state, from the text of `Appliance.examine_ntfs` and the start of hiberfil.sys (empty when there is none).

    Raises `FileSystemDamaged` for a volume that the tools cannot read.
    """
    code, flags = _CODE.search(said), _FLAGS.search(said)
    if code is None or flags is None or int(code[1]) not in (_CLEAN, _HIBERNATED, _LOG_OPEN):
        raise FileSystemDamaged(device, " / ".join(said.split("\n"))[:_SAID_MOST])
    hibernation = _SIGNATURES.get(signature, "")
    return Volume(
        device=device,
        dirty=bool(int(flags[1], 16) & _NEEDS_CHECK),
        log_open=int(code[1]) == _LOG_OPEN,
        hibernation=hibernation or ("hibernated" if int(code[1]) == _HIBERNATED else ""),
    )


def fault(volume: Volume) -> str:
    """Why nobody but Windows may write to a volume, in words; empty when it is clean."""
    faults = []
    if volume.hibernation == "hibernated":
        faults.append("Windows is hibernated, or was shut down with fast startup")
    if volume.hibernation == "resuming":
        faults.append("Windows was waking from hibernation")
    if volume.log_open:
        faults.append("its log holds work that was not done (Windows was running, or was not shut down)")
    if volume.dirty:
        faults.append("it is marked for chkdsk")
    return ", and ".join(faults)
