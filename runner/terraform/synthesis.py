"""The CDKTF app, run as a program: one machine's spec in, its synthesized stack out."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from runner.process import ProgramFailed, run
from schemas.errors import Refused
from schemas.naming import DRILL_STACK, machine_stack

_SYNTH_SECONDS = 300.0


class SynthesisRefused(Refused):
    """The CDKTF app refused the spec; its words are the sentence."""

    def __init__(self, said: str) -> None:
        sentence, _, hint = said.partition("\nhint: ")
        super().__init__(sentence, hint)


def synthesize_drill(spec_file: Path, request_file: Path, directory: Path) -> Path:
    """As `synthesize`, for the stack of the drill that a request describes."""
    return _synthesize(spec_file, ["--drill", str(request_file)], DRILL_STACK, directory)


def synthesize(spec_file: Path, name: str, directory: Path) -> Path:
    """Synthesize a spec's stacks below `directory` and return the machine stack's own directory.

    The Terraform working files of an earlier synth (.terraform, the lock file) stay where they are.
    """
    return _synthesize(spec_file, [], machine_stack(name), directory)


def _synthesize(spec_file: Path, words: Sequence[str], stack: str, directory: Path) -> Path:
    fresh = directory / "synth"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        run([sys.executable, "-m", "stacks", str(spec_file), *words, "--out", str(fresh)], timeout=_SYNTH_SECONDS)
    except ProgramFailed as error:
        raise SynthesisRefused(error.stderr.strip() or str(error)) from error
    made = fresh / "stacks" / stack
    home = directory / "terraform"
    home.mkdir(parents=True, exist_ok=True)
    (made / "cdk.tf.json").replace(home / "cdk.tf.json")
    shutil.rmtree(fresh, ignore_errors=True)
    return home


def synthesize_all(spec_files: Sequence[Path], directory: Path) -> Path:
    """Synthesize many specs in one process, and return the directory that holds a directory for each stack.

    Raises `SynthesisRefused`. 500 machines take some 10 s, against 1 s for each one alone.
    """
    try:
        run(
            [sys.executable, "-m", "stacks", *map(str, spec_files), "--out", str(directory)],
            timeout=_SYNTH_SECONDS,
        )
    except ProgramFailed as error:
        raise SynthesisRefused(error.stderr.strip() or str(error)) from error
    return directory / "stacks"
