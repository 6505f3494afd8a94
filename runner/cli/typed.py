"""Commands whose words typer reads; apart from main, because typer takes longer to load than a small disk to copy."""

from __future__ import annotations

from typing import cast

import typer

from schemas.errors import USAGE

# typer carries its own click; its BadParameter is the public way to click's UsageError and ClickException.
_UsageError = cast(type[typer.BadParameter], typer.BadParameter.__bases__[0])


def run_app(app: typer.Typer, words: list[str], *, group: bool) -> int:
    """Run one command line; its exit code. Raises `KeyboardInterrupt` and what the command raises.

    A group's own name is part of the program's name; a single command of a module is found by its name.
    """
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
    except typer.Abort as error:
        raise KeyboardInterrupt from error
