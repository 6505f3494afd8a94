"""The `hotadd` command. Commands are loaded by name: `hotadd copy` imports neither boto3 nor dbos nor cdktf."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from schemas.errors import FAILED, USAGE, HotaddError

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
    "drivers": ("runner.cli.drivers", "Windows drivers for conversion: fetch a bundle of them, check one."),
    "decommission": ("runner.cli.decommission", "Remove a replica with everything made for it."),
    "copy": ("runner.cli.copy", "Copy a disk image onto a device; needs no AWS at all."),
    "lab": ("runner.cli.lab", "An EC2 account in a box: up, down, env, console, guest."),
}
# These modules read their words themselves (`run`), because their start counts: typer takes 25 ms to load.
_PLAIN = ("copy",)
_GROUPS = ("lab", "drivers")


def main() -> None:
    """Run the command line and exit with the code of schemas/errors.py."""
    sys.exit(run(sys.argv[1:]))


def run(words: list[str]) -> int:
    """Run one command line; its exit code."""
    if not words or words[0] in ("-h", "--help"):
        _overview()
        return 0 if words else USAGE
    if words[0] == "--version":
        print("hotadd 0.1.0")
        return 0
    if words[0] not in COMMANDS:
        print(f"hotadd: there is no command {words[0]}.\nhint: `hotadd --help` lists them.", file=sys.stderr)
        return USAGE
    module = import_module(COMMANDS[words[0]][0])
    try:
        if words[0] in _PLAIN:
            return int(module.run(words[1:]))
        return int(import_module("runner.cli.typed").run_app(module.app, words, group=words[0] in _GROUPS))
    except KeyboardInterrupt:
        print("hotadd: interrupted. The same command goes on from here.", file=sys.stderr)
        return _INTERRUPTED
    except HotaddError as error:
        print(f"hotadd: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output went away: as `head` ends a pipeline.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"hotadd: {place}{error.strerror or error}.", file=sys.stderr)
        print("hint: Check that the path exists, that it is yours, and that the disk is not full.", file=sys.stderr)
        return FAILED


def _overview() -> None:
    print("HotAdd replication of virtual machines into Amazon EC2, as infrastructure code.\n")
    print("Usage: hotadd COMMAND [OPTIONS] ...\n")
    width = max(map(len, COMMANDS)) + 2
    for name, (_, sentence) in COMMANDS.items():
        print(f"  {name:<{width}}{sentence}")
    print("\n`hotadd COMMAND --help` tells more. Exit codes: 0 done, 1 failed, 2 differences, 3 refused,")
    print("4 integrity violated, 64 usage.")
