"""The kernel's command line as EC2 wants it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runner.guest import devices
from runner.guest.facts import GuestFacts, Kernel

# EC2 shows the serial port; the last console= is the one init writes to, and where systemd starts a getty.
_CONSOLES = ("console=tty0", "console=ttyS0,115200n8")
_LONGEST = 4294967295  # seconds, for NVMe: the largest number of 32 bits
_DEVICES = ("root", "resume", "boot")  # boot=: dracut(8), where FIPS mode checks the kernel
_TIMEOUT = re.compile(r"nvme(?:_core)?\.io_timeout=([0-9]{1,10})\Z")
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


def nvme_timeouts(kernels: Iterable[Kernel]) -> tuple[str, ...]:
    """The parameters that keep a slow EBS volume from being given up, one for each module that has it in a kernel.

    EC2 User Guide, "NVMe I/O operation timeout": the module is nvme before Linux 4.6, and the most it takes is 255
    before 4.15. Of the kernels with the same module the oldest decides, since all boot entries share one setting.
    """
    oldest: dict[str, tuple[int, int]] = {}
    for kernel in kernels:
        module = _nvme_module(kernel)
        oldest[module] = min(kernel.number, oldest.get(module, kernel.number))
    found = oldest or {"nvme_core": (6, 1)}
    return tuple(f"{name}.io_timeout={_LONGEST if found[name] >= (4, 15) else 255}" for name in sorted(found))


def _nvme_module(kernel: Kernel) -> str:
    """RHEL 7's 3.10 has the nvme_core of newer kernels; the number decides where no module is known."""
    had = {*kernel.loadable, *kernel.builtin}
    if "nvme_core" in had or "nvme" in had:
        return "nvme_core" if "nvme_core" in had else "nvme"
    return "nvme_core" if kernel.number >= (4, 6) else "nvme"


def wanted(facts: GuestFacts) -> tuple[str, ...]:
    """What every boot entry must say besides its root."""
    return (*_CONSOLES, "net.ifnames=0", *nvme_timeouts(facts.kernels))


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
    ours = () if any(word in _ELSEWHERE for word in words) else wanted(facts)
    kept = without_ours(words, facts, root=root)
    stated = {word.partition("=")[0] for word in kept}
    result = [*kept, *(word for word in ours if word.partition("=")[0] not in stated)]
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
        if word == "biosdevname=0" or (name in ours and _is_longer(word, ours[name])):
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


def _is_longer(word: str, ours: str) -> bool:
    stated, own = _TIMEOUT.match(word), _TIMEOUT.match(ours)
    return bool(stated and own and int(stated[1]) > int(own[1]))


def _is_lost(name: str, value: str, facts: GuestFacts) -> bool:
    """Whether dracut would wait for a logical volume or an array that is not there: dracut.cmdline(7); RHEL 6: rd_."""
    if name in ("rd.lvm.lv", "rd_LVM_LV"):
        return not any(fs.device == f"/dev/{value}" for fs in facts.file_systems)
    if name in ("rd.md.uuid", "rd_MD_UUID"):
        arrays = {_digits(fs.uuid) for fs in facts.file_systems if fs.type == "linux_raid_member"}
        return _digits(value) not in arrays
    return False


def _names_a_card(name: str, value: str) -> bool:
    """Whether the initramfs would set up the card of the old machine, or wait for it: dracut.cmdline(7)."""
    return name == "ifname" or (name == "ip" and ":" in value)


def _fixed_address(words: Iterable[str]) -> str:
    """The address of `ip=<address>:[<peer>]:<gateway>:...`; `ip=<interface>:dhcp` has none."""
    values = [value for value in _values(words, "ip") if value.count(":") >= 3]
    return next((value[: value.find("]") + 1] or value.partition(":")[0] for value in values), "")


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
