"""How the repository reads: lengths, names, doors and words, by looking at the files."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "stacks", "runner")
LINES_MOST = 400
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}

# Which modules may import what: one door each. A door covers the modules inside it.
DOORS = {
    "multiprocessing": (),
    "pty": (),
    "boto3": ("runner.aws", "runner.lab", "stacks.state"),
    "botocore": ("runner.aws", "runner.lab", "stacks.state"),
    "cdktf": ("stacks.resources",),
    "constructs": ("stacks.resources",),
    "guestfs": ("runner.guest", "runner.lab.guest.kinds.storage"),
    "hivex": ("runner.guest",),
    "dbos": ("runner.workflow",),
    "moto": ("runner.lab",),
    "flask": ("runner.lab",),
    "typer": ("runner.cli",),
    "yaml": ("schemas", "runner.guest.network.netplan"),
    "jsonschema": ("schemas",),
    "cattrs": ("schemas", "runner.phases.records"),
    "blake3": ("runner.blocks", "runner.guest", "runner.aws.bucket"),
}

BANNED_WORDS = {
    r"\bTODO\b|\bFIXME\b|\bXXX\b": "do it, or file it",
    r"NotImplementedError": "no stubs",
    r"MagicMock|unittest\.mock": "fakes are real objects",
    r"type: ignore(?!\[)": "an ignored type error names its code",
    r"noqa(?!: )": "an ignored lint names its code",
    r"(?<![\w.])/work/": "nothing depends on where a checkout lies",
}

# One worker parses the tree once.
pytestmark = pytest.mark.xdist_group("layout")


def _modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def _tests() -> Iterator[Path]:
    yield from sorted((ROOT / "tests").rglob("*.py"))
    yield from sorted((ROOT / "benchmarks").rglob("*.py"))


def _name(module: Path) -> str:
    return ".".join(module.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _written() -> Iterator[Path]:
    """Everything people wrote: code, documents, scripts and settings."""
    yield from _modules()
    yield from _tests()
    for folder in ("docs", "examples", ".ci", "schemas", "stacks", "runner"):
        for suffix in ("*.md", "*.json", "*.yaml", "*.sh", "*.ipxe"):
            yield from sorted((ROOT / folder).rglob(suffix))
    yield from (ROOT / ".ci").iterdir()
    yield from (path for path in ROOT.iterdir() if path.suffix in (".md", ".toml", ".txt") or path.name == "Makefile")


@cache
def _nodes(module: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(module.read_text(encoding="utf-8"))))


def _imports(module: Path) -> Iterator[str]:
    for node in _nodes(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def _inside(name: str, doors: tuple[str, ...]) -> bool:
    return any(name == door or name.startswith(f"{door}.") for door in doors)


def test_modules_are_short() -> None:
    lengths = {_name(m): len(m.read_text(encoding="utf-8").splitlines()) for m in (*_modules(), *_tests())}
    assert {name: length for name, length in lengths.items() if length > LINES_MOST} == {}


def test_package_files_are_empty() -> None:
    packages = [m for m in _modules() if m.name == "__init__.py"]
    assert packages
    assert [str(m) for m in packages if m.read_bytes()] == []


def test_every_folder_with_code_is_a_package() -> None:
    folders = {m.parent for m in _modules()}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_names_are_nouns_of_the_field() -> None:
    parts = {part for module in _modules() for part in _name(module).split(".")}
    assert parts & BANNED_NAMES == set()


@pytest.mark.parametrize("imported", DOORS)
def test_one_door_each(imported: str) -> None:
    through = {_name(m) for m in _modules() if any(_inside(name, (imported,)) for name in _imports(m))}
    assert {name for name in through if not _inside(name, DOORS[imported])} == set()


def test_one_door_to_other_programs() -> None:
    # What `Leashed` takes and raises may be named elsewhere; nothing there starts a process.
    words = {"DEVNULL", "PIPE", "TimeoutExpired"}
    used = {
        f"{_name(module)}: {node.attr}"
        for module in _modules()
        if _name(module) != "runner.process"
        for node in _nodes(module)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "subprocess"
        if node.attr not in words
    }
    assert used == set()
    assert [_name(m) for m in _modules() if re.search(r"from subprocess import", m.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("call", ["os.system", "os.fork", "os.popen", "os.posix_spawn", "os.exec", "os.spawn"])
def test_no_process_beside_the_door(call: str) -> None:
    using = {_name(m) for m in _modules() if re.search(rf"\b{re.escape(call)}[a-z]*\(", m.read_text(encoding="utf-8"))}
    # The lab's server leaves the command that started it, which no leash may hold.
    assert using == ({"runner.lab.server"} if call == "os.fork" else set())


def test_only_the_command_line_exits() -> None:
    exits = r"\bsys\.exit\(|\bSystemExit\b|\bos\._exit\("
    exiting = {_name(m) for m in _modules() if re.search(exits, m.read_text(encoding="utf-8"))}
    # A module that is a program of its own exits too.
    own = {"runner.terraform.bundled", "runner.lab.server", "stacks.__main__"}
    assert {name for name in exiting - own if not _inside(name, ("runner.cli",))} == set()


@pytest.mark.parametrize("word", BANNED_WORDS)
def test_words_that_stand_nowhere(word: str) -> None:
    here = Path(__file__)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {BANNED_WORDS[word]}"
        for path in _written()
        if path != here and path.is_file()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(word, line)
    ]
    assert found == []


def test_each_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    named = {re.split(r"[^A-Za-z0-9-]", dependency)[0] for dependency in wanted}
    explained = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert "boto3" in named
    assert {name for name in named if f"| {name} |" not in explained} == set()


def test_each_debian_package_is_explained() -> None:
    lines = (ROOT / "debian-packages.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert wanted
    assert [line for line in wanted if not re.fullmatch(r"[a-z0-9-]+ +# \S.*", line)] == []
