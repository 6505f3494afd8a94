"""What a bundle of drivers has for each Windows: boot drivers, and what is installed at the first boot. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from runner.guest.windows.bundle_refusals import BundleIncomplete
from runner.guest.windows.driver import Driver

HOME = "/Windows/hotadd"  # where the first boot finds its script and what it installs


@dataclass(frozen=True)
class Payload:
    """A file of the bundle for the guest: `archive` in the bundle's directory, `member` in it ("": the archive itself).

    `path` is where it goes in the guest, with slashes, from the system drive's root; `size` is in bytes.
    """

    archive: str
    member: str
    path: str
    size: int


@dataclass(frozen=True)
class Installer:
    """A program that the first boot runs once: `name` for the log, the command line as cmd takes it."""

    name: str
    command: str


@dataclass(frozen=True)
class Kit:
    """All of it for one release, from the build `build` on, until another kit of the release has a higher one.

    `boot` are written with their registry keys, their files being `boot_files`. `staged` is what the first boot needs,
    below `HOME`. `infs` are paths (in the guest, among `staged`) of drivers that the first boot adds to the driver
    store, the boot drivers' first; `installers` are run after them, in order.
    """

    release: str
    build: int
    boot: tuple[Driver, ...]
    boot_files: tuple[Payload, ...]
    staged: tuple[Payload, ...]
    infs: tuple[str, ...]
    installers: tuple[Installer, ...]


@dataclass(frozen=True)
class Lack:
    """What is missing for a release from a build on, in words."""

    release: str
    build: int
    missing: str


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are what its lock says. `files` are the names that make it up, the lock among them.

    It is plain values, so that it crosses a process border; a copy of the files elsewhere has another `directory`.
    """

    directory: str
    files: tuple[str, ...]
    kits: tuple[Kit, ...]
    lacks: tuple[Lack, ...]

    def for_release(self, release: str, build: int) -> Kit:
        """What a release takes in that build. Raises `BundleIncomplete`."""
        rows: list[Kit | Lack] = [*self.kits, *self.lacks]
        known = [each for each in rows if each.release == release and each.build <= build]
        found = max(known, key=lambda each: each.build, default=None)
        if not isinstance(found, Kit):
            missing = "it knows no such Windows" if found is None else found.missing
            raise BundleIncomplete(self.directory, release, missing)
        return found
