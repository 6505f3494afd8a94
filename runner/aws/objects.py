"""S3 objects as bytes to read at any place: one version of one object, for the whole of a run.

Offsets and lengths are in bytes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError

from runner.aws.account import Account, aws_errors
from schemas.errors import HotaddError, Refused

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import GetObjectRequestTypeDef

# botocore retries a call that fails; a body that breaks off behind a good answer is ours to ask for again.
_TRIES = 6
_WAIT_SECONDS = 0.2  # doubled each time: six tries ride out six seconds of a lost route


class ObjectMissing(Refused):
    """There is no such object, or its bucket is not ours to see."""

    def __init__(self, location: str) -> None:
        super().__init__(f"The source {location} does not exist.", "Check bucket and key, and the role's rights on it.")
        self.location = location


class ObjectChanged(HotaddError):
    """The object is another version than the one that is being read."""

    def __init__(self, location: str) -> None:
        super().__init__(
            f"The source {location} was replaced while it was read.",
            "Leave it alone until the copy is complete; then run the same command again, it starts over.",
        )
        self.location = location


class ObjectBroken(HotaddError):
    """The bytes of a range did not arrive whole, however often they were asked for."""

    def __init__(self, location: str, offset: int, said: str) -> None:
        super().__init__(
            f"Reading {location} at offset {offset} broke off {_TRIES} times: {said}.",
            "Check the network; then run the same command again, it goes on from here.",
        )
        self.location = location
        self.offset = offset
        self.said = said


@dataclass(frozen=True)
class ObjectState:
    """What an object is: size in bytes, modification in ns since the epoch, version id (if versioned) and ETag."""

    size: int
    modified_ns: int
    version_id: str
    etag: str


class PinnedObject:
    """One version of an object, opened for reading by several threads at once.

    Raises `ObjectMissing` and what `aws_errors` makes of a refusal.
    """

    def __init__(self, account: Account, bucket: str, key: str) -> None:
        self.location = f"s3://{bucket}/{key}"
        self._s3 = account.s3
        self._bucket, self._key = bucket, key
        self.state = self.look()

    def look(self) -> ObjectState:
        """What stands under the key now."""
        with aws_errors("s3:GetObject"):
            try:
                told = self._s3.head_object(Bucket=self._bucket, Key=self._key)
            except ClientError as error:
                # HEAD has no body to name a code in: only the status.
                if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                    raise ObjectMissing(self.location) from error
                raise
        version = told.get("VersionId", "")
        modified = int(told["LastModified"].timestamp()) * 1_000_000_000
        return ObjectState(told["ContentLength"], modified, "" if version == "null" else version, told["ETag"])

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer from the pinned version; the range lies in it. Raises `ObjectChanged`, `ObjectBroken`."""
        done = 0
        said = ""
        for tried in range(_TRIES):
            if tried:
                time.sleep(_WAIT_SECONDS * 2 ** (tried - 1))
            try:
                self._read(offset + done, buffer[done:])
            except _Cut as cut:
                done += cut.got
                said = cut.said
            else:
                return
        raise ObjectBroken(self.location, offset + done, said)

    def _read(self, offset: int, buffer: memoryview) -> None:
        """One GET, which brings the whole range or ends in a `_Cut`."""
        request: GetObjectRequestTypeDef = {
            "Bucket": self._bucket,
            "Key": self._key,
            "Range": f"bytes={offset}-{offset + len(buffer) - 1}",
            "IfMatch": self.state.etag,
        }
        if self.state.version_id:
            request["VersionId"] = self.state.version_id
        with aws_errors("s3:GetObject"):
            try:
                answer = self._s3.get_object(**request)
            except ClientError as error:
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
                if status in (404, 412, 416):
                    raise ObjectChanged(self.location) from error
                raise
        got = 0
        body = answer["Body"]
        try:
            if answer["ContentLength"] != len(buffer):
                raise _Cut(0, f"{answer['ContentLength']} bytes came for {len(buffer)}")
            while got < len(buffer):
                taken = body.readinto(buffer[got:])  # type: ignore[arg-type]  # the stubs want a file; it takes a buffer
                if not taken:
                    raise _Cut(got, f"{got} of {len(buffer)} bytes came")
                got += taken
        except (IncompleteReadError, HTTPClientError, OSError) as error:
            raise _Cut(got, type(error).__name__) from error
        finally:
            body.close()


class _Cut(Exception):
    """A body that broke off after `got` bytes."""

    def __init__(self, got: int, said: str) -> None:
        super().__init__(said)
        self.got = got
        self.said = said
