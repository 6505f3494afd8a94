"""The lab's server process: `python -m runner.lab.server DIRECTORY PORT SETTINGS-JSON`.

It leaves the command that started it (a session of its own) and lives until `hotadd lab down`. Everything it starts
is on its leash.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from runner.lab.backend import furnish, install
from runner.lab.control import Control
from runner.lab.faults import Faults
from runner.lab.front import Front
from runner.lab.ground import Ground
from runner.lab.layout import Layout
from runner.lab.record import write_record
from runner.lab.settings import Settings


def serve(directory: Path, port: int, settings: Settings, ready: int) -> None:
    """Serve for ever; the bound port goes to the descriptor `ready` once calls are answered."""
    layout = Layout(directory)
    layout.make()
    faults = Faults()
    backend = install(Ground(layout, settings, faults))
    application = Front(DomainDispatcherApplication(create_backend_app), Control(backend, faults), faults, layout)
    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=MotoRequestHandler)
    signal.signal(signal.SIGTERM, _leave)
    write_record(furnish(backend, directory, server.port))
    os.write(ready, str(server.port).encode())
    os.close(ready)
    server.serve_forever()


def _leave(_signum: int, _frame: FrameType | None) -> None:
    os._exit(0)  # nothing to save; guests and their watchers end with our pipes


def detach(log: Path, keep: int) -> None:
    """Give up every inherited descriptor but `keep`: a caller waits for its pipes to close."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, keep)
    os.closerange(keep + 1, 4096)


def main(argv: list[str]) -> int:
    """Start the server in the background; print its pid and port when it answers."""
    directory, port, settings = Path(argv[1]), int(argv[2]), Settings(**json.loads(argv[3]))
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        detach(Layout(directory).server_log, write_end)
        serve(directory, port, settings, write_end)
        return 0
    os.close(write_end)
    bound = os.read(read_end, 16)
    if not bound:
        log = Layout(directory).server_log.read_text(errors="replace").strip().splitlines()
        print(log[-1] if log else "The lab's server ended at once.", file=sys.stderr)
        return 1
    print(json.dumps({"pid": child, "port": int(bound)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
