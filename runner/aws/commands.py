"""A command in a guest, over Systems Manager's agent there ("Run Command")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runner.aws.account import Account, CallFailed, aws_errors
from runner.aws.waiting import wait_for
from schemas.spec import GuestOs

_DOCUMENTS: dict[GuestOs, str] = {"linux": "AWS-RunShellScript", "windows": "AWS-RunPowerShellScript"}
_UNDER_WAY = ("Pending", "InProgress", "Delayed")
# What SendCommand allows between its call and the agent's taking it up: at least 30 s ("TimeoutSeconds").
_LEAST_SECONDS = 30


@dataclass(frozen=True)
class Ended:
    """How a command ended: Systems Manager's own word for it, and what it printed (at most 24,000 characters)."""

    status: str
    output: str
    errors: str

    @property
    def well(self) -> bool:
        """Whether it ended with exit code 0."""
        return self.status == "Success"


def run_command(
    account: Account, instance_id: str, os: GuestOs, command: str, *, seconds: float, stop: Callable[[], bool]
) -> Ended | None:
    """Run a command and wait for its end; None while the guest's agent has not reported yet.

    Raises `WaitedTooLong` after `seconds` from the command's start.
    """
    try:
        with aws_errors("ssm:SendCommand"):
            sent = account.ssm.send_command(
                InstanceIds=[instance_id],
                DocumentName=_DOCUMENTS[os],
                Parameters={"commands": [command]},
                TimeoutSeconds=max(_LEAST_SECONDS, int(seconds)),
            )
    except CallFailed as error:
        if error.code == "InvalidInstanceId":  # "... or is not in a valid state": no agent has registered
            return None
        raise
    command_id = str(sent["Command"]["CommandId"])

    def look() -> tuple[Ended | None, str]:
        try:
            with aws_errors("ssm:GetCommandInvocation"):
                told = account.ssm.get_command_invocation(CommandId=command_id, InstanceId=instance_id)
        except CallFailed as error:
            if error.code == "InvocationDoesNotExist":  # for a moment after SendCommand
                return None, "not listed"
            raise
        status = str(told["Status"])
        if status in _UNDER_WAY:
            return None, status
        return Ended(
            status, str(told.get("StandardOutputContent", "")), str(told.get("StandardErrorContent", ""))
        ), status

    return wait_for(look, f"the command {command_id} on {instance_id}", seconds=seconds, stop=stop)
