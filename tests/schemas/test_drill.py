"""A drill's copy as a machine of its own, and the rules of its checks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.drill import DrillDisk, DrillRequest, drill_name, drill_spec, firewall, is_drill
from tests.schemas.specs import GOOD, loaded, problems

REQUEST = DrillRequest(
    version=1,
    replication="web01",
    generation=3,
    expires="2026-11-24T06:00:00Z",
    access_node_id="i-0123456789abcdef0",
    access_node_cidr="10.0.0.5/32",
    vpc_id="vpc-0123456789abcdef0",
    vpc_cidrs=("10.0.0.0/16",),
    disks=(DrillDisk("root", "snap-0123456789abcdef0", 40), DrillDisk("data", "snap-0123456789abcdef1", 120)),
)
WITH_KEYS = GOOD.replace(
    "  subnet_id: subnet-0123456789abcdef0\n",
    "  subnet_id: subnet-0123456789abcdef0\n  security_group_ids: [sg-0123456789abcdef0]\n  key_name: admins\n"
    "  instance_profile: web\n",
)


def drilled(checks: str) -> str:
    return WITH_KEYS + f"drill:\n  instance_type: t3.medium\n  checks: [{checks}]\n"


def test_no_replication_can_have_a_copy_s_name() -> None:
    assert is_drill(drill_name("web01")) and not is_drill("web01")
    assert problems(GOOD.replace("name: web01", f"name: {drill_name('web01')}"))


def test_the_copy_has_what_the_generation_has_and_nothing_that_reaches_further() -> None:
    spec = loaded(drilled("{tcp: 443}"))
    copy = drill_spec(spec, REQUEST)
    assert [(disk.id, disk.size_gib, disk.boot) for disk in copy.source.disks] == [
        ("root", 40, True),
        ("data", 120, False),
    ]
    wanted = copy.destination
    assert (wanted.instance_type, wanted.subnet_id) == ("t3.medium", "subnet-0123456789abcdef0")
    assert (wanted.security_group_ids, wanted.key_name, wanted.instance_profile) == ((), None, None)
    assert copy.tags["hotadd:drill"] == "web01" and copy.tags["hotadd:expires"] == REQUEST.expires
    assert wanted.volume == spec.destination.volume and copy.backend == spec.backend


def test_an_ssm_check_needs_the_instance_profile() -> None:
    assert drill_spec(loaded(drilled("{ssm: uptime}")), REQUEST).destination.instance_profile == "web"


def test_the_firewall_is_what_is_checked() -> None:
    checks = loaded(drilled("{tcp: 22}, {console: x}, {tcp: 443}, {tcp: 22}, {ssm: uptime}")).drill.checks
    assert firewall(checks) == (
        "aws_security_group.drill",
        "aws_security_group_rule.drill_port_22",
        "aws_security_group_rule.drill_port_443",
        "aws_security_group_rule.drill_ssm",
    )
    assert firewall(()) == ("aws_security_group.drill",)


@pytest.mark.parametrize(
    ("check", "path", "said"),
    [
        ("{}", "drill.checks[0]", "one of console, tcp and ssm"),
        ("{console: x, tcp: 22}", "drill.checks[0]", "one of console, tcp and ssm"),
        ("{console: '(['}", "drill.checks[0].console", "no regular expression"),
        ("{ssm: uptime, expect: '*'}", "drill.checks[0].expect", "no regular expression"),
        ("{tcp: 22, expect: ok}", "drill.checks[0].expect", "Only the output of an ssm command"),
        ("{tcp: 65536}", "drill.checks[0].tcp", "more than 65535"),
        ("{tcp: 22, seconds: 0}", "drill.checks[0].seconds", "less than 1"),
        ("{http: 80}", "drill.checks[0].http", "unknown"),
    ],
)
def test_what_is_no_check_is_told(check: str, path: str, said: str) -> None:
    (problem,) = problems(drilled(check))
    assert problem.path == path and said in problem.sentence


def test_a_spec_without_a_drill_has_one_all_the_same() -> None:
    assert loaded(GOOD).drill == replace(loaded(GOOD).drill, instance_type=None, expires_hours=24, checks=())
