"""All that conversion changes in a guest's SYSTEM hive, but for the first boot's own entry. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from runner.guest.windows import services, settings, storage
from runner.guest.windows.changes import Change
from runner.guest.windows.driver import Driver
from runner.guest.windows.facts import Registry


def decide(registry: Registry, drivers: Sequence[Driver]) -> tuple[Change, ...]:
    """The changes, in order. `drivers` are the boot drivers out of the bundle, as their INF files describe them."""
    return (
        *(change for driver in drivers for change in services.boot_driver(registry.control_set, driver)),
        *storage.known_devices(registry, drivers),
        *services.in_box(registry),
        *services.vmware_off(registry),
        *settings.machine(registry),
    )
