"""What may run side by side: a file's costly tests stay on one worker, so that their fixtures are made once.

Tests that share a fixture between files say so with `xdist_group`. The longest groups begin first (Makefile:
--no-loadscope-reorder), so that no worker is left alone with one at the end.
"""

from __future__ import annotations

import pytest

from tests.process_guard import MARKERS

# Minutes each on an idle machine, the longest first; whatever is not named follows, what starts no process last.
LONGEST = (
    "booted-generations",
    "killed-apply",
    "journey",
    "boot-btrfs",
    "boot-jfs",
    "boot-luks",
    "boot-luks-dracut",
    "generations",
    "test_equality",
    "by-hand",
    "test_kills",
    "test_drift",
    "test_incremental_kills",
    "test_drill",
    "test_incremental",
    "test_detached_between",
    "test_windows",
    "test_conversion",
    "test_cdktf",
    "test_unconverted",
)


def _rank(item: pytest.Item) -> int:
    group = item.get_closest_marker("xdist_group")
    if group is None:
        return len(LONGEST) + 1
    return LONGEST.index(group.args[0]) if group.args[0] in LONGEST else len(LONGEST)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        costly = any(item.get_closest_marker(name) for name in MARKERS)
        if costly and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    items.sort(key=_rank)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Groups hold, or the run ends: a pytest that xdist does not know ran one journey on every worker."""
    if not getattr(session.config.option, "loadgroup", False):
        return
    loose = [item.nodeid for item in session.items if item.get_closest_marker("xdist_group") and "@" not in item.nodeid]
    if loose:
        raise pytest.UsageError(f"pytest-xdist does not group {len(loose)} tests, {loose[0]} among them")
