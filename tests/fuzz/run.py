"""make fuzz: each target for its share of the time; what fails is made small and kept, and the exit code is 1."""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
import traceback
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

CRASHES = Path(__file__).parent.parent / "runner" / "blocks" / "crashes"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for all targets together")
    parser.add_argument("--only", choices=[*TARGETS])
    arguments = parser.parse_args()
    targets = [arguments.only] if arguments.only else [*TARGETS]
    failed = False
    for name in targets:
        failed |= not fuzz(name, arguments.seconds / len(targets))
    return int(failed)


def fuzz(name: str, seconds: float) -> bool:
    """Whether nothing was found. A new round draws other files; each is a few seconds long."""
    target, end, count = TARGETS[name], time.monotonic() + seconds, 0
    failing: bytes | None = None
    files = target.files()

    @settings(
        max_examples=500,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def run(data: st.DataObject) -> None:
        nonlocal count, failing
        image = data.draw(files)
        if failing is None and time.monotonic() > end:
            return
        count += 1
        try:
            target.check(image)
        except BaseException:
            failing = image  # the last one that fails is the smallest
            raise

    while time.monotonic() < end:
        try:
            run()
        except Exception as error:  # noqa: BLE001 (whatever a reader raises is a finding)
            traceback.print_exception(error)
            break
    print(f"{name}: {count} files in {seconds:.0f} s")
    if failing is None:
        return True
    CRASHES.mkdir(exist_ok=True)
    kept = CRASHES / f"{hashlib.sha256(failing).hexdigest()[:12]}.{name}"
    kept.write_bytes(failing)
    print(f"{name}: kept as {kept}", file=sys.stderr)
    return False


if __name__ == "__main__":
    sys.exit(main())
