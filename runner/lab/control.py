"""The lab's own path, /hotadd-lab/: what no AWS account has. Only tests and `hotadd lab` call it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from werkzeug.wrappers import Request, Response


def control(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer GET /hotadd-lab/state."""
    request = Request(environ)
    if request.method == "GET" and request.path == "/hotadd-lab/state":
        return _json({"pid": os.getpid()})(environ, start_response)
    return _json({"error": f"There is no {request.method} {request.path}."}, 404)(environ, start_response)


def _json(value: object, status: int = 200) -> Response:
    return Response(json.dumps(value), status, mimetype="application/json")
