"""The one door to AWS: boto3 clients with bounded retries, and AWS's errors as ours.

botocore's standard mode retries throttling and transient faults with jittered exponential back-off (at most 20 s a
wait); 8 attempts ride out about half a minute of RequestLimitExceeded, after which a step fails for good and the
same command goes on from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from schemas.errors import HotaddError, Refused

if TYPE_CHECKING:
    from mypy_boto3_ebs.client import EBSClient
    from mypy_boto3_ec2.client import EC2Client
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_sts.client import STSClient

_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 8},
    connect_timeout=10,
    read_timeout=60,
    user_agent_extra="hotadd",
)
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_UNKNOWN_KEY = {"AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch"}
_DENIED = {"UnauthorizedOperation", "AccessDenied", "AccessDeniedException"}
_THROTTLED = {
    "RequestLimitExceeded",
    "RequestThrottledException",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}


class NoCredentials(Refused):
    """There are no AWS credentials."""

    def __init__(self) -> None:
        super().__init__(
            "There are no AWS credentials.",
            'Set AWS_PROFILE, or the access node\'s role; for the lab: eval "$(hotadd lab env)".',
        )


class CredentialsExpired(Refused):
    """The session token is no longer valid."""

    def __init__(self, code: str) -> None:
        super().__init__(f"The AWS credentials have expired ({code}).", "Log in again, then run the same command.")
        self.code = code


class CredentialsUnknown(Refused):
    """AWS does not accept the credentials."""

    def __init__(self, code: str) -> None:
        super().__init__(f"AWS does not accept the credentials ({code}).", "Check the profile, the keys and the clock.")
        self.code = code


class AccessDenied(HotaddError):
    """The role lacks a permission."""

    def __init__(self, action: str, said: str) -> None:
        super().__init__(
            f"AWS denied {action}: {said}", "Give the role this action; docs/iam.md tells where the whole policy is."
        )
        self.action = action


class Throttled(HotaddError):
    """AWS still throttled after all retries."""

    def __init__(self, action: str, code: str) -> None:
        super().__init__(f"AWS throttled {action} until the retries were used up ({code}).", "Run the command again.")
        self.action = action
        self.code = code


class Unreachable(HotaddError):
    """No answer from the endpoint."""

    def __init__(self, said: str) -> None:
        super().__init__(f"AWS cannot be reached: {said}", "Check the network and AWS_ENDPOINT_URL, then run it again.")


class CallFailed(HotaddError):
    """Any other error of an AWS call."""

    def __init__(self, action: str, code: str, said: str) -> None:
        super().__init__(f"AWS refused {action}: {said} ({code})", "Mend the cause and run the command again.")
        self.action = action
        self.code = code


@contextmanager
def aws_errors(action: str) -> Iterator[None]:
    """Turn what boto3 raises while `action` (an EC2 action's name) is called into our errors."""
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise NoCredentials from error
    except (TokenRetrievalError, UnauthorizedSSOTokenError) as error:
        raise CredentialsExpired(type(error).__name__) from error
    except (EndpointConnectionError, ConnectTimeoutError, ReadTimeoutError) as error:
        raise Unreachable(str(error)) from error
    except ClientError as error:
        detail = error.response.get("Error", {})
        code, said = detail.get("Code", "Unknown"), detail.get("Message", "")
        if code in _EXPIRED:
            raise CredentialsExpired(code) from error
        if code in _UNKNOWN_KEY:
            raise CredentialsUnknown(code) from error
        if code in _DENIED:
            raise AccessDenied(action, said) from error
        if code in _THROTTLED:
            raise Throttled(action, code) from error
        raise CallFailed(action, code, said) from error
    except BotoCoreError as error:
        raise CallFailed(action, type(error).__name__, str(error)) from error


class CommandClient(Protocol):
    """What is called of Systems Manager, under its own names."""

    def send_command(
        self, *, InstanceIds: list[str], DocumentName: str, Parameters: dict[str, list[str]], TimeoutSeconds: int
    ) -> dict[str, Any]: ...
    def get_command_invocation(self, *, CommandId: str, InstanceId: str) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Account:
    """Clients of one account and region. Safe to share between threads once a client was made."""

    region: str

    @cached_property
    def _session(self) -> boto3.session.Session:
        return boto3.session.Session(region_name=self.region)

    @cached_property
    def ec2(self) -> EC2Client:
        """EC2."""
        return self._session.client("ec2", config=_CONFIG)

    @cached_property
    def ebs(self) -> EBSClient:
        """EBS direct APIs."""
        return self._session.client("ebs", config=_CONFIG)

    @cached_property
    def s3(self) -> S3Client:
        """S3."""
        return self._session.client("s3", config=_CONFIG)

    @cached_property
    def ssm(self) -> CommandClient:
        """Systems Manager, as far as commands go."""
        client: CommandClient = self._session.client("ssm", config=_CONFIG)
        return client

    @cached_property
    def sts(self) -> STSClient:
        """STS."""
        return self._session.client("sts", config=_CONFIG)

    def check_credentials(self) -> str:
        """The caller's ARN. Raises `NoCredentials`, `CredentialsExpired` or `CredentialsUnknown`."""
        with aws_errors("sts:GetCallerIdentity"):
            return self.sts.get_caller_identity()["Arn"]
