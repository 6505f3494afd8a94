"""Which program is a Linux guest's init. Pure."""

from __future__ import annotations

from runner.guest.facts import GuestFacts

SYSTEMD = ("/lib/systemd/systemd", "/usr/lib/systemd/systemd")


def is_systemd(facts: GuestFacts) -> bool:
    """Whether it is systemd; else SysV init or Upstart."""
    return any(path in facts.paths for path in SYSTEMD)
