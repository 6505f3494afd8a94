"""Faults on demand: what AWS does on a bad day."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

# HTTP status of the codes that are not 400.
_STATUS = {
    "RequestLimitExceeded": 503,
    "InternalError": 500,
    "InternalServerException": 500,
    "UnauthorizedOperation": 403,
    "AccessDenied": 403,
    "AccessDeniedException": 403,
    "SlowDown": 503,
    "ServiceUnavailable": 503,
    "Unavailable": 503,
}
_MESSAGE = {
    "RequestLimitExceeded": "Request limit exceeded.",
    "InternalError": "An internal error has occurred",
    "ExpiredToken": "The security token included in the request is expired",
    "ExpiredTokenException": "The security token included in the request is expired",
    "RequestExpired": "Request has expired.",
    "UnauthorizedOperation": "You are not authorized to perform this operation.",
}
_JSON_SERVICES = ("ebs", "kms", "ssm", "dynamodb")
# Not errors of the call, which succeeds; what comes after it goes wrong:
SNAPSHOT_ERROR = "snapshot-error"  # CreateSnapshot: the snapshot ends in the state `error`
LAUNCH_ERROR = "launch-error"  # StartInstances, RunInstances: the instance falls back to `stopped`
LATE_DEVICE = "late-device"  # AttachVolume: the device appears only `delay_seconds` after the volume is attached
BROKEN_BODY = "broken-body"  # any call: the answer's body breaks off in its middle
_AFTERMATHS = (SNAPSHOT_ERROR, LAUNCH_ERROR, LATE_DEVICE, BROKEN_BODY)


@dataclass(frozen=True)
class Fault:
    """What to do to matching calls.

    `service` and `action` select calls ("*" is any). `error_code` is returned without the call being done; empty, the
    call is only delayed; `snapshot-error`, `launch-error`, `late-device` and `broken-body` let the call be and spoil
    what follows. `http_status` 0 stands for the code's own. `after` matching calls go by unharmed first, then `times`
    are hit (0: all). `delay_seconds` is waited before. `reason` goes with the errors of EBS direct
    (INVALID_PAGE_TOKEN ...).
    """

    action: str
    service: str = "*"
    error_code: str = ""
    http_status: int = 0
    times: int = 1
    delay_seconds: float = 0.0
    after: int = 0
    reason: str = ""

    def matches(self, service: str, action: str) -> bool:
        return self.service in ("*", service) and self.action in ("*", action)


def read_fault(given: Mapping[str, object]) -> Fault:
    """A fault from JSON; raises ValueError for a key that no fault has."""
    unknown = set(given) - {field.name for field in fields(Fault)}
    if unknown or "action" not in given:
        raise ValueError(f"A fault has no {', '.join(sorted(unknown))}." if unknown else "A fault needs an action.")
    return Fault(**given)  # type: ignore[arg-type]  # a wrong type fails in the one test that sent it


class Faults:
    """The faults in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[int, int] = {}
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._faults, self._seen = [], {}

    def listed(self) -> list[Fault]:
        with self._lock:
            return list(self._faults)

    def take(self, service: str, action: str, aftermath: str = "") -> Fault | None:
        """The first fault that hits this call, counted; `aftermath` asks for those of what follows it alone."""
        with self._lock:
            for number, fault in enumerate(self._faults):
                if not fault.matches(service, action):
                    continue
                if (fault.error_code if fault.error_code in _AFTERMATHS else "") != aftermath:
                    continue
                seen = self._seen[number] = self._seen.get(number, 0) + 1
                if seen > fault.after and (fault.times == 0 or seen <= fault.after + fault.times):
                    return fault
        return None


def error_response(service: str, code: str, message: str = "", status: int = 0, reason: str = "") -> Response:
    """An error as the service's protocol wants it: query XML, REST XML (s3) or JSON."""
    status = status or _STATUS.get(code, 400)
    message = message or _MESSAGE.get(code, f"The lab was asked to answer {code}.")
    if service in _JSON_SERVICES:
        body = {"__type": code, "message": message} | ({"Reason": reason} if reason else {})
        answer = Response(json.dumps(body), status, mimetype="application/json")
        answer.headers["x-amzn-errortype"] = code
        return answer
    inner = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if service == "ec2":
        text = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>lab</RequestID></Response>"
    elif service == "s3":
        text = f"<Error>{inner}<RequestId>lab</RequestId></Error>"
    else:
        text = f"<ErrorResponse><Error><Type>Sender</Type>{inner}</Error><RequestId>lab</RequestId></ErrorResponse>"
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}', status, mimetype="text/xml")


def hit(fault: Fault, service: str) -> Response | None:
    """Wait as the fault says; its error, or None when the call may go on."""
    time.sleep(fault.delay_seconds)
    if not fault.error_code:
        return None
    return error_response(service, fault.error_code, status=fault.http_status, reason=fault.reason)
