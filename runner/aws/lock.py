"""One run a machine, also over several access nodes: a lock object beside the state, taken by a conditional write.

The home's own lock is the kernel's and of one machine. This one is an object under the S3 prefix: made only where
none is, renewed while its holder lives, and taken over when it has not been renewed for `LIFE` ("Conditional
requests" of the S3 User Guide: If-None-Match and If-Match on PutObject).
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from runner.aws.account import Account, aws_errors
from schemas.errors import HotaddError, Refused
from schemas.spec import S3Backend

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

# A holder renews every minute; five without a word are no slow network. Clocks of the machines may differ by minutes,
# so a holder's time is compared with S3's own (LastModified), never with ours.
LIFE = timedelta(minutes=5)
_RENEW_SECONDS = 60.0
_REFUSED = ("PreconditionFailed", "ConditionalRequestConflict")


class LockedElsewhere(Refused):
    """Another machine, or another user of this one, works on the replication."""

    def __init__(self, where: str, holder: str, since: str) -> None:
        super().__init__(
            f"The replication is being worked on by {holder}, since {since} ({where}).",
            "Wait for it to end. If that process is dead, its lock is free five minutes after its last word; "
            "--break-lock takes it at once.",
        )
        self.where = where
        self.holder = holder


class LockLost(HotaddError):
    """Somebody took the lock from us while we worked."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"The lock {where} was taken by another process.",
            "Find out who works on this replication (`hotadd status` there), and let one of you stop.",
        )
        self.where = where


@dataclass(frozen=True)
class Holder:
    """Who holds a lock. `token` tells two runs of one process id apart.

    `home` tells one home's kernel lock from all others (`runner.home.Home.lock_identity`): host and user do not, since
    containers, each with process ids of its own, may have the same names.
    """

    host: str
    user: str
    pid: int
    since: str
    token: str
    home: str = ""

    @property
    def words(self) -> str:
        """For people."""
        return f"process {self.pid} of {self.user} on {self.host}"


class BucketLock:
    """The lock of one replication under a backend's prefix. `who` is the user's name, `home` as in `Holder`."""

    def __init__(self, account: Account, backend: S3Backend, name: str, who: str, home: str) -> None:
        self._account, self._backend = account, backend
        self.key = f"{backend.prefix}/{name}/lock.json"
        self.where = f"s3://{backend.bucket}/{self.key}"
        self._etag = ""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._me = Holder(socket.gethostname(), who, os.getpid(), now, secrets.token_hex(8), home)

    def take(self, *, break_it: bool = False) -> None:
        """Take the lock: where there is none, from the dead, or by force. Raises `LockedElsewhere`."""
        if self._put(""):
            return
        found = self._look()
        if found is None:  # given back in this moment
            if self._put(""):
                return
            found = self._look()
        holder, etag, age = found if found is not None else (self._me, "", timedelta())
        if not (break_it or age > LIFE or self._is_dead(holder)) or not self._put(etag):
            raise LockedElsewhere(self.where, holder.words, holder.since)

    def renew(self) -> None:
        """Say that we live. Raises `LockLost`."""
        if not self._put(self._etag):
            raise LockLost(self.where)

    def give_back(self) -> None:
        """Remove the lock if it still is ours."""
        found = self._look()
        if found is not None and found[1] == self._etag:
            with aws_errors("s3:DeleteObject"):
                self._account.s3.delete_object(Bucket=self._backend.bucket, Key=self.key)

    def holder(self) -> str:
        """Who holds it now, in words; empty if nobody does, or nobody has been heard of for too long."""
        found = self._look()
        if found is None or found[2] > LIFE or self._is_dead(found[0]):
            return ""
        return f"{found[0].words}, since {found[0].since}"

    def _is_dead(self, holder: Holder) -> bool:
        """Whether a holder of this very home is gone: the home's lock, which is held here, is the kernel's."""
        same = (holder.host, holder.user, holder.home) == (self._me.host, self._me.user, self._me.home)
        return same and holder.home != "" and not _lives(holder.pid)

    def _look(self) -> tuple[Holder, str, timedelta] | None:
        """The holder, the object's ETag, and how long ago it was written by S3's clock."""
        with aws_errors("s3:GetObject"):
            try:
                answer = self._account.s3.get_object(Bucket=self._backend.bucket, Key=self.key)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
                    return None
                raise
            text = answer["Body"].read()
        said = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        now = datetime.strptime(said, "%a, %d %b %Y %H:%M:%S %Z").replace(tzinfo=UTC) if said else datetime.now(UTC)
        try:
            holder = Holder(**json.loads(text))
        except (TypeError, ValueError):
            holder = Holder("(unknown)", "(unknown)", 0, "(unknown)", "")
        return holder, answer["ETag"], now - answer["LastModified"]

    def _put(self, etag: str) -> bool:
        """Write the lock where it has this ETag (empty: where there is none); whether it was written."""
        body = json.dumps(asdict(self._me), sort_keys=True).encode()
        request: PutObjectRequestTypeDef = {"Bucket": self._backend.bucket, "Key": self.key, "Body": body}
        key_id = self._backend.kms_key_id
        request["ServerSideEncryption"] = "AES256" if key_id is None else "aws:kms"
        if key_id is not None:
            request["SSEKMSKeyId"] = key_id
        if etag:
            request["IfMatch"] = etag
        else:
            request["IfNoneMatch"] = "*"
        with aws_errors("s3:PutObject"):
            try:
                self._etag = self._account.s3.put_object(**request)["ETag"]
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in (*_REFUSED, "NoSuchKey"):
                    return False
                raise
        return True


@contextmanager
def held(lock: BucketLock, lost: Event, *, break_it: bool = False, seconds: float = _RENEW_SECONDS) -> Iterator[None]:
    """Hold a lock, renewed every `seconds`; `lost` is set when somebody took it.

    Raises `LockedElsewhere`, and `LockLost` at the end.
    """
    lock.take(break_it=break_it)
    over = Event()

    def renew() -> None:
        while not over.wait(seconds):
            try:
                lock.renew()
            except LockLost:
                lost.set()
                return
            except HotaddError:
                continue  # S3 does not answer: the next minute may, and the lock lives for five

    thread = Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        with suppress(HotaddError):  # it frees itself in time; the first error is the one to tell
            lock.give_back()
    if lost.is_set():
        raise LockLost(lock.where)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
