"""The one writer: does what was decided, in order, and looks at the result of every rebuild."""

from __future__ import annotations

from collections.abc import Sequence

from runner.guest.appliance import Appliance
from runner.guest.edits import KEPT, Aside, Copy, Edit, Link, Move, Note, Rebuild, Relabel, Step, Write, record
from runner.guest.initramfs import lacking
from runner.guest.refusals import ConversionFailed, InitramfsIncomplete
from runner.guest.services.selinux import AUTORELABEL, RELABELS_AT_BOOT
from runner.guest.windows import writer
from runner.guest.windows.kit import Bundle
from runner.guest.windows.steps import WindowsStep

_SCRATCH = ("/var/tmp", "/tmp")


def apply(appliance: Appliance, steps: Sequence[Step], root: str, bundle: Bundle | None) -> tuple[Edit, ...]:
    """Do the steps in the mounted guest; the record of them.

    `root` is the device of the guest's system, `bundle` where files for a Windows guest lie. Raises `ConversionFailed`,
    `InitramfsIncomplete`, and what `windows.writer` raises.
    """
    own = [step for step in steps if isinstance(step, WindowsStep)]
    edits = [record(step) for step in writer.apply(appliance, own, root, bundle)]
    for step in steps:
        if isinstance(step, WindowsStep):
            continue
        edit = record(step)
        match step:
            case Write(path, text, _, keep, mode, suffix):
                if keep and appliance.exists(path) and not appliance.exists(path + suffix):
                    appliance.copy(path, path + suffix)
                appliance.write(path, text)
                if mode is not None:
                    appliance.chmod(path, mode)
            case Aside(path, _, suffix):
                appliance.rename(path, path + suffix)
            case Rebuild():
                _rebuild(appliance, step)
            case Copy(path, source, _):
                directory = path.rpartition("/")[0]
                if not appliance.exists(directory):
                    appliance.make_directory(directory)
                appliance.copy(source, path)
            case Move(path, to, _):
                appliance.rename(path, to)
            case Link(path, target, _):
                appliance.make_link(path, target)
            case Relabel():
                edit = _relabel(appliance, step)
            case Note():
                pass
        edits.append(edit)
    return tuple(edits)


def _relabel(appliance: Appliance, step: Relabel) -> Edit:
    try:
        appliance.run((*step.command, *step.paths))
    except ConversionFailed as failed:
        # A policy that the guest's own tool cannot read: its init does it, as after a policy was installed.
        appliance.write(AUTORELABEL, "")
        return Edit(AUTORELABEL, "rewritten", f"{RELABELS_AT_BOOT} ({failed.said})")
    return record(step)


def _rebuild(appliance: Appliance, step: Rebuild) -> None:
    kept = step.initramfs + KEPT
    keeps = step.keep and not appliance.exists(kept)
    if keeps and not step.built:
        appliance.rename(step.initramfs, kept)
    for directory in _SCRATCH:
        appliance.cover(directory)
    appliance.run(step.command)
    built = step.built or step.initramfs
    if missing := lacking(appliance, built, step):
        raise InitramfsIncomplete(step.initramfs, ", ".join(sorted(missing)))
    if step.built:
        if keeps:
            appliance.rename(step.initramfs, kept)
        appliance.rename(step.built, step.initramfs)
    for directory in _SCRATCH:
        appliance.uncover(directory)
