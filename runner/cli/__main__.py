"""`python -m runner.cli`: the hotadd command where its script is not on PATH."""

from __future__ import annotations

from runner.cli.main import main

main()
