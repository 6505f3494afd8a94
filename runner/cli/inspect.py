"""hotadd inspect."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from runner.aws.account import Account
from runner.guest.facts import Firmware
from runner.guest.luks_keys import read_keys
from runner.phases.look import Given, look, members_of
from schemas.document import write_document
from schemas.errors import DONE, REFUSED
from schemas.inspection import Inspection

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_FIRMWARES: dict[str, Firmware] = {"bios": "bios", "uefi": "uefi"}


@app.callback()
def _group() -> None:
    """Look at guests."""


@app.command("inspect")
def inspect_command(
    image: Annotated[str, typer.Argument(help="The disk, or OVA or OVF: a path, s3://bucket/key, or an nbd:// URI.")],
    format: Annotated[str, typer.Option(help="raw, vmdk, ova, ovf, qcow2, vhd or vhdx; it is never guessed.")] = "raw",
    member: Annotated[str, typer.Option(help="One disk's file name in an OVA or OVF (default: all of them).")] = "",
    disk: Annotated[list[str] | None, typer.Option(help="A further disk of the machine, of the same format.")] = None,
    boot: Annotated[int, typer.Option(min=1, help="Which of the disks boots, counted from 1.")] = 1,
    firmware: Annotated[str | None, typer.Option(help="bios or uefi (default: as the disk is laid out).")] = None,
    luks_key: Annotated[
        list[Path] | None, typer.Option(help="A file with a passphrase for LUKS volumes. May be repeated.")
    ] = None,
    region: Annotated[str, typer.Option(help="AWS region of the request for an s3:// image.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON, as schemas/inspection.schema.json has it.")] = False,
) -> None:
    """What a guest is, and whether hotadd can make it boot on EC2. Nothing is changed. Exit code 3: it cannot."""
    if firmware is not None and firmware not in _FIRMWARES:
        raise typer.BadParameter(f"{firmware} is none of bios, uefi", param_hint="--firmware")
    keys = read_keys(luks_key or ())
    account = Account(region or os.environ.get("AWS_REGION") or "us-east-1")
    given = [Given(image, format, member)]
    if format in ("ova", "ovf") and not member:
        given = list(members_of(image, format, account))
    given += [Given(location, format) for location in disk or ()]
    if boot > len(given):
        raise typer.BadParameter(f"there are {len(given)} disks", param_hint="--boot")
    found = look(given, boot - 1, _FIRMWARES[firmware] if firmware else None, account, keys)
    if as_json:
        typer.echo(write_document(found, "inspection"), nl=False)
    else:
        for line in _lines(found):
            # A guest's own words must not drive the terminal.
            typer.echo("".join(c if c.isprintable() else "?" for c in line))
    raise typer.Exit(DONE if found.supported else REFUSED)


def _lines(found: Inspection) -> Iterator[str]:
    edition = f", {found.edition}" if found.edition else ""
    yield f"{found.product} ({found.os}{edition}), laid out for {' and '.join(found.firmwares) or 'no known firmware'}"
    yield f"support matrix: {found.row or 'not in it'}"
    for at, disk in enumerate(found.disks):
        name = f"{disk.location} {disk.member}".strip()
        yield f"disk {at + 1}: {name}, {disk.format}, {disk.bytes:,} bytes, {disk.partition_table or 'no'} partitions"
    if found.volume_groups:
        yield f"volume groups: {', '.join(found.volume_groups)}"
    yield "file systems:"
    for fs in found.file_systems:
        where = f" on {fs.mounted_at} ({fs.bytes_free:,} bytes free)" if fs.mounted_at else ""
        yield f"  {fs.device}: {fs.type or 'unknown'} {fs.uuid} {fs.label}".rstrip() + where
    for kernel in found.kernels:
        default = ", boots by default" if kernel.default else ""
        yield f"kernel {kernel.version} ({kernel.initramfs or 'no initramfs'}{default}):"
        for driver in kernel.drivers:
            packed = ", in the initramfs" if driver.in_initramfs else ""
            yield f"  {driver.name}: {driver.place}{packed}"
    yield f"boot loader: {', '.join(found.boot_loaders) or 'none found'}"
    yield f"network: {', '.join(found.network) or 'none found'}"
    yield f"agents: {', '.join(found.agents) or 'none found'}"
    yield f"encryption: {', '.join(found.encryption) or 'none found'}"
    for change in found.changes:
        yield f"would change {change.path}: {change.action} ({change.why})"
    yield f"verdict: {'supported' if found.supported else 'not supported'} with {found.firmware}"
    yield from (f"  because: {reason}" for reason in found.reasons)
    for one in found.hypervisors:
        yield f"  {one.name}: {'boots' if one.boots else 'does not boot, ' + one.reason}"
    yield from (f"  advice: {advice}" for advice in found.advice)
