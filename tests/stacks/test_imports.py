"""One door: only stacks/resources.py imports cdktf, and the pure modules do not import it through another one."""

from __future__ import annotations

import ast
from pathlib import Path

STACKS = Path(__file__).parents[2] / "stacks"
PURE = ("attributes", "syntax", "policy", "plan", "place", "defaults", "state", "user_data", "discovery")
DOOR = {"resources", "backend", "machine", "node", "app", "__main__"}


def imported(module: str) -> set[str]:
    tree = ast.parse((STACKS / f"{module}.py").read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_only_the_door_imports_cdktf() -> None:
    users = {
        file.stem
        for file in STACKS.glob("*.py")
        if any(name.split(".")[0] in ("cdktf", "constructs", "jsii") for name in imported(file.stem))
    }
    assert users == {"resources"}


def test_pure_modules_do_not_start_node() -> None:
    for module in PURE:
        assert not {f"stacks.{name}" for name in DOOR} & imported(module), module


def test_stacks_never_imports_the_runner() -> None:
    for file in STACKS.glob("*.py"):
        assert not any(name.split(".")[0] == "runner" for name in imported(file.stem)), file
