"""The one writer: does what was decided, in order, and looks at the result of every rebuild."""

from __future__ import annotations

from collections.abc import Sequence

from runner.guest.appliance import Appliance
from runner.guest.edits import KEPT, Aside, Edit, Rebuild, Step, Write, record
from runner.guest.kernels import packed_drivers
from runner.guest.refusals import InitramfsIncomplete

_SCRATCH = ("/var/tmp", "/tmp")


def apply(appliance: Appliance, steps: Sequence[Step]) -> tuple[Edit, ...]:
    """Do the steps in the mounted guest; the record of them. Raises `ConversionFailed`, `InitramfsIncomplete`."""
    for step in steps:
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
    return tuple(record(step) for step in steps)


def _rebuild(appliance: Appliance, step: Rebuild) -> None:
    for directory in _SCRATCH:
        appliance.cover(directory)
    appliance.run(step.command)
    for directory in _SCRATCH:
        appliance.uncover(directory)
    built = step.built or step.initramfs
    missing = set(step.modules) - set(packed_drivers(appliance, built, step.kernel))
    if missing:
        raise InitramfsIncomplete(step.initramfs, ", ".join(sorted(missing)))
    if step.keep and step.built and appliance.exists(step.initramfs) and not appliance.exists(step.initramfs + KEPT):
        appliance.rename(step.initramfs, step.initramfs + KEPT)
    if step.built:
        appliance.rename(step.built, step.initramfs)
