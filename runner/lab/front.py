"""The lab's front door: a WSGI layer before moto that checks the Host header and logs every call."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

from moto.core.request import Request
from moto.core.routing import get_service_router
from werkzeug.wrappers import Response

from runner.lab.faults import BROKEN_BODY, Faults, error_response, hit
from runner.lab.journal import write_line
from runner.lab.layout import Layout

CONTROL = "/hotadd-lab/"
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
# A page in a browser could reach a loopback port by DNS rebinding; its Host header gives it away.
_HOST = re.compile(r"(127\.0\.0\.1|localhost|[a-z0-9.-]+\.localhost)(:\d+)?")
_RESOURCE = re.compile(r"\b(?:vol|snap|i|ami|sg|eni|subnet|vpc|sgr|rtb|r)-(?:[0-9a-f]{17}|[0-9a-f]{8})\b")
_ERROR_CODE = re.compile(rb"<Code>([^<]+)</Code>|\"__type\":\s*\"([^\"]+)\"")
_CREDENTIAL = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/")


class Call:
    """Which AWS call a request is."""

    def __init__(self, environ: dict[str, Any]) -> None:
        scope = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        self.region, self.service = (scope.group(1), scope.group(2).lower()) if scope else ("", "s3")
        self.agent = environ.get("HTTP_USER_AGENT", "")
        self.path = environ.get("PATH_INFO", "")
        self.text = environ.get("QUERY_STRING", "")
        if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            self.text = body.decode("utf-8", "replace")
        self.action = self._find_action(environ)

    def _find_action(self, environ: dict[str, Any]) -> str:
        target = str(environ.get("HTTP_X_AMZ_TARGET", ""))
        if target:
            return target.rsplit(".", 1)[-1]
        for key, value in parse_qsl(self.text):
            if key == "Action":
                return str(value)
        try:
            operation, _ = get_service_router(self.service).match(Request(environ.copy()))
            return str(operation.name)
        except Exception:  # noqa: BLE001 - a call nobody knows is still logged; moto answers it
            return str(environ["REQUEST_METHOD"])

    def resources(self, answer: bytes) -> list[str]:
        """Ids in the request, and those that the answer to anything but a question names."""
        found = _RESOURCE.findall(" ".join((self.path, *(v for _, v in parse_qsl(self.text)))))
        if not self.action.startswith(("Describe", "Get", "List", "Head")):
            found += _RESOURCE.findall(answer[:65536].decode("utf-8", "replace"))
        return list(dict.fromkeys(found))


class Front:
    """Logs each call with service, action, status, error code and resource ids; no secret is among them."""

    def __init__(self, application: Application, control: Application, faults: Faults, layout: Layout) -> None:
        self.application = application
        self.control = control
        self.faults = faults
        self.layout = layout

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not _HOST.fullmatch(environ.get("HTTP_HOST", "")):
            return Response("The lab answers on loopback only.\n", 403)(environ, start_response)
        if environ.get("PATH_INFO", "").startswith(CONTROL):
            return self.control(environ, start_response)
        call = Call(environ)
        response = self._answer(call, environ)
        self._log(call, response)
        if self.faults.take(call.service, call.action, BROKEN_BODY) is not None:
            start_response(response.status, response.get_wsgi_headers(environ).to_wsgi_list())
            whole = response.get_data()
            return [whole[: len(whole) // 2]]  # the connection then ends, short of its Content-Length
        return response(environ, start_response)

    def _answer(self, call: Call, environ: dict[str, Any]) -> Response:
        fault = self.faults.take(call.service, call.action)
        failed = hit(fault, call.service) if fault is not None else None
        if failed is not None:
            return failed
        response = Response.from_app(self.application, environ, buffered=True)
        if response.status_code == 500 and response.mimetype == "text/html":
            # moto broke; no SDK could read its page. The traceback is in server.log.
            return error_response(call.service, "InternalError", f"The lab failed at {call.action}.")
        return response

    def _log(self, call: Call, response: Response) -> None:
        answer = response.get_data()
        code = response.headers.get("x-amzn-errortype", "").split(":")[0]
        if response.status_code >= 400 and not code:
            match = _ERROR_CODE.search(answer)
            code = (match.group(1) or match.group(2)).decode() if match else "Unknown"
        write_line(
            self.layout.api_log,
            service=call.service,
            action=call.action,
            status=response.status_code,
            error=code or None,
            resources=call.resources(answer),
            region=call.region,
            agent=_agent(call.agent),
        )


def _agent(header: str) -> str:
    """`terraform` for Terraform and its provider, else the SDK's name."""
    return "terraform" if "terraform" in header.lower() else header.split("/", 1)[0].lower()
