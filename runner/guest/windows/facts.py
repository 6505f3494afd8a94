"""What the probe found in a Windows guest: plain values, part of `GuestFacts`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# "replayed": its transaction logs were taken into it, as Windows would do at its next start.
HiveState = Literal["clean", "replayed"]
Hibernation = Literal["", "hibernated", "resuming"]


@dataclass(frozen=True)
class Release:
    """Which Windows it is, as SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion and the SYSTEM hive say it.

    `version` is (major, minor) of the kernel, (6, 1) for 2008 R2 and (10, 0) from 2016 on; `build` is CurrentBuild, 0
    when it is no number; `installation` is InstallationType ("Server", "Server Core", "Nano Server", "Client"), `label`
    is ReleaseId or DisplayVersion ("1809", "21H2"), `architecture` PROCESSOR_ARCHITECTURE ("AMD64", "x86", "ARM64").
    """

    product: str
    edition: str
    installation: str
    version: tuple[int, int]
    build: int
    label: str
    architecture: str


@dataclass(frozen=True)
class Service:
    """A service of the current control set. Numbers are -1 where the value is not there or no number."""

    name: str
    type: int
    start: int
    image_path: str
    start_override: bool


@dataclass(frozen=True)
class Registry:
    """What the SYSTEM and SOFTWARE hives say.

    `control_set` is the name of the key that Select\\Current stands for. `updates` are the installed KB numbers that
    were asked for ("KB3033929"), `tools` the product code of VMware Tools' uninstall entry ("" without one), `pending`
    the signs that a reboot is due. `unread` are the values of Control\\PnP that keep Windows from binding a new device
    at boot, `restrictions` those of a group policy that may keep drivers from being installed. `services` are those
    that conversion may change, `auto_reboot` what CrashControl's AutoReboot was before any conversion (0 or 1),
    `desktop_rules` the firewall's rules for Remote Desktop, by name.
    """

    release: Release
    control_set: str
    driver_database: bool
    services: tuple[Service, ...] = ()
    updates: tuple[str, ...] = ()
    tools: str = ""
    pending: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    restrictions: tuple[str, ...] = ()
    auto_reboot: int = 1
    desktop_rules: tuple[tuple[str, str], ...] = ()

    def service(self, name: str) -> Service | None:
        """A service by its name, in whatever case."""
        return next((each for each in self.services if each.name.lower() == name.lower()), None)


@dataclass(frozen=True)
class Volume:
    """The state in which Windows left its system volume.

    `dirty` is the flag that asks for chkdsk, `log_open` that $LogFile holds work not done, `hibernation` what
    hiberfil.sys says by its first bytes.
    """

    device: str
    dirty: bool
    log_open: bool
    hibernation: Hibernation


@dataclass(frozen=True)
class SystemPartition:
    """The EFI system partition. `loader` is Windows' own boot loader on it, as its names are spelled there.

    `loader_bytes` is its size, `fallback` whether \\EFI\\Boot\\bootx64.efi is there, `free` the bytes that are free,
    `foreign` whether that file is another than Windows' own loader (GRUB's, or a stale one).
    """

    device: str
    loader: str
    loader_bytes: int
    fallback: bool
    free: int
    foreign: bool = False


@dataclass(frozen=True)
class WindowsFacts:
    """A Windows guest, or what tells that there is one.

    `volume` is None where no system volume was found, `registry` where the volume is in no state to be read. `hives`
    are the hives that were read and in which state; `esp` the EFI system partition, with Windows' loader on it;
    `dynamic` the disks (from 0) that are Windows' dynamic disks; `encrypted` the devices that BitLocker encrypts.
    """

    volume: Volume | None = None
    registry: Registry | None = None
    hives: tuple[tuple[str, HiveState], ...] = ()
    esp: SystemPartition | None = None
    dynamic: tuple[int, ...] = ()
    encrypted: tuple[str, ...] = ()
