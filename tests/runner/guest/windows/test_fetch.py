"""Fetching a bundle: from a server on this machine, from a directory, and from what must not be trusted."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import runner.guest.windows.fetch
from runner.guest.windows.bundle import LOCK, open_bundle, read_lock
from runner.guest.windows.bundle_refusals import (
    ArchiveChanged,
    ArchiveHostile,
    FetchFailed,
    LockDiffers,
    MirrorUnsafe,
    PinDiffers,
    VersionSkipped,
)
from runner.guest.windows.fetch import fetch
from runner.guest.windows.releases import RELEASES, Wanted
from tests.runner.guest.windows.packages import ena_files, every_package, nvme_files, zipped

# A second of small waits for a server.
pytestmark = pytest.mark.thorough

NVME, LAUNCH = Wanted("nvme", "latest"), Wanted("ec2launch", "latest")
EVERYTHING = [package for release in RELEASES for package in release.packages]


class Server:
    """Amazon's bucket: paths to bytes. `short` ends a file early, `lead` redirects what is not there."""

    def __init__(self) -> None:
        self.files = {f"/{wanted.path}": data for wanted, data in every_package().items()}
        self.asked: list[str] = []
        self.short, self.lead = False, ""
        mine = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mine.asked.append(self.path)
                data = mine.files.get(self.path)
                led = bool(mine.lead) and data is None
                self.send_response(302 if led else 200 if data is not None else 404)
                if led:
                    self.send_header("Location", mine.lead)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write((data or b"")[: -1 if mine.short else None])

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=lambda: self.http.serve_forever(poll_interval=0.01), daemon=True).start()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


def test_a_whole_bundle_is_fetched_once_and_pinned(server: Server, tmp_path: Path) -> None:
    said: list[str] = []
    lock = fetch(tmp_path, EVERYTHING, mirror=server.url, said=said.append)
    assert sorted(server.asked) == sorted(server.files) and len(said) == 10
    for package in lock.packages:
        data = server.files[package.url.removeprefix(server.url)]
        assert (package.bytes, package.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert (tmp_path / package.file).read_bytes() == data
    assert open_bundle(tmp_path).lacks == ()
    assert {path.name for path in tmp_path.iterdir()} == {LOCK, *(package.file for package in lock.packages)}
    server.asked.clear()
    assert fetch(tmp_path, EVERYTHING, mirror=server.url, said=said.append) == lock
    assert server.asked == [] and "already there" in said[-1]


def test_the_lock_alone_demands_the_same_bytes_elsewhere(server: Server, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    lock = fetch(first, [NVME, LAUNCH], mirror=server.url)
    second.mkdir()
    (second / LOCK).write_bytes((first / LOCK).read_bytes())
    said: list[str] = []
    assert fetch(second, [NVME, LAUNCH], mirror=server.url, said=said.append) == lock
    assert all("as the lock pins it" in line for line in said)
    (second / NVME.file).unlink()
    server.files[f"/{NVME.path}"] = zipped(nvme_files("1.9.0.1"))
    with pytest.raises(LockDiffers) as caught:
        fetch(second, [NVME], mirror=server.url)
    assert caught.value.exit_code == 4 and "--update" in caught.value.hint
    assert caught.value.expected == next(each.sha256 for each in lock.packages if each.file == NVME.file)
    assert not (second / NVME.file).exists() and read_lock(second) == lock
    updated = fetch(second, [NVME], mirror=server.url, update=True)
    assert updated != lock and open_bundle(second).files == (LOCK, LAUNCH.file, NVME.file)


def test_a_file_that_was_changed_is_not_taken_for_fetched(server: Server, tmp_path: Path) -> None:
    fetch(tmp_path, [NVME], mirror=server.url)
    (tmp_path / NVME.file).write_bytes(zipped(nvme_files("6.6.6.6")))
    with pytest.raises(ArchiveChanged):
        fetch(tmp_path, [NVME], mirror=server.url)


def test_a_pinned_version_takes_the_latest_s_place(server: Server, tmp_path: Path) -> None:
    server.files["/ec2-windows-drivers-downloads/NVMe/1.7.0/AWSNVMe.zip"] = zipped(nvme_files("1.7.0.9"))
    (package,) = fetch(tmp_path, [NVME], mirror=server.url, pins={"nvme": "1.7.0"}).packages
    assert (package.wanted, package.file) == ("latest", "nvme-latest.zip")
    assert package.url.endswith("/NVMe/1.7.0/AWSNVMe.zip")
    # What the lock pins is what is fetched again, without the pin.
    (tmp_path / package.file).unlink()
    assert fetch(tmp_path, [NVME], mirror=server.url).packages == (package,)
    assert (tmp_path / package.file).read_bytes() == server.files[
        "/ec2-windows-drivers-downloads/NVMe/1.7.0/AWSNVMe.zip"
    ]


def test_another_version_than_the_locked_one_takes_an_update(server: Server, tmp_path: Path) -> None:
    server.files["/ec2-windows-drivers-downloads/NVMe/1.7.0/AWSNVMe.zip"] = zipped(nvme_files("1.7.0.9"))
    lock = fetch(tmp_path, [NVME], mirror=server.url)
    with pytest.raises(PinDiffers) as caught:
        fetch(tmp_path, [NVME], mirror=server.url, pins={"nvme": "1.7.0"})
    assert "--update" in caught.value.hint and caught.value.exit_code == 3 and read_lock(tmp_path) == lock
    (package,) = fetch(tmp_path, [NVME], mirror=server.url, pins={"nvme": "1.7.0"}, update=True).packages
    assert package.url.endswith("/NVMe/1.7.0/AWSNVMe.zip")
    assert fetch(tmp_path, [NVME], mirror=server.url, pins={"nvme": "1.7.0"}) == read_lock(tmp_path)


def test_a_directory_is_a_mirror_too(server: Server, tmp_path: Path) -> None:
    for path, data in server.files.items():
        (tmp_path / "mirror" / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mirror" / path[1:]).write_bytes(data)
    fetch(tmp_path / "bundle", [NVME, LAUNCH], mirror=f"file://{tmp_path}/mirror/")
    assert len(open_bundle(tmp_path / "bundle").files) == 3


@pytest.mark.parametrize(
    ("wanted", "data"),
    [
        (NVME, zipped(nvme_files("1.8.0.2"))),
        (Wanted("ena", "latest"), zipped(ena_files("2.2.4.0"))),
        (Wanted("ena", "latest"), zipped(ena_files("2.5.0.0"))),
    ],
)
def test_a_version_that_fails_is_not_taken(server: Server, tmp_path: Path, wanted: Wanted, data: bytes) -> None:
    server.files[f"/{wanted.path}"] = data
    with pytest.raises(VersionSkipped) as caught:
        fetch(tmp_path, [wanted], mirror=server.url)
    assert f"--{wanted.product} VERSION" in caught.value.hint and list(tmp_path.iterdir()) == []


def missing(server: Server) -> None:
    server.files.clear()


def short(server: Server) -> None:
    server.short = True


def empty(server: Server) -> None:
    server.files[f"/{NVME.path}"] = b""


def led_away(server: Server) -> None:
    server.files["/evil.zip"] = server.files.pop(f"/{NVME.path}")
    server.lead = f"{server.url}/evil.zip"


def a_page(server: Server) -> None:
    server.files[f"/{NVME.path}"] = b"<html>AccessDenied</html>"


def a_page_for_an_installer(server: Server) -> None:
    server.files[f"/{LAUNCH.path}"] = b"<html>AccessDenied</html>"


FAULTS: list[tuple[Callable[[Server], None], type[Exception]]] = [
    (missing, FetchFailed),
    (short, FetchFailed),
    (empty, FetchFailed),
    (led_away, FetchFailed),
    (a_page, ArchiveHostile),
    (a_page_for_an_installer, ArchiveHostile),
]


@pytest.mark.parametrize(("fault", "error"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_what_is_not_whole_leaves_nothing(
    server: Server, tmp_path: Path, fault: Callable[[Server], None], error: type[Exception]
) -> None:
    fault(server)
    with pytest.raises(error):
        fetch(tmp_path, [LAUNCH, NVME] if fault is a_page_for_an_installer else [NVME, LAUNCH], mirror=server.url)
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_end_is_not_taken(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner.guest.windows.fetch, "_SIZE_MOST", len(server.files[f"/{NVME.path}"]) - 1)
    with pytest.raises(FetchFailed, match="has more than"):
        fetch(tmp_path, [NVME], mirror=server.url)
    assert list(tmp_path.iterdir()) == []


def test_what_was_fetched_before_a_fault_stays(server: Server, tmp_path: Path) -> None:
    del server.files[f"/{NVME.path}"]
    with pytest.raises(FetchFailed):
        fetch(tmp_path, [LAUNCH, NVME], mirror=server.url)
    assert [package.product for package in read_lock(tmp_path).packages] == ["ec2launch"]


@pytest.mark.parametrize(
    "mirror",
    ["http://example.com", "http://127.0.0.1.example.com", "ftp://127.0.0.1", "example.com", "", "https://h/?x=1"],
)
def test_a_place_that_anybody_could_change_is_refused(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(MirrorUnsafe):
        fetch(tmp_path / "bundle", [NVME], mirror=mirror)
    assert not (tmp_path / "bundle").exists()
