"""hotadd history: the generations of a replication, from its manifests alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from runner.cli.job import manifests_of
from runner.home import home_of
from runner.manifests import ManifestStore
from schemas.document import DocumentDamaged
from schemas.loading import load_spec
from schemas.manifest import Manifest

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_MIB = 1 << 20
_COLUMNS = ("no.", "kind", "status", "created", "seconds", "GiB", "MiB changed", "MiB written", "snapshots")


@app.callback()
def _group() -> None:
    """Generations."""


@app.command("history")
def history_command(
    spec: Annotated[Path, typer.Argument(help="The replication spec (YAML or JSON).")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """List the generations: what was changed and written, when, how long it took, and the integrity snapshots."""
    loaded = load_spec(spec)
    store = manifests_of(loaded, home_of(loaded))
    found = [_row(store, number) for number in store.generations()]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for row in found:
        for line in _lines(row):
            typer.echo(line)


def _row(store: ManifestStore, number: int) -> dict[str, Any]:
    """A generation as `--json` has it; sizes in bytes."""
    try:
        manifest = store.read(number)
    except DocumentDamaged as error:
        return {"generation": number, "status": "damaged", "fault": error.fault}
    if manifest is None:
        return {"generation": number, "status": "missing"}
    return {
        "generation": number,
        "kind": manifest.kind,
        "base": manifest.base,
        "status": manifest.status,
        "created": manifest.created,
        "finished": manifest.finished,
        "seconds": manifest.seconds,
        "guest": manifest.guest,
        "instance_id": manifest.instance_id,
        "disks": [_disk(manifest, at) for at in range(len(manifest.disks))],
    }


def _disk(manifest: Manifest, at: int) -> dict[str, Any]:
    disk = manifest.disks[at]
    return {
        "id": disk.id,
        "volume_id": disk.volume_id,
        "integrity_snapshot_id": disk.integrity_snapshot_id,
        "bytes_source": disk.source.bytes,
        "bytes_volume": disk.volume_bytes,
        "bytes_changed": disk.bytes_changed,
        "bytes_deviating": disk.bytes_deviating,
        "bytes_written": disk.bytes_written,
        "blocks_injected": len(disk.injected),
    }


def _lines(row: dict[str, Any]) -> Iterator[str]:
    """A generation for people: a line of its own, and two a disk."""
    if "disks" not in row:
        yield f"{row['generation']}: {row['status']}" + (f" ({row['fault']})" if "fault" in row else "")
        return
    kind = f"{row['kind']} of {row['base']}" if row["base"] else row["kind"]
    took = f", in {row['seconds']:.0f} s" if row["finished"] else ""
    yield f"{row['generation']}: {kind}, {row['status']}, {row['created'][:19]}Z{took}"
    for disk in row["disks"]:
        changed, written = (disk[f"bytes_{what}"] / _MIB for what in ("changed", "written"))
        of = disk["bytes_volume"] / (1 << 30)
        yield f"   {disk['id']}: {changed:.1f} MiB changed, {written:.1f} MiB written of {of:.0f} GiB"
        yield f"      {disk['integrity_snapshot_id']} of {disk['volume_id']}"
