"""What one Windows release takes out of a bundle: its boot drivers, and what is installed at its first boot. Pure."""

from __future__ import annotations

from dataclasses import dataclass

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
    """All of it for one release. `boot` are written with their registry keys, their files being `boot_files`.

    `staged` is what the first boot needs, below `HOME`. `infs` are paths (in the guest, among `staged`) of drivers that
    the first boot adds to the driver store, the boot drivers' first; `installers` are run after them, in order.
    """

    release: str
    boot: tuple[Driver, ...]
    boot_files: tuple[Payload, ...]
    staged: tuple[Payload, ...]
    infs: tuple[str, ...]
    installers: tuple[Installer, ...]
