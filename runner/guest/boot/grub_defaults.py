"""/etc/default/grub and its snippets: what the guest's next grub-mkconfig writes into grub.cfg. Pure.

grub-mkconfig itself is never run: in the appliance it would look at the appliance's devices and firmware, and its
os-prober at the appliance's disks.
"""

from __future__ import annotations

import re

from runner.guest import devices, luks_at_boot
from runner.guest.boot import kernel_line
from runner.guest.edits import Note, Step, Write
from runner.guest.facts import GuestFacts

DEFAULTS = "/etc/default/grub"
SNIPPETS = "/etc/default/grub.d"  # Debian and Ubuntu: read after it, by name
_INSTALL_DEVICES = "/etc/default/grub_installdevice"  # SUSE: where update-bootloader(8) puts GRUB, a device a line
FILES = (DEFAULTS, _INSTALL_DEVICES)
DIRECTORIES = ((SNIPPETS, r".+\.cfg"),)
_BY_DEVICE = re.compile(r"\s*(?:export\s+)?(GRUB_DISABLE_LINUX_UUID|GRUB_DISABLE_UUID)=[\"']?true")
_COMMAND_LINE = "GRUB_CMDLINE_LINUX"
# One word of a shell in which nothing is special, but for the setting's own value of before that it may start with.
_PLAIN = re.compile(
    rf"""(?P<name>{_COMMAND_LINE}(?:_DEFAULT)?)="""
    r"""(?:"(?P<double>(?:\$\{?(?P=name)\}?(?=["\ ]))?[^\\$`"]*)"|"""
    r"""'(?P<single>[^\\$`"']*)'|(?P<bare>[^\\$`"'\s;&|<>()#]*))"""
    r"""(?P<after>[ \t]*(?:[ \t]#.*)?\n?)"""
)
_SET = re.compile(rf"\s*(?:export\s+)?{_COMMAND_LINE}\+?=")


def decide(facts: GuestFacts) -> list[Step]:
    """The edits and what is left to the operator; no edits where nothing is left to do or grub-mkconfig is not used."""
    main = facts.text(DEFAULTS)
    steps: list[Step] = []
    installed_on = [line.strip() for line in (facts.text(_INSTALL_DEVICES) or "").splitlines()]
    if lost := next(filter(devices.is_unstable, installed_on), None):
        # Told alone: no name of the boot disk is the same on Nitro and on Xen.
        why = f"the guest's next GRUB would go to {lost}, which EC2 has not: name its boot disk here"
        steps.append(Note(_INSTALL_DEVICES, why))
    if main is None:
        return steps
    why = "the next grub-mkconfig must write the same"
    if (new := _changed(main, facts, main=True)) != main:
        steps.append(Write(DEFAULTS, new, why, keep=True))
    for file in facts.files_in(SNIPPETS):
        if (new := _changed(file.text, facts, main=False)) != file.text:
            steps.append(Write(file.path, new, why, keep=True))  # the copy's name does not end in .cfg
    return steps


def _changed(text: str, facts: GuestFacts, *, main: bool) -> str:
    lines = text.splitlines(keepends=True)
    wanted = " ".join((*kernel_line.wanted(facts), *luks_at_boot.words((), facts)))
    added = f'{_COMMAND_LINE}="${_COMMAND_LINE} {wanted}"\n'
    ours, named = not main, False  # whether the setting has our words so far, and whether the file sets it at all
    for number, line in enumerate(lines):
        plain = _PLAIN.fullmatch(line)
        if _BY_DEVICE.match(line):
            lines[number] = "#" + line
        elif line == added:
            ours = True
        elif plain:
            words = (plain["double"] or plain["single"] or plain["bare"] or "").split()
            if plain["name"] == _COMMAND_LINE:
                changed = kernel_line.on_ec2(words, facts, root=False)
                ours = ours or not any(word.startswith("$") for word in words[:1])
            else:
                changed = kernel_line.without_ours(words, facts)
            if changed != words:
                lines[number] = f'{plain["name"]}="{" ".join(changed)}"{plain["after"]}'
        elif _SET.match(line):
            ours = False  # several lines, a program's output, quotes in quotes: left to the shell, and added to
        named = named or bool(_SET.match(line))
    if not ours:
        ended = not lines or lines[-1].endswith("\n")
        lines += ["" if ended else "\n", added if named else f'{_COMMAND_LINE}="{wanted}"\n']
    return "".join(lines)
