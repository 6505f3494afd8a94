"""The rules for tests hold: each is broken on purpose, in a pytest inside this one."""

import pytest

from tests.skip_policy import allowed

STARTS = """
import contextlib, multiprocessing, os, subprocess, threading
import pytest

def test_subprocess():
    subprocess.run(["true"])

def test_fork():
    os.fork() or os._exit(0)

def test_system():
    os.system("true")

def test_posix_spawn():
    os.posix_spawn("/bin/true", ["true"], {})

def test_multiprocessing():
    multiprocessing.get_context("fork").Process(target=int).start()

def test_thread():
    thread = threading.Thread(target=os.system, args=("true",))
    thread.start()
    thread.join()

def test_the_code_under_test_catches_everything():
    with contextlib.suppress(BaseException):
        os.system("true")

@pytest.fixture(scope="session")
def started():
    os.system("true")

def test_fixture(started):
    pass
"""

SKIPS = """
import pytest

def test_call():
    pytest.skip("tired")

@pytest.mark.skip(reason="tired")
def test_mark():
    pass

@pytest.mark.skipif(True, reason="tired")
def test_condition():
    pass

@pytest.mark.xfail(reason="tired")
def test_expected_failure():
    assert False

@pytest.fixture
def fixture():
    pytest.skip("tired")

def test_fixture(fixture):
    pass
"""


@pytest.fixture
def alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A pytest without the installed plugins, whose import takes a second each time."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return pytester


def test_a_process_needs_a_marker(alone: pytest.Pytester) -> None:
    alone.makepyfile(STARTS)
    result = alone.runpytest_inprocess("-p", "tests.process_guard")
    result.assert_outcomes(failed=7, errors=1)
    assert result.stdout.str().count("ProcessStarted: ") >= 8


@pytest.mark.process
def test_a_marked_test_may_start_a_process(alone: pytest.Pytester) -> None:
    alone.makeini("[pytest]\nmarkers = process: starts one\n")
    alone.makepyfile("import os, pytest\n@pytest.mark.process\ndef test_it():\n    assert os.system('true') == 0\n")
    alone.runpytest_inprocess("-p", "tests.process_guard").assert_outcomes(passed=1)


def test_a_skip_that_is_not_listed_fails(alone: pytest.Pytester) -> None:
    alone.makepyfile(SKIPS)
    result = alone.runpytest_inprocess("-p", "tests.skip_policy")
    result.assert_outcomes(failed=2, errors=3)
    result.stdout.fnmatch_lines(["*was skipped, which skips.txt does not allow: *tired*"])


@pytest.mark.parametrize("skip", ["skip('tired', allow_module_level=True)", "importorskip('no_such_module_anywhere')"])
def test_a_skipped_module_that_is_not_listed_fails(alone: pytest.Pytester, skip: str) -> None:
    alone.makepyfile(f"import pytest\npytest.{skip}\n")
    result = alone.runpytest_inprocess("-p", "tests.skip_policy")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*was skipped, which skips.txt does not allow*"])


def test_a_listed_skip_is_a_skip(alone: pytest.Pytester) -> None:
    alone.makepyfile("import pytest\ndef test_it():\n    pytest.skip('shared/ does not lie beside this checkout')\n")
    alone.runpytest_inprocess("-p", "tests.skip_policy").assert_outcomes(skipped=1)


LIST = """
# a comment

tests/a/*  no KVM here
tests/b.py::test_x[[]1]   ^exactly$
"""


@pytest.mark.parametrize(
    ("test", "reason", "expected"),
    [
        ("tests/a/b.py::test_x", "there is no KVM here", True),
        ("tests/a/b.py::test_x", "no kvm", False),
        ("tests/c.py::test_x", "no KVM here", False),
        ("tests/b.py::test_x[1]", "exactly", True),
        ("tests/b.py::test_x[1]", "not exactly", False),
        ("tests/b.py::test_x[2]", "exactly", False),
    ],
)
def test_the_list_names_test_and_reason(test: str, reason: str, expected: bool) -> None:
    assert allowed(LIST, test, reason) is expected
