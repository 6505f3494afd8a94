"""Windows guests: what makes them boot on EC2, from their hives' facts and a bundle of drivers. Pure."""

from __future__ import annotations

from runner.guest.edits import KEPT, Decision, Note
from runner.guest.facts import GuestFacts, Options
from runner.guest.refusals import NoSpace
from runner.guest.windows import first_boot, storage, system_hive, volume
from runner.guest.windows.facts import Registry, WindowsFacts
from runner.guest.windows.kit import HOME, Kit
from runner.guest.windows.refusals import HiveBroken
from runner.guest.windows.registry import SHA2_UPDATES
from runner.guest.windows.releases import Release, release_of
from runner.guest.windows.steps import (
    FALLBACK,
    LOADER,
    SOFTWARE,
    SYSTEM,
    CopyLoader,
    PutDirectory,
    PutFile,
    WindowsStep,
    by_key,
)
from runner.guest.windows.volume_refusals import (
    BundleUnnamed,
    DiskDynamic,
    LoaderMissing,
    ReleaseUnfit,
    SignaturesUnread,
    VolumeEncrypted,
    VolumeUnsafe,
)

_MIB = 1024 * 1024
# pnputil copies drivers into the driver store, installers unpack; the SYSTEM hive grows, and the first boot has logs.
_COPIES, _ROOM = 2, 256 * _MIB
_ARCHITECTURE = "amd64"
_SHA1_ONLY = (6, 1)


def is_family(facts: GuestFacts) -> bool:
    """Whether a guest is of this family."""
    return facts.os == "windows"


def check(facts: GuestFacts) -> None:
    """Raise what refuses a Windows guest whatever the spec says, the state of its disks first."""
    found = facts.windows or WindowsFacts()
    root = next((fs for fs in facts.file_systems if fs.device == facts.root), None)
    if root is not None and root.disk in found.dynamic or root is None and found.dynamic:
        raise DiskDynamic(", ".join(str(disk + 1) for disk in found.dynamic))
    if root is None:
        raise VolumeEncrypted(", ".join(found.encrypted))
    if found.volume is not None and (fault := volume.fault(found.volume)):
        raise VolumeUnsafe(found.volume.device, fault)
    if found.registry is not None:
        _check_release(found.registry)


def _check_release(registry: Registry) -> None:
    release = registry.release
    if release.architecture.lower() != _ARCHITECTURE:
        raise ReleaseUnfit(release.product, release.build, f"it is for {release.architecture or 'no known processor'}")
    if release.installation == "Nano Server":
        raise ReleaseUnfit(release.product, release.build, "Nano Server installs no driver packages")
    if release.version < _SHA1_ONLY:
        raise ReleaseUnfit(release.product, release.build, "it is older than Windows Server 2008 R2")
    if release.version == _SHA1_ONLY and not registry.updates:
        raise SignaturesUnread(release.product, " and ".join(SHA2_UPDATES))
    if release.version > _SHA1_ONLY and not registry.driver_database:  # CriticalDeviceDatabase is not read any more
        raise HiveBroken("SYSTEM", f"it has no DriverDatabase, by which {release.product} finds its disks")


def decide(facts: GuestFacts, options: Options) -> Decision:
    """What makes the guest boot on EC2. Steps whose result is there already are dropped when they are applied.

    Raises what refuses it, `BundleUnnamed` after all else, and `BundleIncomplete`.
    """
    found, registry = facts.windows, facts.registry
    assert found is not None and registry is not None  # `check` came first
    loader = _loader(found) if options.firmware == "uefi" else []
    release = _release(registry)
    if options.bundle is None:
        raise BundleUnnamed(facts.product)
    kit = options.bundle.for_release(release.name, registry.release.build)
    files = _files(kit, release, registry)
    changes = (*system_hive.decide(registry, kit.boot), *first_boot.service(registry.control_set))
    sizes = (len(step.content) if isinstance(step.content, bytes) else step.content.size for step in files)
    return Decision(
        (*_directories(files), *files, *loader, *by_key(SYSTEM, changes), *notes(registry)),
        needs=(("/", _COPIES * sum(sizes) + _ROOM),),
    )


def notes(registry: Registry) -> list[Note]:
    """What is left as it is and may keep the first boot from doing its part."""
    found = []
    if registry.pending:
        why = "on the source a restart is due, best done before the copy: " + ", ".join(registry.pending)
        found.append(Note(SYSTEM, why))
    if registry.restrictions:
        why = f"a group policy ({', '.join(registry.restrictions)}) may keep the first boot from installing drivers"
        found.append(Note(SOFTWARE, why))
    return found


def _release(registry: Registry) -> Release:
    known = registry.release
    release = release_of(known.version, known.build, client=known.installation == "Client")
    if release is None:
        raise ReleaseUnfit(known.product, known.build, "Amazon's drivers are for other releases")
    return release


def _files(kit: Kit, release: Release, registry: Registry) -> list[PutFile]:
    queue = first_boot.Queue(
        old_pnputil=release.pnputil_is_old,
        auto_reboot=registry.auto_reboot,
        uninstall=(registry.tools,) if registry.tools else (),
        leftovers=tuple(storage.leftovers(registry, kit.boot)),
    )
    why = "the first boot installs it"
    return [
        *(PutFile(each.path, each, "driver", "EC2's disks are found with it") for each in kit.boot_files),
        *(PutFile(each.path, each, "private", why) for each in kit.staged),
        *(PutFile(each.path, each.text.encode("ascii"), "private", why) for each in first_boot.texts(kit, queue)),
    ]


def _directories(files: list[PutFile]) -> list[PutDirectory]:
    """The directories of the first boot, each after the one that it is in."""
    above: set[str] = set()
    for file in files:
        parts = file.path.split("/")
        above |= {"/".join(parts[:depth]) for depth in range(1, len(parts))}
    ours = sorted(path for path in above if path == HOME or path.startswith(f"{HOME}/"))
    return [PutDirectory(path, "private", "what the first boot runs as SYSTEM lies in it") for path in ours]


def _loader(found: WindowsFacts) -> list[WindowsStep]:
    esp = found.esp
    if esp is not None and esp.fallback and not esp.foreign:
        return []
    if esp is None or not esp.loader:
        raise LoaderMissing(f"{LOADER} and {FALLBACK}")
    if esp.free < esp.loader_bytes + _MIB:
        raise NoSpace("the EFI system partition", esp.free, esp.loader_bytes + _MIB)
    kept = FALLBACK + KEPT if esp.foreign else ""
    why = "EC2's firmware starts with no boot entries of its own"
    return [CopyLoader(esp.device, esp.loader, FALLBACK, why, kept)]
