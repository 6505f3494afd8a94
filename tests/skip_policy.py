"""A skip that is not on tests/skips.txt is a failure, so that nothing stops being tested unseen.

A line of the list is a glob over test ids, two blanks or more, and a regular expression that the reason must match.
Expected failures (xfail) are held to it too, and so are modules skipped as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

LIST = Path(__file__).with_name("skips.txt")


def allowed(lines: str, test: str, reason: str) -> bool:
    """Whether the list lets this test be skipped for this reason."""
    for line in lines.splitlines():
        if line.strip() and not line.startswith("#"):
            glob, pattern = re.split(r" {2,}", line.strip(), maxsplit=1)
            if fnmatchcase(test, glob) and re.search(pattern, reason):
                return True
    return False


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    if hasattr(report, "wasxfail"):
        return str(report.wasxfail)
    longrepr = report.longrepr
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)


def _judge(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = _reason(report)
    if report.skipped and not allowed(LIST.read_text(encoding="utf-8"), report.nodeid, reason):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, which {LIST.name} does not allow: {reason}"
        if hasattr(report, "wasxfail"):
            del report.wasxfail


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    _judge(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    _judge(report)
    return report
