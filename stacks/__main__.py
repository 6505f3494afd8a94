"""``python -m stacks SPEC... [--out DIR] [--drill REQUEST]``: the CDKTF app as a program.

cdktf-cli starts it without arguments: then HOTADD_SPECS says which specs (files or globs, separated as in PATH), or
else they are ``hotadd.yaml`` and ``specs/*.yaml`` of the working directory.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from schemas.document import read_document
from schemas.drill import DrillRequest
from schemas.errors import HotaddError, Refused
from schemas.loading import load_specs
from schemas.spec import Spec
from stacks.app import synthesize, synthesize_drill
from stacks.discovery import find_specs
from stacks.place import Place


class RequestForAnother(Refused):
    """A drill request is of a replication that none of the specs describes."""

    def __init__(self, replication: str) -> None:
        super().__init__(f"No spec describes {replication}, which the drill request is of.", "Name its spec.")
        self.replication = replication


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Synthesize; the exit code. Errors of ours go to standard error, a sentence and a hint each."""
    parser = argparse.ArgumentParser(prog="python -m stacks", description="Synthesize the Terraform programs of specs.")
    parser.add_argument(
        "specs", nargs="*", type=Path, metavar="SPEC", help="default: the files that HOTADD_SPECS names"
    )
    out = Path(environment.get("CDKTF_OUTDIR") or "cdktf.out")
    parser.add_argument("--out", type=Path, default=out, metavar="DIR", help="default: cdktf.out")
    parser.add_argument("--drill", type=Path, metavar="REQUEST", help="the one spec's drill, as REQUEST describes it")
    asked = parser.parse_args(arguments)
    place = Place(environment.get("AWS_ENDPOINT_URL", ""))
    try:
        specs = load_specs(asked.specs or find_specs(environment))
        if asked.drill is None:
            synthesize(specs, asked.out.absolute(), place)
        else:
            request = read_document(asked.drill.read_bytes(), "drill_request", DrillRequest, str(asked.drill))
            synthesize_drill(_of(specs, request), request, asked.out.absolute(), place)
    except HotaddError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _of(specs: Sequence[Spec], request: DrillRequest) -> Spec:
    for spec in specs:
        if spec.name == request.replication:
            return spec
    raise RequestForAnother(request.replication)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
