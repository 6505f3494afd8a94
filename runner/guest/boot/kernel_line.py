"""The kernel's command line as EC2 wants it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runner.guest import devices, luks_at_boot
from runner.guest.boot import nvme
from runner.guest.facts import GuestFacts

# EC2 shows the serial port; the last console= is the one init writes to, and where systemd starts a getty.
_CONSOLES = ("console=tty0", "console=ttyS0,115200n8")
_DEVICES = ("root", "resume", "boot")  # boot=: dracut(8), where FIPS mode checks the kernel
_FIXED = re.compile(r"(\[[^\]]*\]|[0-9]{1,3}(?:\.[0-9]{1,3}){3})(?::|\Z)")
# Words that bring a command line from elsewhere, where it is changed: RHEL 8's BLS entries, Debian's "# kopt=".
_ELSEWHERE = ("$kernelopts", "${kernelopts}", "$GRUB_CMDLINE_LINUX", "${GRUB_CMDLINE_LINUX}")


@dataclass(frozen=True)
class Line:
    """A command line after the change.

    `own` says that its root is this guest's; `lost` is the word for a device that means none of the guest's, `why` the
    reason; `address` is one that it fixed before; `elsewhere` says that other words come from a variable.
    """

    words: tuple[str, ...]
    own: bool
    lost: str = ""
    why: str = ""
    address: str = ""
    elsewhere: bool = False


def wanted(facts: GuestFacts) -> tuple[str, ...]:
    """What every boot entry must say besides its root."""
    return (*_CONSOLES, "net.ifnames=0", *nvme.timeouts(facts.kernels))


def changed(words: Sequence[str], facts: GuestFacts) -> Line:
    """A boot entry's command line for EC2; unchanged where it starts another system than this one, or none."""
    lost, why = _lost(words, facts)
    if lost:
        return Line(tuple(words), False, lost, why)
    own = any(devices.is_device(root) and "$" not in root for root in _values(words, "root"))
    elsewhere = any(word in _ELSEWHERE for word in words)
    return Line(tuple(on_ec2(list(words), facts, root=True)), own, "", "", _fixed_address(words), elsewhere)


def on_ec2(words: list[str], facts: GuestFacts, *, root: bool) -> list[str]:
    """The words of a command line, changed for EC2. With `root`, `root=` is rewritten; without it is dropped."""
    kept = without_ours(words, facts, root=root)
    stated = {word.partition("=")[0] for word in kept}
    result = kept
    if not any(word in _ELSEWHERE for word in words):
        ours = [word for word in wanted(facts) if word.partition("=")[0] not in stated]
        result = [*kept, *ours, *luks_at_boot.words(kept, facts)]
    same = sorted(result) == sorted(words) and list(_values(words, "console")) == list(_values(result, "console"))
    return words if same else result


def without_ours(words: Sequence[str], facts: GuestFacts, *, root: bool = False) -> list[str]:
    """The words that stay: no console, no parameter that `wanted` sets, no device that EC2 lacks.

    A longer NVMe timeout than ours stays: Amazon Linux 2's 4.14 takes more than 255. So does biosdevname=0.
    """
    ours = {word.partition("=")[0]: word for word in ("biosdevname", "nvme.io_timeout", *wanted(facts))}
    # A lost resume= would make the initramfs wait 30 s, a lost rd.* three minutes.
    lost = {name for name in ("resume",) for value in _values(words, name) if not devices.is_known(value, facts)}
    if lost:
        lost.add("resume_offset")
    kept: list[str] = []
    for word in words:
        name, _, value = word.partition("=")
        if word == "biosdevname=0" or (name in ours and nvme.is_longer(word, ours[name])):
            kept.append(word)
            continue
        if name in ours or name in lost or _is_lost(name, value, facts) or _names_a_card(name, value):
            continue
        if name in _DEVICES and devices.is_unstable(value):
            kept += _stable(name, value, facts) if root or name != "root" else []
        elif name == "rootflags":
            # btrfs(5): the other disks of a file system are found without being named.
            parts = [part for part in value.split(",") if not devices.is_unstable(part.removeprefix("device="))]
            kept += [f"rootflags={','.join(parts)}"] if parts else []
        else:
            kept.append(word)
    return kept


def _is_lost(name: str, value: str, facts: GuestFacts) -> bool:
    """Whether dracut would wait for a volume, an array or an encrypted partition that is not there.

    dracut.cmdline(7), with rd_ in RHEL 6: the start of a LUKS UUID is enough, and it may have luks- before it. RHEL 6's
    rd_LUKS_UUID stays: without one it asks for the passphrase of every such partition.
    """
    match name:
        case "rd.lvm.lv" | "rd_LVM_LV":
            return not any(fs.device == f"/dev/{value}" for fs in facts.file_systems)
        case "rd.lvm.vg" | "rd_LVM_VG":
            return value not in facts.groups
        case "rd.md.uuid" | "rd_MD_UUID":
            return _digits(value) not in _uuids("linux_raid_member", facts)
        case "rd.luks.uuid" | "rd.luks.name":  # <uuid>=<name>
            start = _digits(value.removeprefix("keysource:").removeprefix("luks-").partition("=")[0])
            return not any(uuid.startswith(start) for uuid in _uuids("crypto_LUKS", facts))
    return False


def _uuids(type: str, facts: GuestFacts) -> set[str]:
    return {_digits(fs.uuid) for fs in facts.file_systems if fs.type == type}


def _names_a_card(name: str, value: str) -> bool:
    """Whether the initramfs would set up the card of the old machine, or wait for it: dracut.cmdline(7)."""
    return name == "ifname" or (name == "ip" and (":" in value or bool(_FIXED.match(value))))


def _fixed_address(words: Iterable[str]) -> str:
    """The address of `ip=<address>:[<peer>]:<gateway>:...`, its end may be left off (the kernel's nfsroot.rst).

    `ip=<interface>:dhcp` has none.
    """
    return next((found[1] for value in _values(words, "ip") if (found := _FIXED.match(value))), "")


def _digits(uuid: str) -> str:
    return uuid.lower().replace("-", "").replace(":", "")


def _stable(name: str, value: str, facts: GuestFacts) -> list[str]:
    try:
        return [f"{name}={devices.stable_name(value, facts)}"]
    except devices.Unmatched:
        return []


def _lost(words: Sequence[str], facts: GuestFacts) -> tuple[str, str]:
    """The word without whose device the system does not come up, and why it does not; empty when all is there."""
    last = dict(word.partition("=")[::2] for word in words)  # of several, it is the last that counts
    for name in ("root", "boot"):
        value = last.get(name, "")
        if not devices.is_device(value) or "$" in value:  # a variable of GRUB
            continue
        try:
            found = devices.find(value, facts)
            if name == "root" and found.device != facts.root:
                raise devices.Unmatched(f"it leads to {found.device}, but the system lies on {facts.root}")
            if devices.is_unstable(value):
                devices.stable_name(value, facts)
        except devices.Unmatched as unmatched:
            return f"{name}={value}", str(unmatched)
    return "", ""


def _values(words: Iterable[str], name: str) -> Iterable[str]:
    return (word.partition("=")[2] for word in words if word.startswith(f"{name}="))
