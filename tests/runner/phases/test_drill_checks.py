"""A drill's checks against real sockets and the clock."""

from __future__ import annotations

import socket

from runner.phases.drill_checks import connects


def test_a_port_that_listens_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert connects("127.0.0.1", server.getsockname()[1]) == (True, "open")


def test_a_port_that_nobody_listens_at_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    found, seen = connects("127.0.0.1", port)
    assert found is None and seen == f"127.0.0.1 port {port}: Connection refused"
