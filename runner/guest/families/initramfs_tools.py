"""Debian, Ubuntu and their like: guests whose initramfs update-initramfs makes. Pure: facts in, edits out."""

from __future__ import annotations

from runner.guest import devices, linux, luks_at_boot
from runner.guest.boot import table as boot
from runner.guest.edits import Decision, Rebuild, Step, Write
from runner.guest.facts import GuestFacts, Kernel, Options
from runner.guest.families import dracut, drivers, room

UPDATE = "/usr/sbin/update-initramfs"
MAKE = "/usr/sbin/mkinitramfs"
PATHS = (UPDATE, MAKE)
MODULES = "/etc/initramfs-tools/modules"
MAIN_CONFIG = "/etc/initramfs-tools/initramfs.conf"
CONFIG_DIRECTORY = "/etc/initramfs-tools/conf.d"
POLICY = f"{CONFIG_DIRECTORY}/zz-hotadd"  # read after every other file


def is_family(facts: GuestFacts) -> bool:
    """Whether a guest is of this family.

    Debian 13's dracut brings an update-initramfs of its own, and initramfs.conf outlives its package.
    """
    replaced = dracut.is_family(facts) and MAKE not in facts.paths
    return UPDATE in facts.paths and facts.text(MAIN_CONFIG) is not None and not replaced


def decide(facts: GuestFacts, options: Options) -> Decision:
    """What makes the guest boot on EC2; an empty decision when nothing is left to do. Raises what refuses it."""
    luks_at_boot.check(facts, dracut=False)
    steps: list[Step] = [
        *linux.decide(facts, options),
        *boot.decide(facts, options),
    ]
    settings = _initramfs_settings(facts)
    stale = bool(settings) or linux.changes_initramfs(steps)
    rebuilds = [_rebuild(kernel, facts) for kernel in drivers.due(facts.kernels, stale=stale)]
    grown = room.for_every_machine if any(step.path == POLICY for step in settings) else room.by_drivers
    return room.plan(facts, [*steps, *settings], rebuilds, grown)


def _initramfs_settings(facts: GuestFacts) -> list[Write]:
    steps: list[Write] = []
    text = facts.text(MODULES) or ""
    listed = {line.split()[0].replace("-", "_") for line in text.splitlines() if line.split() and line[0] != "#"}
    loadable = {name for kernel in facts.kernels for name in kernel.loadable}
    missing = [name for name in drivers.DRIVERS if name in loadable and name not in listed]
    if missing:
        start = text if not text or text.endswith("\n") else text + "\n"
        why = "EC2's disks and network interfaces, on Nitro and on Xen"
        steps.append(Write(MODULES, start + "".join(f"{name}\n" for name in missing), why))
    if _setting(facts, "MODULES") == "dep":
        why = "MODULES=dep takes the drivers of the machine it runs on, which is not the one to boot on"
        steps.append(Write(POLICY, "MODULES=most\n", why))
    return steps + _resume(facts)


def _resume(facts: GuestFacts) -> list[Write]:
    path = f"{CONFIG_DIRECTORY}/resume"
    text = facts.text(path)
    if text is None:
        return []
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        name, _, value = line.strip().partition("=")
        if name == "RESUME" and value not in ("none", "auto"):
            try:
                stable = devices.stable_name(value, facts)
            except devices.Unmatched:
                lines[number] = "RESUME=none\n"
            else:
                lines[number] = f"RESUME={stable}\n" if devices.is_unstable(value) else line
    new = "".join(lines)
    # No copy beside it: initramfs-tools reads every file in conf.d, whatever its name.
    why = f"the initramfs would wait for a device that EC2 has not ({text.strip()})"
    return [Write(path, new, why)] if new != text else []


def _setting(facts: GuestFacts, name: str) -> str:
    """The value that a setting of initramfs-tools has in the end: the last one read counts."""
    value = ""
    texts = [facts.text(MAIN_CONFIG) or "", *(file.text for file in facts.files_in(CONFIG_DIRECTORY))]
    for line in "\n".join(texts).splitlines():
        if line.strip().startswith(f"{name}="):
            value = line.partition("=")[2].strip().strip("\"'")
    return value


def _rebuild(kernel: Kernel, facts: GuestFacts) -> Rebuild:
    return Rebuild(
        kernel=kernel.version,
        initramfs=kernel.initramfs or f"/boot/initrd.img-{kernel.version}",
        # Not mkinitramfs: update-initramfs of older releases keeps a digest of what it made, and refuses at the guest's
        # next update to replace another one. It writes the image beside the old one and renames it. -c, since -u does
        # nothing with update_initramfs=no; -t takes over what is there (update-initramfs(8)).
        command=(UPDATE, "-c", "-t", "-k", kernel.version),
        modules=drivers.asked(kernel),
        unlocks=luks_at_boot.names(facts),
        tabled=True,
        why="it must find EC2's disks",
        keep=kernel.default and bool(kernel.initramfs),
    )
