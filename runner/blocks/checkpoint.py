"""What a copy leaves behind so that the same command can go on: one small JSON file beside the digests.

It says between which source and which target the copy runs; what is done, the partial digest file says. It is
written before the first byte reaches the target, so its presence also says: this target is no blank any more.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from runner.blocks.digests import sync_directory
from runner.blocks.fingerprint import DeviceIdentity, Fingerprint

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One copy: `run` (32 hexadecimal digits) also stands in its partial digest file.

    `size` is the disk's bytes (the fingerprint has those of the source's files). `skips` is whether zeroes are left
    unwritten, as decided when it began. `digest` is the digest file's own once all is copied, else empty.
    """

    run: str
    disk: str
    generation: int
    location: str
    size: int
    source: Fingerprint
    device: DeviceIdentity
    blank: bool
    zeroes: str
    skips: bool
    digest: str = ""

    def is_of(self, other: Checkpoint) -> bool:
        """Whether both are of the same copy: all the same but for what a copy decides for itself."""
        return self._asked() == other._asked()

    def _asked(self) -> tuple[object, ...]:
        what = (self.disk, self.generation, self.location, self.size, self.source)
        return (*what, self.device, self.blank, self.zeroes)

    def write(self, path: Path) -> None:
        """Replace the file in one step."""
        document = {
            "version": _VERSION,
            "run": self.run,
            "disk": self.disk,
            "generation": self.generation,
            "location": self.location,
            "size": self.size,
            "source": self.source.to_document(),
            "device": self.device.to_document(),
            "blank": self.blank,
            "zeroes": self.zeroes,
            "skips": self.skips,
            "digest": self.digest,
        }
        new = path.with_name(path.name + ".new")
        with open(new, "w") as file:
            json.dump(document, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
        sync_directory(path.parent)


def read_checkpoint(path: Path) -> Checkpoint | None:
    """The checkpoint, or None if the file is not one of this release; raises `FileNotFoundError`."""
    text = path.read_bytes()
    try:
        document = json.loads(text)
        if document.pop("version") != _VERSION:
            return None
        source = Fingerprint(**document.pop("source"))
        device = DeviceIdentity(**document.pop("device"))
        return Checkpoint(source=source, device=device, **document)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
