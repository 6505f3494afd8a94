"""A starter spec as YAML text: what is known, and `# not known:` where the user must say it. Pure."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

from runner.starter.machine import StarterDisk, StarterMachine
from schemas.location import is_local

MARK = "# not known:"
_GIB = 1 << 30
_NAME_MOST = 40
_WORDS_MOST = 120  # characters of a file's own words in a comment


def starter_text(machine: StarterMachine, folder: str = "") -> str:
    """The spec. `folder` is where it will be: disks below it are named relative to it, others absolutely."""
    return "\n".join(_lines(machine, folder)) + "\n"


def _lines(machine: StarterMachine, folder: str) -> Iterator[str]:
    yield "# A starter spec: fill in what is marked, then run `hotadd validate` on it."
    yield from (f"# {_plain(sentence)}" for sentence in _facts(machine))
    yield "version: 1"
    yield f"name: {_name(machine.name)}"
    yield f'region: ""  {MARK} the AWS region, for example eu-central-1'
    yield f'availability_zone: ""  {MARK} the zone of volumes, access node and destination, for example eu-central-1a'
    yield ""
    yield "source:"
    if machine.os:
        yield f"  os: {machine.os}"
    else:
        yield f"  os: linux  {MARK} linux or windows; `hotadd inspect` tells"
    if machine.firmware and not machine.firmware_from:
        yield f"  firmware: {machine.firmware}"
    else:
        why = f" ({_plain(machine.firmware_from)})" if machine.firmware_from else ""
        yield f"  firmware: {machine.firmware or 'bios'}  {MARK} bios or uefi{why}; `hotadd inspect` tells"
    yield "  disks:"
    boots = next((at for at, disk in enumerate(machine.disks) if disk.boots), None)
    for at, disk in enumerate(machine.disks):
        yield from _disk(disk, at, boots, folder)
    yield ""
    yield "network: keep  # dhcp, if the guest has fixed addresses that it may lose"
    yield ""
    yield "access_node:"
    yield f'  instance_id: ""  {MARK} the access node, for example i-0123456789abcdef0'
    yield ""
    yield "destination:"
    yield f'  instance_type: ""  {MARK} for example m6i.large'
    yield f'  shell_ami: ""  {MARK} an AMI of the same platform, architecture and boot mode'
    yield f'  subnet_id: ""  {MARK} a subnet in the zone'
    yield ""
    yield "backend:"
    yield "  local:"
    yield "    path: hotadd-state"


def _facts(machine: StarterMachine) -> Iterator[str]:
    if machine.guest:
        yield f"Guest: {machine.guest}."
    if machine.memory or machine.cpus:
        yield f"It has {machine.cpus or '?'} processors and {machine.memory // (1 << 20) or '?'} MiB of memory."
    for network in machine.networks:
        yield f"Network: {network}."
    yield from machine.notes


def _disk(disk: StarterDisk, at: int, boots: int | None, folder: str) -> Iterator[str]:
    place = f"  # {_plain(disk.attached)}" if disk.attached else ""
    yield f"    - id: {'root' if at == (boots or 0) else f'data{at}'}{place}"
    yield f"      path: {_quoted(_path(disk.location, folder))}"
    if disk.format != "raw" or not disk.format_known:
        why = f"  {MARK} raw, vmdk, qcow2, vhd or vhdx" if not disk.format_known else ""
        yield f"      format: {disk.format}{why}"
    if disk.member:
        yield f"      member: {_quoted(disk.member)}"
    if disk.size:
        yield f"      size_gib: {-(-disk.size // _GIB)}"
    else:
        yield f"      size_gib: 1  {MARK} the disk's size in GiB, rounded up"
    if at == (boots or 0):
        why = "" if boots is not None else f"  {MARK} which disk boots; this is the first that the firmware finds"
        yield f"      boot: true{why}"


def _name(words: str) -> str:
    """A name of the spec's pattern, near to what the machine is called."""
    name = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
    if not name[:1].isalpha() or name in ("true", "false", "null"):  # the last are no text in YAML
        name = f"vm-{name}".strip("-")
    return name[:_NAME_MOST].rstrip("-")


def _path(location: str, folder: str) -> str:
    if not is_local(location):
        return location
    whole = os.path.abspath(location)
    if folder:
        near = os.path.relpath(whole, os.path.abspath(folder))
        if not near.startswith(".."):
            return near
    return whole


def _quoted(value: str) -> str:
    """Plain where YAML reads it as the text it is, else in JSON's quotes, which are YAML's too."""
    return value if re.fullmatch(r"[A-Za-z/][A-Za-z0-9/_-]*[./][A-Za-z0-9/_.-]*", value) else json.dumps(value)


def _plain(words: str) -> str:
    """A file's own words for a comment: one line, printable, not too long."""
    return "".join(c if c.isprintable() else " " for c in words)[:_WORDS_MOST]
