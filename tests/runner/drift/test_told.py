"""A drift in words."""

from __future__ import annotations

from dataclasses import replace

from runner.drift.told import as_markdown, as_text, summary
from schemas.document import read_document, write_document
from schemas.drift import Deviation, Drift, DriftedDisk, DriftedFile, DriftedRange

MACHINE = Deviation(
    "aws_instance.destination[0]", "i-1", "changed", "instance_type", '"m5.large"', '"m5.xlarge"', "world"
)
DISK = DriftedDisk(
    id="root",
    volume_id="vol-1",
    volume_bytes=1 << 30,
    integrity_snapshot_id="snap-1",
    compared=True,
    note="what was written since was compared with the digests",
    blocks=2,
    bytes=1 << 20,
    ranges=(DriftedRange(0, 524288, True), DriftedRange(1 << 20, 524288, False)),
    files=(DriftedFile("/dev/sda1", "/etc/a|b", 4096),),
)
NONE = Drift(
    version=1,
    replication="web01",
    generation=3,
    checked="2026-01-02T03:04:05.678Z",
    instance_id="i-1",
    instance_state="stopped",
    since_launch=False,
    moving=False,
    infrastructure_looked=True,
    data_looked=True,
    infrastructure=(),
    disks=(replace(DISK, blocks=0, bytes=0, ranges=(), files=()),),
    notes=(),
)
BOTH = replace(NONE, infrastructure=(MACHINE,), disks=(DISK,), since_launch=True, moving=True)


def test_the_summary_says_what_differs() -> None:
    assert summary(NONE) == "No drift: web01 is what generation 3 made of it."
    assert summary(BOTH) == (
        "Drift: web01 has 1 difference in the infrastructure; 2 blocks (1,048,576 bytes) of data, written since launch."
    )
    assert summary(replace(NONE, disks=(replace(DISK, blocks=0, compared=False),))) == (
        "Drift: web01 has 1 disk not comparable."
    )


def test_the_text_names_each_difference() -> None:
    text = as_text(BOTH)
    assert 'aws_instance.destination[0] (i-1): instance_type is "m5.xlarge", should be "m5.large"\n' in text
    assert "    524,288 bytes at 0, which injection wrote\n" in text
    assert "    524,288 bytes at 1,048,576\n" in text
    assert "    /etc/a|b on /dev/sda1: 4,096 bytes\n" in text
    assert "a moving target" in text and "a moving target" not in as_text(NONE)


def test_markdown_fits_a_comment_and_breaks_no_table() -> None:
    many = replace(BOTH, infrastructure=(MACHINE,) * 1000, disks=(replace(DISK, files=DISK.files * 300),) * 40)
    assert len(as_markdown(many)) < 65536
    assert "/etc/a\\|b" in as_markdown(BOTH)
    rows = [line for line in as_markdown(BOTH).splitlines() if line.startswith("| `aws")]
    assert rows == ['| `aws_instance.destination[0] i-1` | instance_type | "m5.large" | "m5.xlarge" | changed in EC2 |']


def test_the_document_is_read_as_it_was_written() -> None:
    assert read_document(write_document(BOTH, "drift"), "drift", Drift, "here") == BOTH
    assert BOTH.differs and not NONE.differs
