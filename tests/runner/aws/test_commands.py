"""Commands over SSM, as Systems Manager's API tells of them (botocore checks the answers against its own model)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from runner.aws.account import Account, CallFailed
from runner.aws.commands import Ended, run_command

INSTANCE = "i-0123456789abcdef0"
COMMAND = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def stubbed() -> Iterator[tuple[Account, Stubber]]:
    """An account whose Systems Manager answers what it is told to."""
    client = boto3.client("ssm", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    account = Account("eu-central-1")
    account.__dict__["ssm"] = client
    with Stubber(client) as stubber:
        yield account, stubber
        stubber.assert_no_pending_responses()


def _sent(stubber: Stubber, document: str = "AWS-RunShellScript") -> None:
    wanted = {
        "InstanceIds": [INSTANCE],
        "DocumentName": document,
        "Parameters": {"commands": ["uptime"]},
        "TimeoutSeconds": 30,
    }
    stubber.add_response("send_command", {"Command": {"CommandId": COMMAND}}, wanted)


def _told(stubber: Stubber, status: str, output: str = "", errors: str = "") -> None:
    answer: dict[str, Any] = {
        "Status": status,
        "StandardOutputContent": output,
        "StandardErrorContent": errors,
        "CommandId": COMMAND,
    }
    stubber.add_response("get_command_invocation", answer, {"CommandId": COMMAND, "InstanceId": INSTANCE})


def _run(account: Account, os: Any = "linux") -> Ended | None:
    return run_command(account, INSTANCE, os, "uptime", seconds=5, stop=lambda: False)


def test_it_waits_for_the_end(stubbed: tuple[Account, Stubber]) -> None:
    account, stubber = stubbed
    _sent(stubber)
    stubber.add_client_error("get_command_invocation", "InvocationDoesNotExist")
    _told(stubber, "InProgress")
    _told(stubber, "Success", " up 3 days\n")
    ended = _run(account)
    assert ended is not None and ended.well and ended.output == " up 3 days\n"


@pytest.mark.parametrize("status", ["Failed", "TimedOut", "Cancelled"])
def test_what_did_not_succeed_is_not_well(stubbed: tuple[Account, Stubber], status: str) -> None:
    account, stubber = stubbed
    _sent(stubber, "AWS-RunPowerShellScript")
    _told(stubber, status, errors="no such service")
    ended = _run(account, "windows")
    assert ended is not None and not ended.well and ended.errors == "no such service"


@pytest.mark.parametrize(
    ("code", "expected"), [("InvalidInstanceId", None), ("InvalidDocument", CallFailed)], ids=["no-agent", "other"]
)
def test_an_agent_that_has_not_reported_is_waited_for(
    stubbed: tuple[Account, Stubber], code: str, expected: type[Exception] | None
) -> None:
    account, stubber = stubbed
    stubber.add_client_error("send_command", code)
    run: Callable[[], Ended | None] = lambda: _run(account)  # noqa: E731
    if expected is None:
        assert run() is None
    else:
        with pytest.raises(expected, match=code):
            run()
