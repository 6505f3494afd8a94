"""The lab's own path, /hotadd-lab/: what no AWS account has. Only tests and `hotadd lab` call it.

GET    /hotadd-lab/state     the server's pid, instances, volumes, snapshots
GET    /hotadd-lab/faults    faults in force
POST   /hotadd-lab/faults    one more (runner/lab/faults.py: Fault)
DELETE /hotadd-lab/faults    none any more
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from werkzeug.wrappers import Request, Response

from runner.lab.faults import Faults, read_fault
from runner.lab.fleet import InstanceBackend
from runner.lab.instances import Instance


class Control:
    """A WSGI application."""

    def __init__(self, backend: InstanceBackend, faults: Faults) -> None:
        self.backend = backend
        self.faults = faults

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        match request.method, request.path:
            case "GET", "/hotadd-lab/state":
                answer = _json(self.state())
            case "GET", "/hotadd-lab/faults":
                answer = _json([asdict(fault) for fault in self.faults.listed()])
            case "POST", "/hotadd-lab/faults":
                answer = self.add_fault(request)
            case "DELETE", "/hotadd-lab/faults":
                self.faults.clear()
                answer = _json({})
            case _:
                answer = _json({"error": f"There is no {request.method} {request.path}."}, 404)
        return answer(environ, start_response)

    def add_fault(self, request: Request) -> Response:
        try:
            self.faults.add(read_fault(json.loads(request.get_data())))
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        return _json({}, 201)

    def state(self) -> dict[str, object]:
        with self.backend.ground.lock:
            return {
                "pid": os.getpid(),
                "instances": {i.id: i.state for i in self.backend.all_instances() if isinstance(i, Instance)},
                "volumes": {
                    v.id: {
                        "state": v.status,
                        "instance": v.attachment.instance.id if v.attachment else None,
                        "device": v.attachment.device if v.attachment else None,
                    }
                    for v in self.backend.volumes.values()
                },
                "snapshots": {
                    s.id: {"state": s.status, "volume": s.volume.id}
                    for s in self.backend.snapshots.values()
                    if s.from_ami is None
                },
            }


def _json(value: object, status: int = 200) -> Response:
    return Response(json.dumps(value), status, mimetype="application/json")
