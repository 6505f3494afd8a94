"""A good spec to start from, and what a bad one is told."""

from __future__ import annotations

from pathlib import Path

from schemas.loading import check_spec
from schemas.problem import Problem, SpecInvalid
from schemas.reading import parse
from schemas.spec import Spec

FILE = Path("specs/web01.yaml")

GOOD = """\
version: 1
name: web01
region: eu-central-1
availability_zone: eu-central-1a
source:
  disks:
    - id: root
      path: disks/root.raw
      size_gib: 40
      boot: true
    - id: data
      path: /images/data.raw
      size_gib: 100
access_node:
  instance_id: i-0123456789abcdef0
destination:
  instance_type: m5.large
  shell_ami: ami-0123456789abcdef0
  subnet_id: subnet-0123456789abcdef0
backend:
  local:
    path: ../state
"""


def loaded(text: str | bytes) -> Spec:
    """The spec of a text."""
    return check_spec(parse(text.encode() if isinstance(text, str) else text, FILE))


def problems(text: str | bytes) -> tuple[Problem, ...]:
    """What is wrong with a text; nothing if nothing is."""
    try:
        loaded(text)
    except SpecInvalid as error:
        return error.problems
    return ()


def changed(old: str, new: str) -> str:
    """The good spec with one piece of it replaced."""
    assert GOOD.count(old) == 1, f"{old!r} stands {GOOD.count(old)} times in the good spec"
    return GOOD.replace(old, new)
