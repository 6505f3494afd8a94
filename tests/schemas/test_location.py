"""Where a disk may be, and what a spec is told about a place that is none."""

import pytest

from schemas.location import S3Object, is_local, is_nbd, location_fault, s3_object, scheme_of
from tests.schemas.specs import changed, loaded, problems

PATH = "path: /images/data.raw"

# The URIs are those of the NBD URI specification (doc/uri.md of NetworkBlockDevice/nbd).
GOOD = {
    "disks/a.raw": "raw",
    "/images/a b.vmdk": "vmdk",
    "./s3://odd": "raw",
    "s3://acme/exports/web01.ova": "ova",
    "s3://acme/web01.vmdk": "vmdk",
    "nbd://example.com": "raw",
    "nbd://[::1]:10810/export": "raw",
    "nbds://server/?tls-certificates=/etc/pki/nbd": "raw",
    "nbd+unix:///?socket=/run/disk.sock": "raw",
    "nbd+vsock://2:10809/export": "raw",
}
BAD = {
    ("http://host/disk.raw", "raw"): "http:// is no place",
    ("json:{}://x", "raw"): "",
    ("s3://acme/web01.qcow2", "qcow2"): "needs a file on this machine",
    ("s3://acme/web01.ovf", "ovf"): "needs a file on this machine",
    ("s3://acme", "raw"): "no bucket and key",
    ("s3:///key", "raw"): "no bucket and key",
    ("s3://ACME/key", "raw"): "no bucket and key",
    ("nbd://host/disk", "vmdk"): "a raw disk, not vmdk",
    ("nbd:///disk", "raw"): "no host",
    ("nbd://[::1/disk", "raw"): "no URI",
    ("nbd+unix:///disk", "raw"): "no socket",
    ("nbd+unix:///?socket=run/disk.sock", "raw"): "no socket",
}


@pytest.mark.parametrize("location", GOOD)
def test_good_places(location: str) -> None:
    assert location_fault(location, GOOD[location]) is None
    assert is_nbd(location) == location.startswith("nbd")
    assert is_local(location) == (not location.startswith(("nbd", "s3")))


@pytest.mark.parametrize(("location", "format"), BAD)
def test_bad_places(location: str, format: str) -> None:
    fault = location_fault(location, format)
    said = BAD[location, format]
    assert (said in fault[0] and fault[1]) if fault and said else not said


def test_an_object_is_a_bucket_and_a_key_with_slashes() -> None:
    assert s3_object("s3://acme/a/b c.ova") == S3Object("acme", "a/b c.ova")
    assert s3_object("/images/s3") is None and scheme_of("nbd+unix:///") == "nbd+unix"


def test_only_paths_are_made_absolute() -> None:
    spec = loaded(changed(PATH, "path: s3://acme/data.vmdk\n      format: vmdk\n      changes: cbt.json"))
    assert spec.disk("data").path == "s3://acme/data.vmdk"
    assert (spec.disk("data").changes or "").endswith("/specs/cbt.json")
    assert spec.disk("data").changes != "/specs/cbt.json"


@pytest.mark.parametrize(
    ("disk", "path", "said"),
    [
        ("path: nbd://host/data\n      format: vmdk", "source.disks[1].path", "raw disk"),
        ("path: d.vmdk\n      format: vmdk\n      member: d.vmdk", "source.disks[1].member", "no package"),
        ("path: d.ova\n      format: ova\n      member: a/d.vmdk", "source.disks[1].member", "look right"),
        ("path: d\n      format: auto", "source.disks[1].format", "none of raw, vmdk"),
    ],
)
def test_a_spec_is_told(disk: str, path: str, said: str) -> None:
    (problem,) = problems(changed(PATH, disk))
    assert problem.path == path and said in problem.sentence and problem.hint


def test_limits_of_the_copy() -> None:
    assert loaded(changed("backend:\n", "copy: {rate_mb_s: 80}\nbackend:\n")).copy.rate_mb_s == 80
    (problem,) = problems(changed("backend:\n", "copy: {disks_at_once: 0}\nbackend:\n"))
    assert problem.path == "copy.disks_at_once"
