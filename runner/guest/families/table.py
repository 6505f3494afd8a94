"""The families of guests, one small module each: who a guest belongs to, and who decides about it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from runner.guest import verdict
from runner.guest.edits import Decision
from runner.guest.facts import GuestFacts, Options
from runner.guest.families import dracut, initramfs_tools, windows
from runner.guest.refusals import (
    EncryptedSystem,
    FamilyUnsupported,
    FirmwareMismatch,
    GuestUnknown,
    NoSpace,
    OsMismatch,
)
from runner.guest.services import selinux


@dataclass(frozen=True)
class Family:
    """A kind of guest: how to tell it, and what makes it boot on EC2."""

    name: str
    is_family: Callable[[GuestFacts], bool]
    decide: Callable[[GuestFacts, Options], Decision]


FAMILIES = (
    Family("initramfs-tools", initramfs_tools.is_family, initramfs_tools.decide),
    Family("dracut", dracut.is_family, dracut.decide),
    Family("windows", windows.is_family, windows.decide),
)


def decide(facts: GuestFacts, options: Options) -> Decision:
    """What is to be done to the guest. Raises the refusal that applies, so it is also the check before a run."""
    if facts.os == "unknown":
        opened = {volume.device for volume in facts.luks if volume.mapping}
        locked = [fs.device for fs in facts.file_systems if fs.type == "crypto_LUKS" and fs.device not in opened]
        if locked:
            raise EncryptedSystem(locked[0], "/", facts.keys, facts.why_locked)
        raise GuestUnknown(", ".join(f"{fs.device} {fs.type}" for fs in facts.file_systems) or "none")
    if options.os not in (None, facts.os):
        raise OsMismatch(str(options.os), facts.os)
    if facts.os == "windows":
        windows.check(facts)
    verdict.check(facts, options)
    family = next((each for each in FAMILIES if each.is_family(facts)), None)
    if family is None:
        raise FamilyUnsupported(facts.product)
    if options.firmware not in facts.firmwares:
        raise FirmwareMismatch(options.firmware, " and ".join(facts.firmwares) or "no firmware of a PC")
    decision = family.decide(facts, options)
    free = {mount.point: mount.free for mount in facts.mounts}
    for point, needed in decision.needs:
        if free[point] < needed:
            raise NoSpace(point, free[point], needed)
    return replace(decision, steps=(*decision.steps, *selinux.decide(facts, decision.steps)))
