"""hotadd lab: an EC2 account in a box."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from runner.lab import account
from runner.lab.guest.sample import build
from runner.lab.provider import cache_directory
from schemas.errors import Refused

app = typer.Typer(add_completion=False, rich_markup_mode=None, help="An EC2 account in a box.")

Directory = Annotated[Path | None, typer.Option("--dir", help="Where the lab keeps its files (default: .lab).")]


class NoConsole(Refused):
    """An instance of the lab has printed nothing."""

    def __init__(self, instance: str) -> None:
        super().__init__(f"There is no console of {instance} in this lab.", "Was it ever started with a bootable root?")


def _place(directory: Path | None) -> Path:
    return directory if directory is not None else account.default_directory()


@app.command("up")
def up_command(
    directory: Directory = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    boot: Annotated[bool, typer.Option(help="Boot instances in QEMU.")] = True,
) -> None:
    """Start the lab (on loopback only) and leave it running."""
    info = account.up(_place(directory), port=port, boot=boot)
    typer.echo(f"The lab is up at {info.endpoint}. Access node {info.access_node_id}, subnet {info.subnet_id},")
    typer.echo(f'shell AMI {info.amis["linux"]}. In a shell: eval "$(hotadd lab env)"')


@app.command("down")
def down_command(
    directory: Directory = None, keep: Annotated[bool, typer.Option("--keep", help="Keep volumes and logs.")] = False
) -> None:
    """End the lab and its guests, and remove its data."""
    account.down(_place(directory), keep=keep)


@app.command("env")
def env_command(directory: Directory = None) -> None:
    """Print the environment that leads any AWS client, Terraform and cdktf to the lab, for a shell to read."""
    for name, value in account.environment(_place(directory)).items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@app.command("console")
def console_command(instance: Annotated[str, typer.Argument(help="Instance id.")], directory: Directory = None) -> None:
    """Print what an instance wrote to its serial console."""
    path = account.info(_place(directory)).layout.console(instance)
    if not path.exists():
        raise NoConsole(instance)
    typer.echo(path.read_text(encoding="utf-8", errors="replace"))


@app.command("guest")
def guest_command(
    target: Annotated[Path, typer.Argument(help="Directory for the guest's disks.")],
) -> None:
    """Build a Debian guest as VMware leaves one (needs root; about a minute, then cached)."""
    guest = build(target, cache=cache_directory(), log=lambda message: typer.echo(message, err=True))
    for disk in guest.disks:
        typer.echo(f"{disk.id} {disk.path} {disk.size_bytes}")
