"""Which specs the app synthesizes when nobody names them: cdktf-cli starts it without arguments."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path

from schemas.errors import USAGE, HotaddError

_DEFAULT_SPECS = os.pathsep.join(("hotadd.yaml", "specs/*.yaml"))


class NoSpecs(HotaddError):
    """There is nothing to synthesize."""

    exit_code = USAGE

    def __init__(self, patterns: str) -> None:
        super().__init__(
            f"No spec was named, and none matches {patterns}.",
            "Name the specs: `python -m stacks SPEC...`, or set HOTADD_SPECS for cdktf.",
        )
        self.patterns = patterns


def find_specs(environment: Mapping[str, str]) -> list[Path]:
    """The specs that the environment names, in a stable order. Raises `NoSpecs`."""
    patterns = environment.get("HOTADD_SPECS") or _DEFAULT_SPECS
    found = [Path(file) for pattern in patterns.split(os.pathsep) if pattern for file in sorted(glob.glob(pattern))]
    if not found:
        raise NoSpecs(patterns)
    return list(dict.fromkeys(found))
