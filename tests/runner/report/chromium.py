"""Headless Chromium, driven over a pipe in the DevTools protocol: what a person would see, and the console's words."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import struct
import subprocess
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BINARY = shutil.which("chromium")
_SECONDS = 120.0  # on two busy cores, with no GPU
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
)


class BrowserFailed(AssertionError):
    """Chromium ended, or did not answer."""


@dataclass
class Browser:
    """One page of a running Chromium. `said` are console messages and exceptions, `asked` the addresses requested."""

    to: int
    answers: int
    session: str = ""
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    _last: int = 0
    _held: bytes = b""

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol; its result."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._last:
            self._note(answer)
        if "error" in answer:
            raise BrowserFailed(f"{method}: {answer['error']}")
        return dict(answer["result"])

    def attach(self) -> None:
        """Open a page and listen to it."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def open(self, file: Path | str, *, dark: bool = False, width: int = 1200, height: int = 900) -> float:
        """Open a file; seconds from the request to the end of its `load` event and the first frame after."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self._go("about:blank")  # else a page that differs by its fragment alone would not be loaded
        self.said.clear()
        self.asked.clear()
        began = time.monotonic()
        self._go(file if isinstance(file, str) else file.resolve().as_uri())
        self.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")
        return time.monotonic() - began

    def _go(self, url: str) -> None:
        self.events.clear()
        self.call("Page.navigate", url=url)
        while "Page.loadEventFired" not in self.events:
            self._note(self._next())

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript gives."""
        done = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            raise BrowserFailed(f"{expression}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def picture(self, *, whole: bool = False) -> Picture:
        """What is to be seen, or all of the page."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        return Picture(base64.b64decode(data))

    def pixels(self, *places: tuple[float, float]) -> list[tuple[int, int, int]]:
        """The colours at places of the window; only what is around them is read."""
        left, top = (int(min(axis)) for axis in zip(*places, strict=True))
        right, bottom = (int(max(axis)) + 1 for axis in zip(*places, strict=True))
        across, down = self.value("[scrollX, scrollY]")  # a clip is of the document
        clip = {"x": left + across, "y": top + down, "width": right - left, "height": bottom - top, "scale": 1}
        data = self.call("Page.captureScreenshot", format="png", clip=clip)["data"]
        picture = Picture(base64.b64decode(data))
        return [picture.pixel(x - left, y - top) for x, y in places]

    def press(self, key: str) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def point(self, x: float, y: float) -> None:
        """Move the pointer."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def _next(self) -> dict[str, Any]:
        until = time.monotonic() + _SECONDS
        while b"\0" not in self._held:
            ready, _, _ = select.select([self.answers], [], [], max(0.0, until - time.monotonic()))
            piece = os.read(self.answers, 1 << 20) if ready else b""
            if not piece:
                raise BrowserFailed("Chromium gave no answer.")
            self._held += piece
        line, _, self._held = self._held.partition(b"\0")
        return dict(json.loads(line))

    def _note(self, event: dict[str, Any]) -> None:
        method, params = event.get("method", ""), event.get("params", {})
        self.events.append(method)
        match method:
            case "Runtime.consoleAPICalled":
                self.said.append(json.dumps(params["args"]))
            case "Runtime.exceptionThrown":
                self.said.append(json.dumps(params["exceptionDetails"]))
            case "Log.entryAdded":
                self.said.append(params["entry"]["text"])
            case "Network.requestWillBeSent":
                self.asked.append(params["request"]["url"])


@contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium with a profile of its own, ended afterwards."""
    assert BINARY is not None
    down, to = os.pipe()
    answers, up = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The protocol's pipes are file descriptors 3 and 4; the shell puts ours there.
        words = [BINARY, *_FLAGS, f"--user-data-dir={profile}"]
        script = f'exec "$@" 3<&{down} 4>&{up}'
        child = subprocess.Popen(
            ["/bin/bash", "-c", script, "bash", *words],
            pass_fds=(down, up),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(down)
        os.close(up)
        try:
            one = Browser(to, answers)
            one.attach()
            yield one
        finally:
            os.close(to)  # at its end Chromium ends, with all its processes
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            os.close(answers)


class Picture:
    """A PNG of 8-bit RGB or RGBA, not interlaced ("Portable Network Graphics", third edition), as Chromium makes it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        at, packed = 8, b""
        while at < len(data):
            (length,), kind = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
            body = data[at + 8 : at + 8 + length]
            if kind == b"IHDR":
                self.width, self.height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
                assert (depth, interlaced) == (8, 0) and colour in (2, 6)
                self._size = 3 if colour == 2 else 4
            elif kind == b"IDAT":
                packed += body
            at += 12 + length
        self._rows = self._unfiltered(zlib.decompress(packed))

    def _unfiltered(self, raw: bytes) -> list[bytearray]:
        stride, size = self.width * self._size, self._size
        rows: list[bytearray] = []
        above = bytearray(stride)
        for y in range(self.height):
            kind = raw[y * (stride + 1)]
            row = bytearray(raw[y * (stride + 1) + 1 : (y + 1) * (stride + 1)])
            if kind == 2:
                row[:] = bytes((a + b) & 255 for a, b in zip(row, above, strict=True))
            elif kind:
                for x in range(stride):
                    left = row[x - size] if x >= size else 0
                    corner = above[x - size] if x >= size else 0
                    row[x] = (row[x] + _predicted(kind, left, above[x], corner)) & 255
            rows.append(row)
            above = row
        return rows

    def pixel(self, x: float, y: float) -> tuple[int, int, int]:
        """Red, green and blue of a pixel."""
        at = int(x) * self._size
        red, green, blue = self._rows[int(y)][at : at + 3]
        return red, green, blue


def _predicted(kind: int, left: int, above: int, corner: int) -> int:
    if kind == 1:
        return left
    if kind == 3:
        return (left + above) // 2
    guess = left + above - corner
    near = [(abs(guess - value), order, value) for order, value in enumerate((left, above, corner))]
    return min(near)[2]
