"""/etc/default/grub and its snippets: what the guest's next grub-mkconfig writes into grub.cfg. Pure.

grub-mkconfig itself is never run: in the appliance it would look at the appliance's devices and firmware, and its
os-prober at the appliance's disks.
"""

from __future__ import annotations

import re
import shlex

from runner.guest.boot import kernel_line
from runner.guest.edits import Step, Write
from runner.guest.facts import GuestFacts

DEFAULTS = "/etc/default/grub"
SNIPPETS = "/etc/default/grub.d"  # Debian and Ubuntu: read after it, by name
FILES = (DEFAULTS,)
DIRECTORIES = ((SNIPPETS, r".+\.cfg"),)
_BY_DEVICE = re.compile(r"\s*(?:export\s+)?(GRUB_DISABLE_LINUX_UUID|GRUB_DISABLE_UUID)=[\"']?true")
_COMMAND_LINE = "GRUB_CMDLINE_LINUX"


def decide(facts: GuestFacts) -> list[Step]:
    """The edits, none where nothing is left to do or grub-mkconfig is not used."""
    main = facts.text(DEFAULTS)
    if main is None:
        return []
    steps: list[Step] = []
    why = "the next grub-mkconfig must write the same"
    if (new := _changed(main, facts, main=True)) != main:
        steps.append(Write(DEFAULTS, new, why, keep=True))
    for file in facts.files_in(SNIPPETS):
        if (new := _changed(file.text, facts, main=False)) != file.text:
            steps.append(Write(file.path, new, why, keep=True))  # the copy's name does not end in .cfg
    return steps


def _changed(text: str, facts: GuestFacts, *, main: bool) -> str:
    lines = text.splitlines(keepends=True)
    ours = not main  # whether the line that gets our words was seen, or is in the main file
    for number, line in enumerate(lines):
        if _BY_DEVICE.match(line):
            lines[number] = "#" + line
        elif line.startswith((f"{_COMMAND_LINE}=", f"{_COMMAND_LINE}_DEFAULT=")):
            name, _, value = line.partition("=")
            words = _words(value)
            if name == _COMMAND_LINE:
                ours = True
                changed = kernel_line.on_ec2(words, facts, root=False)
            else:
                changed = kernel_line.without_ours(words, facts)
            if changed != words:
                lines[number] = f'{name}="{" ".join(changed)}"\n'
    if not ours:
        lines.append(f'{_COMMAND_LINE}="{" ".join(kernel_line.wanted(facts))}"\n')
    return "".join(lines)


def _words(value: str) -> list[str]:
    try:
        return " ".join(shlex.split(value, comments=True)).split()
    except ValueError:  # an unbalanced quote: the shell would have failed too
        return value.strip().strip("\"'").split()
