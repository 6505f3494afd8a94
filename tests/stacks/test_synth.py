"""``python -m stacks`` as a program: what it writes for the examples, and how it fails."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.process import Completed
from schemas.loading import load_spec

pytestmark = pytest.mark.node

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
LAUNCHED = Path(__file__).parent / "data" / "launched.tfstate"
KNOWN = json.loads((ROOT / "stacks" / "provider_attributes.json").read_text())
META = {"count", "lifecycle", "//"}
Synth = Callable[..., Completed]


def written(out: Path, stack: str) -> dict[str, Any]:
    """A synthesized stack."""
    return dict(json.loads((out / "stacks" / stack / "cdk.tf.json").read_text()))


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory, synth: Synth) -> Path:
    """The examples that need no S3, synthesized together as for an account."""
    out = tmp_path_factory.mktemp("examples")
    local = [file for file in EXAMPLES if load_spec(file).backend.local is not None]
    secret = {"AWS_ACCESS_KEY_ID": "AKIASEENNOWHERE", "AWS_SECRET_ACCESS_KEY": "seennowhere"}
    done = synth([*local, "--out", out], secret)
    assert (done.code, done.stderr) == (0, "")
    return out


@pytest.fixture
def spec_file(tmp_path: Path) -> Callable[..., Path]:
    """`spec_file(change)`: web01 in a directory of its own, changed by a function on the document."""

    def write(change: Callable[[dict[str, Any]], object] = lambda document: None) -> Path:
        document = yaml.safe_load((ROOT / "examples" / "linux-web01.yaml").read_text())
        document["backend"] = {"local": {"path": "state"}}
        change(document)
        file = tmp_path / "web01.yaml"
        file.write_text(yaml.safe_dump(document))
        return file

    return write


def test_machine_stack(examples: Path) -> None:
    stack = written(examples, "web01")
    assert stack["provider"] == {"aws": [{"region": "eu-central-1"}]}
    assert stack["terraform"]["required_providers"] == {"aws": {"source": "hashicorp/aws", "version": ">= 5.100, < 7"}}
    assert stack["terraform"]["backend"] == {"local": {"path": str(ROOT / "hotadd-state/web01/terraform.tfstate")}}
    assert stack["terraform"]["required_version"] == ">= 1.11.0"
    assert set(stack["variable"]) == {"phase", "launched", "slots", "root_device"}
    assert [stack["variable"][name]["default"] for name in ("phase", "launched")] == ["detached", False]
    assert set(stack["resource"]["aws_ebs_volume"]) == {"disk_root", "disk_data"}
    assert set(stack["resource"]["aws_volume_attachment"]) == {
        "staging_disk_root",
        "staging_disk_data",
        "target_disk_root",
        "target_disk_data",
    }
    assert not (ROOT / "hotadd-state").exists()  # synthesizing makes nothing but its output


def test_outputs_are_those_of_the_contract(examples: Path) -> None:
    contract = json.loads((ROOT / "schemas" / "outputs.schema.json").read_text())
    for name in ("web01", "app01"):
        assert set(written(examples, name)["output"]) == set(contract["properties"])


def test_nothing_is_destroyed_and_everything_is_tagged(examples: Path) -> None:
    for name in ("web01", "app01"):
        resources = written(examples, name)["resource"]
        for kind in ("aws_ebs_volume", "aws_instance"):
            for resource in resources[kind].values():
                assert resource["lifecycle"]["prevent_destroy"] is True
                assert resource["tags"]["hotadd:replication"] == name
        shell = resources["aws_instance"]["destination"]["root_block_device"]
        assert shell["tags"]["hotadd:role"] == "shell-root" and shell["encrypted"] is True
        assert resources["aws_instance"]["destination"]["metadata_options"]["http_tokens"] == "required"


def test_provider_knows_all_that_is_emitted(examples: Path) -> None:
    def check(block: dict[str, Any], known: dict[str, Any], where: str) -> int:
        seen = 0
        for key, value in block.items():
            if key in META:
                continue
            assert key in known, f"{where}.{key}"
            seen += 1 + (check(value, known[key]["block"], f"{where}.{key}") if "block" in known[key] else 0)
        return seen

    seen = 0
    for name in ("web01", "app01"):
        for kind, resources in written(examples, name)["resource"].items():
            seen += sum(check(one, KNOWN["resource"][kind], kind) for one in resources.values())
    assert seen > 60


def test_no_credentials(examples: Path) -> None:
    for file in examples.rglob("*.json"):
        assert "eennowhere" not in file.read_text().lower(), file


def test_manifest_for_cdktf(examples: Path) -> None:
    stacks = json.loads((examples / "manifest.json").read_text())["stacks"]
    assert set(stacks) == {"web01", "app01"}
    assert stacks["web01"]["synthesizedStackPath"] == "stacks/web01/cdk.tf.json"


def test_declared_node(tmp_path: Path, synth: Synth, s3_door: Any) -> None:
    environment = {"AWS_ENDPOINT_URL": s3_door.url, "AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s"}
    spec = ROOT / "examples" / "declared-db01.yaml"
    done = synth([spec, "--out", tmp_path], environment)
    assert (done.code, done.stderr) == (0, "")
    machine, node = written(tmp_path, "db01"), written(tmp_path, "node-fra-a")
    assert machine["output"]["access_node_id"]["value"] == ""
    rules = [rule["error_message"] for rule in machine["variable"]["phase"]["validation"]]
    assert any("node-fra-a" in rule for rule in rules)

    group = node["resource"]["aws_security_group"]["security_group"]
    assert "ingress" not in group
    assert {rule["type"] for rule in node["resource"]["aws_security_group_rule"].values()} == {"egress"}
    instance = node["resource"]["aws_instance"]["access_node"]
    assert instance["metadata_options"] == {
        "http_endpoint": "enabled",
        "http_tokens": "required",
        "http_put_response_hop_limit": 1,
    }
    assert instance["root_block_device"]["encrypted"] is True
    assert "key_name" not in instance
    s3 = node["terraform"]["backend"]["s3"]
    assert (s3["key"], s3["use_lockfile"], s3["encrypt"]) == (
        "replicas/prod/node-fra-a/terraform.tfstate",
        True,
        True,
    )
    assert set(node["resource"]["aws_iam_role_policy"]) == {"control", "data", "removal", "pass_roles"}
    # Lab and account differ in the provider block, and in where the S3 of the state is.
    assert node["provider"]["aws"][0]["endpoints"]["ec2"] == s3_door.url
    assert "endpoints" in s3

    state = {
        "version": 4,
        "outputs": {"instance_id": {"value": "i-0aaaaaaaaaaaaaaaa", "type": "string"}},
        "resources": [],
    }
    s3_door.objects["/acme-hotadd/replicas/prod/node-fra-a/terraform.tfstate"] = json.dumps(state).encode()
    assert synth([spec, "--out", tmp_path], environment).code == 0
    machine = written(tmp_path, "db01")
    assert machine["output"]["access_node_id"]["value"] == "i-0aaaaaaaaaaaaaaaa"
    staged = machine["resource"]["aws_volume_attachment"]["staging_disk_pgdata"]
    assert staged["instance_id"] == "i-0aaaaaaaaaaaaaaaa"


def test_defaults_follow_the_state(tmp_path: Path, synth: Synth, spec_file: Callable[..., Path]) -> None:
    spec = spec_file()
    home = tmp_path / "state" / "web01"
    home.mkdir(parents=True)
    shutil.copy(LAUNCHED, home / "terraform.tfstate")
    assert synth([spec, "--out", tmp_path / "out"]).code == 0
    variables = written(tmp_path / "out", "web01")["variable"]
    assert {name: variables[name]["default"] for name in variables} == {
        "phase": "detached",
        "launched": True,
        "slots": {"root": "xvdf", "data": "xvdg"},
        "root_device": "/dev/xvda",
    }


def test_decommission_gives_up_protection(tmp_path: Path, synth: Synth, spec_file: Callable[..., Path]) -> None:
    spec = spec_file(lambda document: document.update(decommission=True))
    assert synth([spec, "--out", tmp_path / "out"]).code == 0
    assert "prevent_destroy" not in json.dumps(written(tmp_path / "out", "web01"))


def test_what_the_user_wrote_stays_text(tmp_path: Path, synth: Synth, spec_file: Callable[..., Path]) -> None:
    spec = spec_file(lambda document: document.update(tags={"note": '${file("/etc/passwd")} %{ if true }'}))
    assert synth([spec, "--out", tmp_path / "out"]).code == 0
    volume = written(tmp_path / "out", "web01")["resource"]["aws_ebs_volume"]["disk_root"]
    assert volume["tags"]["note"] == '$${file("/etc/passwd")} %%{ if true }'


@pytest.mark.parametrize(
    ("state", "change", "code", "said"),
    [
        (b"{", {}, 1, "it is no JSON"),
        (
            LAUNCHED.read_bytes(),
            {"source": {"disks": [{"id": "root", "path": "r", "size_gib": 40, "boot": True}]}},
            3,
            "data",
        ),
        (b"", {"nam": "web01"}, 3, "nam"),
        (b"", {"name": "Web 01"}, 3, "name"),
    ],
    ids=["corrupt-state", "disk-gone", "unknown-key", "bad-name"],
)
def test_errors_are_a_sentence_and_a_hint(
    tmp_path: Path,
    synth: Synth,
    spec_file: Callable[..., Path],
    state: bytes,
    change: dict[str, Any],
    code: int,
    said: str,
) -> None:
    spec = spec_file(lambda document: document.update(change))
    (tmp_path / "state" / "web01").mkdir(parents=True)
    (tmp_path / "state" / "web01" / "terraform.tfstate").write_bytes(state)
    done = synth([spec, "--out", tmp_path / "out"])
    assert done.code == code
    assert said in done.stderr and "\nhint: " in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
    assert not (tmp_path / "out" / "stacks").exists()


def test_specs_from_the_environment(tmp_path: Path, synth: Synth, spec_file: Callable[..., Path]) -> None:
    spec_file()
    out = {"CDKTF_OUTDIR": str(tmp_path / "here")}
    assert synth([], {**out, "HOTADD_SPECS": f"{tmp_path}/*.yaml"}).code == 0
    assert (tmp_path / "here" / "stacks" / "web01" / "cdk.tf.json").exists()
    nothing = synth([], out, cwd=tmp_path)
    assert nothing.code == 64 and "HOTADD_SPECS" in nothing.stderr
