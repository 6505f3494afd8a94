"""The `hotadd` command. Commands are loaded by name: `hotadd copy` imports neither boto3 nor dbos nor cdktf."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import cast

import typer

from schemas.errors import FAILED, USAGE, HotaddError

# typer carries its own click; its BadParameter is the public way to click's UsageError and ClickException.
_UsageError = cast(type[typer.BadParameter], typer.BadParameter.__bases__[0])
_INTERRUPTED = 130  # 128 + SIGINT, as shells have it

# Command (or group) to the module that holds its `app`, and the line shown in the overview.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("runner.cli.demo", "Lab up, a sample guest, and the whole job: ends with a booted replica."),
    "doctor": ("runner.cli.doctor", "What this machine lacks, and the command that installs it."),
    "validate": ("runner.cli.validate", "Check specs: every error at once, each with file, line and path."),
    "init": ("runner.cli.init", "Write a starter spec from an OVA, OVF, VMX or bare disks."),
    "inspect": ("runner.cli.inspect", "What a guest is, and whether it can boot on EC2; changes nothing."),
    "plan": ("runner.cli.plan", "What each phase would do, for review: text, markdown or JSON; it can be held to."),
    "preflight": ("runner.cli.phases", "Check everything that can be refused, and give out slots."),
    "replicate": ("runner.cli.replicate", "Replicate a machine: every phase, in order, surviving kills."),
    "restore": ("runner.cli.phases", "Copy the data onto the staged volumes."),
    "snapshot": ("runner.cli.phases", "Take the integrity snapshots and wait until they are complete."),
    "inject": ("runner.cli.phases", "Make the guest on the staged volumes bootable."),
    "swap-root": ("runner.cli.phases", "Stop the destination and remove the shell's own root volume."),
    "start": ("runner.cli.phases", "Start the destination, wait for its status checks, finish the manifest."),
    "history": ("runner.cli.history", "The generations of a replication: what changed, when, and their snapshots."),
    "rollback": ("runner.cli.rollback", "Back to an older generation, on the same volumes."),
    "status": ("runner.cli.status", "Where replications stand."),
    "drift": ("runner.cli.drift", "Whether a replica still is what was declared and replicated."),
    "report": ("runner.cli.report", "One HTML page of any number of machines: phases, generations, block maps."),
    "restore-vm": ("runner.cli.restore_vm", "Restore a machine once, without replication: no snapshot is kept."),
    "drill": ("runner.cli.drill", "Boot a copy of the last generation, apart from the replica, and check it."),
    "decommission": ("runner.cli.decommission", "Remove a replica with everything made for it."),
    "copy": ("runner.cli.copy", "Copy a disk image onto a device; needs no AWS at all."),
    "lab": ("runner.cli.lab", "An EC2 account in a box: up, down, env, console, guest."),
}


def main() -> None:
    """Run the command line and exit with the code of schemas/errors.py."""
    sys.exit(run(sys.argv[1:]))


def run(words: list[str]) -> int:
    """Run one command line; its exit code."""
    if not words or words[0] in ("-h", "--help"):
        _overview()
        return 0 if words else USAGE
    if words[0] == "--version":
        typer.echo("hotadd 0.1.0")
        return 0
    if words[0] not in COMMANDS:
        typer.echo(f"hotadd: there is no command {words[0]}.\nhint: `hotadd --help` lists them.", err=True)
        return USAGE
    app: typer.Typer = import_module(COMMANDS[words[0]][0]).app
    # A group's own name is part of the program's name; a single command of a module is found by its name.
    group = words[0] == "lab"
    try:
        command = typer.main.get_group(app)
        prog, rest = (f"hotadd {words[0]}", words[1:]) if group else ("hotadd", words)
        code = command.main(rest, prog_name=prog, standalone_mode=False)
        return code if isinstance(code, int) else 0
    except typer.Exit as stop:
        return stop.exit_code
    except _UsageError as error:
        error.show()
        return USAGE
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("hotadd: interrupted. The same command goes on from here.", err=True)
        return _INTERRUPTED
    except HotaddError as error:
        typer.echo(f"hotadd: {error}", err=True)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output went away: as `head` ends a pipeline.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        typer.echo(f"hotadd: {place}{error.strerror or error}.", err=True)
        typer.echo("hint: Check that the path exists, that it is yours, and that the disk is not full.", err=True)
        return FAILED


def _overview() -> None:
    typer.echo("HotAdd replication of virtual machines into Amazon EC2, as infrastructure code.\n")
    typer.echo("Usage: hotadd COMMAND [OPTIONS] ...\n")
    width = max(map(len, COMMANDS)) + 2
    for name, (_, sentence) in COMMANDS.items():
        typer.echo(f"  {name:<{width}}{sentence}")
    typer.echo("\n`hotadd COMMAND --help` tells more. Exit codes: 0 done, 1 failed, 2 differences, 3 refused,")
    typer.echo("4 integrity violated, 64 usage.")
