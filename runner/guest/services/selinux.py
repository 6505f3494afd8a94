"""SELinux labels of the files that conversion writes. Pure.

The appliance's kernel knows no policy, so a file made in it has no label, and services of an enforcing guest may not
read it. setfiles(8) labels single files from a file of contexts, without a running SELinux.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.guest.edits import Aside, Move, Note, Rebuild, Relabel, Step, Write
from runner.guest.facts import GuestFacts, TextFile
from runner.guest.network.shape import settings

CONFIG = "/etc/selinux/config"
AUTORELABEL = "/.autorelabel"
RELABELS_AT_BOOT = "SELinux: the guest labels all its files at the first boot, which takes long, and boots once more"
_TOOLS = ("/usr/sbin/setfiles", "/sbin/setfiles")
# selinux_config(5): SELINUXTYPE names the policy's directory. Those of RHEL, SLES, Debian and Ubuntu.
_POLICIES = ("targeted", "minimum", "mls", "strict", "default", "ubuntu", "refpolicy")
_CONTEXTS = tuple(f"/etc/selinux/{policy}/contexts/files/file_contexts" for policy in _POLICIES)

FILES = (CONFIG,)
PATHS = (*_TOOLS, *_CONTEXTS, AUTORELABEL)


def decide(facts: GuestFacts, steps: Sequence[Step]) -> list[Step]:
    """The last step of all: labels for what the others write, unless the guest labels all its files at boot anyway."""
    config = facts.text(CONFIG)
    written = [path for step in steps for path in _written(step) if _keeps_labels(path, facts)]
    if config is None or not written or AUTORELABEL in facts.paths:
        return []
    said = {setting.key: setting.value for setting in settings(TextFile(CONFIG, config))}
    if said.get("SELINUX", "disabled") not in ("enforcing", "permissive"):
        return []
    contexts = f"/etc/selinux/{said.get('SELINUXTYPE', 'targeted')}/contexts/files/file_contexts"
    tool = next((path for path in _TOOLS if path in facts.paths), None)
    if tool is None or contexts not in facts.paths:
        return [Write(AUTORELABEL, "", RELABELS_AT_BOOT)]
    why = "SELinux: a file without its label may not be read by services"
    return [Relabel(contexts, (tool, "-F", contexts), tuple(dict.fromkeys(written)), why)]


def _keeps_labels(path: str, facts: GuestFacts) -> bool:
    """Whether the file system has labels; the EFI partition's has none, and setfiles would fail there."""
    device = facts.mount_of(path).device
    return all(fs.type != "vfat" for fs in facts.file_systems if fs.device == device)


def _written(step: Step) -> tuple[str, ...]:
    """The files that a step makes or changes. One that is moved takes its label along."""
    match step:
        case Aside() | Move() | Relabel() | Note():
            return ()
        case Rebuild(_, initramfs):
            return (initramfs,)
        case _:
            return (step.path,)
