"""hotadd drivers: the bundle of Windows drivers that conversion takes from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from runner.guest.windows.bundle import LOCK, open_bundle
from runner.guest.windows.fetch import AMAZON, fetch
from runner.guest.windows.kit import Kit, Lack
from runner.guest.windows.releases import RELEASES, Release
from schemas.drivers import Product
from schemas.errors import DIFFERENT, DONE

app = typer.Typer(add_completion=False, rich_markup_mode=None, help="The bundle of Windows drivers.")

Directory = Annotated[Path, typer.Argument(help="The bundle's directory.")]
Wants = Annotated[
    list[str] | None,
    typer.Option("--release", help="A Windows it must serve (2019, '2012 R2', 10; default: all). May be repeated."),
]
_VERSION = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,7}){1,3}", re.ASCII)


@app.command("fetch")
def fetch_command(
    directory: Directory,
    release: Wants = None,
    mirror: Annotated[
        str, typer.Option(help="Take the same paths from here: https://, file://, or http:// on this machine.")
    ] = AMAZON,
    update: Annotated[bool, typer.Option("--update", help="Take what is the latest now, and pin that.")] = False,
    nvme: Annotated[str, typer.Option(help="NVMe version to take for the latest.")] = "",
    ena: Annotated[str, typer.Option(help="ENA version to take for the latest.")] = "",
    pv: Annotated[str, typer.Option(help="AWS PV version to take for the latest.")] = "",
    ec2launch: Annotated[str, typer.Option(help="EC2Launch v2 version to take for the latest.")] = "",
) -> None:
    """Download Amazon's drivers and agents, each in the version its Windows takes, and pin them in drivers.lock."""
    pins: dict[Product, str] = {"nvme": nvme, "ena": ena, "pv": pv, "ec2launch": ec2launch}
    for product, version in pins.items():
        if version and not _VERSION.fullmatch(version):
            raise typer.BadParameter(f"{version} is no version", param_hint=f"--{product}")
    wanted = [package for each in _asked(release) for package in each.packages]
    given: dict[Product, str] = {product: version for product, version in pins.items() if version}
    lock = fetch(directory, wanted, mirror=mirror, pins=given, update=update, said=typer.echo)
    typer.echo(f"{directory / LOCK} pins {len(lock.packages)} files. Signatures are checked by Windows, not here.")


@app.command("check")
def check_command(directory: Directory, release: Wants = None) -> int:
    """Check every file against drivers.lock, and say which Windows the bundle serves. Exit code 2: not all of them."""
    bundle = open_bundle(directory)
    asked = [each.name for each in _asked(release)]
    missing = [lack for lack in bundle.lacks if lack.release in asked]
    typer.echo(f"{directory}: {len(bundle.files) - 1} files, all as {LOCK} pins them.")
    known: list[Kit | Lack] = [*bundle.kits, *bundle.lacks]
    for name in asked:
        rows = sorted((each for each in known if each.release == name), key=lambda row: row.build)
        for row in rows:
            of = name if len(rows) == 1 else f"{name} from build {row.build} on"
            typer.echo(f"  {of}: {_told(row)}")
    return DIFFERENT if missing else DONE


def _told(row: Kit | Lack) -> str:
    if isinstance(row, Lack):
        return f"lacks {row.missing}"
    return f"complete; boots with {', '.join(f'{driver.service} {driver.version}' for driver in row.boot)}"


def _asked(names: list[str] | None) -> list[Release]:
    if not names:
        return list(RELEASES)
    known = {each.name.lower().removeprefix("windows ").removeprefix("server "): each for each in RELEASES}
    found = []
    for name in names:
        short = name.strip().lower().removeprefix("windows ").removeprefix("server ")
        if short not in known:
            raise typer.BadParameter(f"{name} is none of {', '.join(known)}", param_hint="--release")
        found.append(known[short])
    return found
