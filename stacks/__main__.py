"""``python -m stacks SPEC... [--out DIR]``: the CDKTF app as a program.

cdktf-cli starts it without arguments: then HOTADD_SPECS says which specs (files or globs, separated as in PATH), or
else they are ``hotadd.yaml`` and ``specs/*.yaml`` of the working directory.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from schemas.errors import HotaddError
from schemas.loading import load_specs
from stacks.app import synthesize
from stacks.discovery import find_specs
from stacks.place import Place


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
