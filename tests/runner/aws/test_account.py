"""AWS's errors as ours: the codes are those of EC2's and S3's error-code pages."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, TokenRetrievalError

from runner.aws.account import (
    AccessDenied,
    CallFailed,
    CredentialsExpired,
    CredentialsUnknown,
    NoCredentials,
    Throttled,
    Unreachable,
    aws_errors,
)
from schemas.errors import HotaddError

CODES: list[tuple[str, type[HotaddError], int]] = [
    ("RequestExpired", CredentialsExpired, 3),
    ("ExpiredToken", CredentialsExpired, 3),
    ("ExpiredTokenException", CredentialsExpired, 3),
    ("AuthFailure", CredentialsUnknown, 3),
    ("InvalidClientTokenId", CredentialsUnknown, 3),
    ("UnauthorizedOperation", AccessDenied, 1),
    ("AccessDenied", AccessDenied, 1),
    ("RequestLimitExceeded", Throttled, 1),
    ("SlowDown", Throttled, 1),
    ("InvalidVolume.NotFound", CallFailed, 1),
    ("InternalError", CallFailed, 1),
]


@pytest.mark.parametrize(("code", "kind", "exit_code"), CODES)
def test_each_code_has_its_class(code: str, kind: type[HotaddError], exit_code: int) -> None:
    with pytest.raises(kind) as raised, aws_errors("ec2:DescribeVolumes"):
        raise ClientError({"Error": {"Code": code, "Message": "told by AWS"}}, "DescribeVolumes")
    assert raised.value.exit_code == exit_code
    assert raised.value.hint


def test_what_boto3_raises_by_itself() -> None:
    with pytest.raises(NoCredentials), aws_errors("x"):
        raise NoCredentialsError
    with pytest.raises(CredentialsExpired), aws_errors("x"):
        raise TokenRetrievalError(provider="sso", error_msg="expired")
    with pytest.raises(Unreachable, match="localhost"), aws_errors("x"):
        raise EndpointConnectionError(endpoint_url="http://localhost:1")


def test_the_action_and_the_words_of_aws_are_told() -> None:
    with pytest.raises(AccessDenied) as denied, aws_errors("ec2:CreateSnapshot"):
        raise ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": "no grant"}}, "CreateSnapshot")
    assert denied.value.sentence == "AWS denied ec2:CreateSnapshot: no grant"
