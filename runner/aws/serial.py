"""The serial console as it is now."""

from __future__ import annotations

from runner.aws.account import Account, CallFailed, aws_errors


def latest_console(account: Account, instance_id: str) -> str:
    """The last 64 KiB of the console as they are now; without `Latest`, EC2 tells what it kept at the last boot.

    Only Nitro instances have the latest one ("GetConsoleOutput"); for others it is what EC2 kept.
    """
    try:
        with aws_errors("ec2:GetConsoleOutput"):
            return account.ec2.get_console_output(InstanceId=instance_id, Latest=True).get("Output", "")
    except CallFailed as error:
        if error.code != "UnsupportedOperation":
            raise
    with aws_errors("ec2:GetConsoleOutput"):
        return account.ec2.get_console_output(InstanceId=instance_id).get("Output", "")
