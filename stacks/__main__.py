"""``python -m stacks SPEC... [--out DIR]``: the CDKTF app as a program.

cdktf-cli starts it without arguments: then HOTADD_SPECS says which specs (files or globs, separated as in PATH), or
else they are ``hotadd.yaml`` and ``specs/*.yaml`` of the working directory.
"""

from __future__ import annotations

import argparse
import glob
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from schemas.errors import USAGE, HotaddError
from schemas.loading import load_specs
from stacks.app import synthesize
from stacks.provider import Place

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


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Synthesize; the exit code. Errors of ours go to standard error, a sentence and a hint each."""
    parser = argparse.ArgumentParser(prog="python -m stacks", description="Synthesize the Terraform programs of specs.")
    parser.add_argument(
        "specs", nargs="*", type=Path, metavar="SPEC", help="default: the files that HOTADD_SPECS names"
    )
    out = Path(environment.get("CDKTF_OUTDIR") or "cdktf.out")
    parser.add_argument("--out", type=Path, default=out, metavar="DIR", help="default: cdktf.out")
    asked = parser.parse_args(arguments)
    try:
        specs = load_specs(asked.specs or find_specs(environment))
        synthesize(specs, asked.out.absolute(), Place(environment.get("AWS_ENDPOINT_URL", "")))
    except HotaddError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
