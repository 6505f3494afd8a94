"""GRUB 2: what update-grub reads (/etc/default/grub) and what it wrote (grub.cfg). Pure.

Both are edited: grub.cfg is what boots next, and running update-grub in the appliance would look at the appliance's
devices; /etc/default/grub is what the guest's next kernel update reads.
"""

from __future__ import annotations

import re
import shlex

from runner.guest import devices, kernel_line
from runner.guest.edits import Aside, Step, Write
from runner.guest.facts import GuestFacts, TextFile
from runner.guest.refusals import BootLoaderUnknown, DeviceUnmatched

CONFIGS = ("/boot/grub/grub.cfg", "/boot/grub2/grub.cfg")
DEFAULTS = "/etc/default/grub"
DEVICE_MAP = "/boot/grub/device.map"
_LINUX = re.compile(r"(\s*linux(?:16|efi)?\s+\S+)((?:[ \t]+.*)?)(\n?)\Z")
_BY_DEVICE = re.compile(r"\s*(?:export\s+)?(GRUB_DISABLE_LINUX_UUID|GRUB_DISABLE_UUID)=[\"']?true")
_COMMAND_LINE = "GRUB_CMDLINE_LINUX"


def decide(facts: GuestFacts) -> list[Step]:
    """The edits to GRUB's files. Raises `BootLoaderUnknown` without a grub.cfg, `DeviceUnmatched` on a lost root."""
    configs = [file for file in facts.files if file.path in CONFIGS]
    if not configs:
        raise BootLoaderUnknown(facts.product, ", ".join(CONFIGS))
    steps: list[Step] = []
    why = "the root by UUID, a serial console, EC2's disk timeout, and network interfaces named eth0, eth1, ..."
    for file in configs:
        new = "".join(_config_line(file, number, facts) for number in range(len(file.text.splitlines())))
        if new != file.text:
            steps.append(Write(file.path, new, why, keep=True))
    defaults = facts.text(DEFAULTS)
    if defaults is not None and (new := _defaults(defaults, facts)) != defaults:
        steps.append(Write(DEFAULTS, new, "the next update-grub must write the same", keep=True))
    device_map = facts.text(DEVICE_MAP)
    if device_map is not None and any(devices.is_unstable(word) for word in device_map.split()):
        steps.append(Aside(DEVICE_MAP, "it names VMware's disks; without it GRUB looks for itself"))
    return steps


def _config_line(file: TextFile, number: int, facts: GuestFacts) -> str:
    line = file.text.splitlines(keepends=True)[number]
    match = _LINUX.match(line)
    if match is None:
        return line
    command, arguments, end = match.groups()
    words = arguments.split()
    try:
        changed = kernel_line.on_ec2(words, facts, root=True)
    except devices.Unmatched as unmatched:
        named = next(word for word in words if word.startswith("root="))
        raise DeviceUnmatched(file.path, number + 1, named, str(unmatched)) from unmatched
    return line if changed == words else f"{command} {' '.join(changed)}{end}"


def _defaults(text: str, facts: GuestFacts) -> str:
    lines = text.splitlines(keepends=True)
    ours = None
    for number, line in enumerate(lines):
        if _BY_DEVICE.match(line):
            lines[number] = "#" + line
        elif line.startswith((f"{_COMMAND_LINE}=", f"{_COMMAND_LINE}_DEFAULT=")):
            name, _, value = line.partition("=")
            words = _words(value)
            if name == _COMMAND_LINE:
                ours = number
                changed = kernel_line.on_ec2(words, facts, root=False)
            else:
                changed = kernel_line.without_ours(words, facts)
            if changed != words:
                lines[number] = f'{name}="{" ".join(changed)}"\n'
    if ours is None:
        lines.append(f'{_COMMAND_LINE}="{" ".join(kernel_line.wanted(facts))}"\n')
    return "".join(lines)


def _words(value: str) -> list[str]:
    try:
        return " ".join(shlex.split(value, comments=True)).split()
    except ValueError:  # an unbalanced quote: the shell would have failed too
        return value.strip().strip("\"'").split()
