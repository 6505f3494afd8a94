"""The power of one instance: whether a guest runs in it, and what its status checks say."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from runner.lab.capture import has_life
from runner.lab.journal import write_line
from runner.lab.layout import Layout
from runner.lab.machine import OVMF_VARS, Machine, command
from runner.lab.vm import Vm


class Power:
    """Off, on with a guest, or on without one (a shell whose root is blank has nothing to boot)."""

    def __init__(self, layout: Layout, instance_id: str) -> None:
        self._layout = layout
        self._id = instance_id
        self._vm: Vm | None = None
        self._mac = ""
        self._since = 0.0
        self._alive = False
        self.forced = False  # StopInstances with Force

    def belongs(self, vm: Vm) -> bool:
        return self._vm is vm

    @property
    def guest_runs(self) -> bool:
        return self._vm is not None and self._vm.running

    def on(self, machine: Machine | None, on_exit: Callable[[Vm, int, str], None]) -> None:
        """Start a guest; with none, the instance just counts as reachable."""
        self._since, self._alive, self.forced = time.monotonic(), machine is None, False
        if machine is None:
            return
        home = self._layout.instance(self._id)
        home.mkdir(parents=True, exist_ok=True)
        machine.capture.unlink(missing_ok=True)
        if machine.console.exists():
            machine.console.replace(machine.console.with_suffix(".previous.log"))
        if machine.efi_variables is not None and not machine.efi_variables.exists():
            shutil.copyfile(OVMF_VARS, machine.efi_variables)
        self._mac = machine.network.mac
        self._note("boot", disks=[disk.serial for disk in machine.disks])
        self._vm = Vm(command(machine), home / "qemu.log", on_exit)

    def off(self, patience: float) -> None:
        """Shut the guest down, by force after `patience` seconds (at once if the stop is a forced one)."""
        vm, self._vm = self._vm, None
        if vm is not None:
            vm.stop(0 if self.forced else patience)
            self._note("power-off")

    def lost(self) -> None:
        """The guest has ended by itself."""
        self._vm = None
        self._note("guest-ended")

    def reset(self) -> None:
        if self._vm is not None:
            self._vm.reset()

    def reachability(self, patience: float) -> str:
        """`passed`, `initializing`, or `failed` after `patience` silent seconds, as in DescribeInstanceStatus."""
        if not self._alive and has_life(self._layout.capture(self._id), self._mac):
            self._alive = True
        if self._alive:
            return "passed"
        return "initializing" if time.monotonic() - self._since < patience else "failed"

    def _note(self, event: str, **fields: object) -> None:
        write_line(self._layout.device_log, event=event, instance=self._id, **fields)


def efi_variables(layout: Layout, instance_id: str) -> Path:
    """The instance's own copy of the UEFI variables; it outlives a stop, as on EC2."""
    return layout.instance(instance_id) / "efi-variables.fd"
