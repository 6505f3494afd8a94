"""What a spec is told: every fault at once, each with its file, line, path, sentence and hint."""

import json
from pathlib import Path

import pytest

from schemas.errors import REFUSED
from schemas.loading import load_spec, load_specs
from schemas.problem import SpecInvalid
from schemas.spec import AccessNode, Backend, Disk, Integrity, LocalBackend, VolumeSettings
from tests.schemas.specs import FILE, GOOD, changed, loaded, problems

NODE = """\
  declare:
    name: fra-a
    instance_type: m6i.large
    ami: ami-0123456789abcdef0
    subnet_id: subnet-0123456789abcdef0
    vpc_id: vpc-0123456789abcdef0
    wheel:
      location: s3://bucket/hotadd-0.1.0-py3-none-any.whl
      sha256: {sha256}
""".format(sha256="0a" * 32)
INSTANCE = "  instance_id: i-0123456789abcdef0\n"
DISK = "    - id: data\n      path: /images/data.raw\n      size_gib: 100\n"


def disks(count: int, size_gib: int = 8) -> str:
    """The good spec with so many disks in all."""
    more = "".join(f"    - {{id: d{n}, path: d{n}.raw, size_gib: {size_gib}}}\n" for n in range(count - 1))
    return changed(DISK, more)


def volume(settings: str, size_gib: int = 40) -> str:
    """The good spec with these volume settings and this size of its disks."""
    text = changed("backend:\n", f"  volume: {{{settings}}}\nbackend:\n")
    return text.replace("size_gib: 40", f"size_gib: {size_gib}").replace("size_gib: 100", f"size_gib: {size_gib}")


def test_a_good_spec_becomes_a_model() -> None:
    spec = loaded(GOOD)
    base = Path.cwd() / "specs"
    assert spec.name == "web01" and spec.version == 1
    assert spec.source.disks == (
        Disk("root", f"{base}/disks/root.raw", 40, "raw", True),
        Disk("data", "/images/data.raw", 100, "raw", False),
    )
    assert spec.boot_disk.id == "root" and spec.disk("data").size_gib == 100
    assert spec.access_node == AccessNode(instance_id="i-0123456789abcdef0")
    assert spec.backend == Backend(local=LocalBackend(str(Path.cwd() / "state")))
    assert spec.integrity == Integrity(2) and spec.destination.volume == VolumeSettings("gp3", encrypted=True)
    assert (spec.network, spec.start, spec.verify, spec.zeroes, spec.decommission) == (
        "keep",
        True,
        "none",
        "auto",
        False,
    )
    named = loaded(changed("backend:\n", "guest: {drivers: ../drivers}\nbackend:\n"))
    assert (spec.guest.drivers, named.guest.drivers) == (None, str(Path.cwd() / "drivers"))
    named = loaded(changed("backend:\n", "guest: {luks_keys: [keys/a, /root/b]}\nbackend:\n"))
    assert (spec.guest.luks_keys, named.guest.luks_keys) == ((), (str(Path.cwd() / "specs/keys/a"), "/root/b"))
    with pytest.raises(KeyError):
        spec.disk("swap")


def test_json_is_a_spec_too() -> None:
    document = {
        "version": 1,
        "name": "web01",
        "region": "eu-central-1",
        "availability_zone": "eu-central-1a",
        "source": {
            "disks": [
                {"id": "root", "path": "disks/root.raw", "size_gib": 40, "boot": True},
                {"id": "data", "path": "/images/data.raw", "size_gib": 100},
            ]
        },
        "access_node": {"instance_id": "i-0123456789abcdef0"},
        "destination": {
            "instance_type": "m5.large",
            "shell_ami": "ami-0123456789abcdef0",
            "subnet_id": "subnet-0123456789abcdef0",
        },
        "backend": {"local": {"path": "../state"}},
    }
    for indent in (None, 2, "\t"):
        assert loaded(json.dumps(document, indent=indent)) == loaded(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        changed(INSTANCE, NODE),
        changed("local:\n    path: ../state", "s3: {bucket: acme-hotadd, prefix: replicas/prod, region: eu-central-1}"),
        changed("name: web01", "name: web01\ntags: {team: web, cost centre: '12'}"),
        volume("type: gp3, iops: 80000, throughput: 2000", 160),
        volume("type: io2, iops: 256000", 65536),
        volume("encrypted: false"),
        disks(40),
        changed("source:\n", "source:\n  os: windows\n"),
        disks(21).replace("source:\n", "source:\n  os: windows\n"),
    ],
)
def test_good_specs(text: str) -> None:
    assert problems(text) == ()


# text, line, path, piece of the sentence, piece of the hint
BAD = [
    (changed("version: 1", "version: 2"), 1, "version", "2 is not 1", "Version"),
    (changed("version: 1", "version: '1'"), 1, "version", '"1" is not 1', ""),
    (changed("name: web01\n", ""), 1, "name", "missing", "For example: web01."),
    (changed("name: web01", "name: Web01"), 2, "name", '"Web01" does not look right', "For example: web01."),
    (changed("name: web01", 'name: "web01\\n"'), 2, "name", "does not look right", ""),
    (changed("name: web01", "name: 01"), 2, "name", "1 is no string", "quotes"),
    (changed("name: web01", f"name: w{'e' * 40}"), 2, "name", "does not look right", ""),
    (changed("name: web01", "name: node-fra-a"), 2, "name", "begin with node-", "another name"),
    (changed("name: web01", "name:"), 2, "name", "null is no string", "Name of the replication"),
    (changed("name: web01", "name: web01\nstrat: true"), 3, "strat", "unknown", "Did you mean start?"),
    (changed("name: web01", "name: web01\nnetwork: static"), 3, "network", '"static" is none of keep, dhcp', ""),
    (changed("name: web01", "name: web01\nnetwork: dhpc"), 3, "network", "Did you mean dhcp?", "static addresses"),
    (changed("name: web01", "name: web01\nstart: no"), 3, "start", '"no" is no boolean', ""),
    (changed("name: web01", "name: web01\nverify: Full"), 3, "verify", "Did you mean full?", ""),
    (changed("name: web01", "name: web01\ntags: {aws:x: y}"), 3, "tags.aws:x", "not allowed", "beginning with aws:"),
    (changed("name: web01", "name: web01\ntags: {hotadd:disk: y}"), 3, "tags.hotadd:disk", "not allowed", ""),
    (changed("name: web01", "name: web01\ntags: {a: 12}"), 3, "tags.a", "12 is no string", "quotes"),
    (changed("name: web01", f"name: web01\ntags: {{a: {'x' * 257}}}"), 3, "tags.a", "longer than 256", "256"),
    (
        changed("name: web01", f"name: web01\ntags: {{{', '.join(f't{n}: x' for n in range(41))}}}"),
        3,
        "tags",
        "40 at most",
        "",
    ),
    (changed("name: web01", "name: web01\nintegrity: {retention: 0}"), 3, "integrity.retention", "less than 1", ""),
    (changed("region: eu-central-1\n", "region: Frankfurt\n"), 3, "region", "does not look right", "eu-central-1"),
    (changed("zone: eu-central-1a", "zone: eu-west-1a"), 4, "availability_zone", "not in eu-central-1", "zone"),
    (changed("zone: eu-central-1a", "zone: eu-central-1"), 4, "availability_zone", "does not look right", ""),
    (GOOD[: GOOD.index("source:")] + GOOD[GOOD.index("access_node:") :], 1, "source", "missing", "machine"),
    (changed("      path: /images/data.raw\n", ""), 11, "source.disks[1].path", "missing", "image"),
    (changed("path: /images/data.raw", 'path: ""'), 12, "source.disks[1].path", "", "image"),
    (changed("path: /images/data.raw", 'path: "a\\0b"'), 12, "source.disks[1].path", "does not look right", ""),
    (changed("size_gib: 100", "size_gib: 0"), 13, "source.disks[1].size_gib", "0 is less than 1", "GiB"),
    (changed("size_gib: 100", "size_gib: 65537"), 13, "source.disks[1].size_gib", "more than 65536", ""),
    (changed("size_gib: 100", "size_gib: 1.5"), 13, "source.disks[1].size_gib", "1.5 is no integer", ""),
    (changed("size_gib: 100", "size_gib: 100.0"), 13, "source.disks[1].size_gib", "100.0 is no integer", ""),
    (changed("size_gib: 100", "size_gib: '100'"), 13, "source.disks[1].size_gib", '"100" is no integer', ""),
    (changed("size_gib: 100", "size_gib: true"), 13, "source.disks[1].size_gib", "true is no integer", ""),
    (changed("boot: true", "bot: true"), 10, "source.disks[0].bot", "unknown", "Did you mean boot?"),
    (changed("id: data", "id: root"), 11, "source.disks[1].id", "also that of disks[0]", "unique"),
    (changed("id: data", "id: Data"), 11, "source.disks[1].id", "does not look right", ""),
    (changed("boot: true", "boot: false"), 6, "source.disks", "Exactly one disk boots; none does", "boot: true"),
    (changed("size_gib: 100", "size_gib: 100\n      boot: true"), 6, "source.disks", "root, data do", ""),
    (changed("size_gib: 100", "size_gib: 100\n      format: vmdx"), 14, "source.disks[1].format", "none of raw", ""),
    (disks(41), 6, "source.disks", "41 disks, but HotAdd takes 40 at a time for a linux guest", "fewer"),
    (
        disks(22).replace("source:\n", "source:\n  os: windows\n"),
        7,
        "source.disks",
        "22 disks, but HotAdd takes 21 at a time for a windows guest",
        "fewer",
    ),
    (changed(INSTANCE, INSTANCE + NODE), 14, "access_node", "exactly one of: instance_id or declare", "Keep one"),
    (changed("access_node:\n" + INSTANCE, "access_node: {}\n"), 14, "access_node", "exactly one of", ""),
    (changed(INSTANCE, NODE.replace("sha256: 0a", "sha256: x")), 23, "access_node.declare.wheel.sha256", "look", ""),
    (changed(INSTANCE, NODE.replace("s3://", "ftp://")), 22, "access_node.declare.wheel.location", "look", "s3://"),
    (changed("instance_id: i-0123456789abcdef0", "instance_id: web"), 15, "access_node.instance_id", "look", "i-01"),
    (changed("backend:\n  local:\n    path: ../state\n", ""), 1, "backend", "missing", "state"),
    (
        changed("local:\n    path: ../state", "s3: {bucket: acme, prefix: /a, region: eu-central-1}"),
        21,
        "backend.s3.prefix",
        "look",
        "slash",
    ),
    ("[1, 2]", 1, "", "[1, 2] is no object", "one document a machine"),
    ("just words", 1, "", '"just words" is no object', ""),
]


@pytest.mark.parametrize(("text", "line", "path", "sentence", "hint"), BAD)
def test_a_bad_spec(text: str, line: int, path: str, sentence: str, hint: str) -> None:
    (problem,) = problems(text)
    assert (problem.file, problem.line, problem.path) == (str(FILE), line, path)
    assert sentence in problem.sentence and hint.lower() in problem.hint.lower()
    assert "None" not in str(problem) and "\n" not in str(problem)


def test_every_fault_is_told_at_once_in_the_order_of_lines() -> None:
    text = GOOD
    for old, new in (
        ("name: web01", "name: Web 01"),
        ("id: root", "id: 7"),
        ("size_gib: 100", "size_gib: lots\n      colour: blue"),
        ("  shell_ami: ami-0123456789abcdef0\n", ""),
        ("path: ../state", "path: ../state\nbackends: []"),
    ):
        text = text.replace(old, new)
    found = problems(text)
    assert [(p.line, p.path) for p in found] == [
        (2, "name"),
        (7, "source.disks[0].id"),
        (13, "source.disks[1].size_gib"),
        (14, "source.disks[1].colour"),
        (17, "destination.shell_ami"),
        (23, "backends"),
    ]
    error = SpecInvalid(found)
    assert error.exit_code == REFUSED and "6 faults" in error.hint
    assert str(error).splitlines()[0].startswith(f"{FILE}:2: name: ")


def test_several_rules_are_told_at_once() -> None:
    key = "arn:aws:kms:eu-central-1:111122223333:key/1"
    text = volume(f"type: gp2, iops: 4000, throughput: 250, encrypted: false, kms_key_id: {key}")
    text = text.replace("id: data", "id: root").replace("zone: eu-central-1a", "zone: eu-west-1a")
    assert [p.path for p in problems(text)] == [
        "availability_zone",
        "source.disks[1].id",
        "destination.volume.iops",
        "destination.volume.kms_key_id",
        "destination.volume.throughput",
    ]


def write(folder: Path, **specs: str) -> list[Path]:
    files = []
    for name, text in specs.items():
        file = folder / f"{name}.yaml"
        file.write_text(text, encoding="utf-8")
        files.append(file)
    return files


def test_files_are_loaded_relative_to_themselves(tmp_path: Path) -> None:
    (file,) = write(tmp_path, web01=GOOD)
    spec = load_spec(file)
    assert spec.disk("root").path == str(tmp_path / "disks" / "root.raw")
    assert spec.disk("data").path == "/images/data.raw"
    assert spec.backend.local == LocalBackend(str(tmp_path.parent / "state"))


def test_specs_are_loaded_together(tmp_path: Path) -> None:
    declared = changed(INSTANCE, NODE)
    good = write(tmp_path, a=declared, b=declared.replace("name: web01", "name: db01"))
    assert [spec.name for spec in load_specs(good)] == ["web01", "db01"]
    bad = write(
        tmp_path,
        c=declared.replace("instance_type: m6i.large", "instance_type: m6i.xlarge"),
        d=GOOD.replace("version: 1", "version: 3"),
    )
    with pytest.raises(SpecInvalid) as raised:
        load_specs([*good, *bad, tmp_path / "absent.yaml"])
    assert [(Path(p.file).stem, p.path) for p in raised.value.problems] == [
        ("d", "version"),
        ("absent", ""),
        ("c", "name"),
        ("c", "access_node.declare"),
    ]
    assert str(good[0]) in raised.value.problems[2].sentence
