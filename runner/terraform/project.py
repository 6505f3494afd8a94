"""One Terraform working directory: init, plan, apply, outputs, import, with streamed progress."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from runner.process import Completed, ProgramFailed, run
from runner.terraform.binary import terraform_command
from runner.terraform.plan import Plan, parse_plan, resources_of, tainted_of
from schemas.document import DocumentDamaged, path_of, structure, validator
from schemas.errors import HotaddError
from schemas.outputs import Outputs

# Detaching 40 volumes from a busy instance, or a throttled account, can take long; a hang must still end.
_APPLY_SECONDS = 2 * 3600.0
_QUICK_SECONDS = 600.0
# Go's collector (https://go.dev/doc/gc-guide). Measured with provider 5.100, whose schema is large: a command that
# starts it twice takes 8.7 CPU seconds at Go's own 100, and 6.5 at 400 for 320 MiB of memory more in both together.
_COLLECTOR = {"GOGC": "400"}
# With these Terraform would see another state than the synth did, or other values than those that were asked for.
_FOREIGN = ("TF_VAR_", "TF_CLI_ARGS", "TF_WORKSPACE", "TF_DATA_DIR")


class TerraformFailed(HotaddError):
    """Terraform ended with an error; `diagnostics` holds its own words."""

    def __init__(self, what: str, diagnostics: Sequence[str]) -> None:
        said = "; ".join(diagnostics) if diagnostics else "it gave no reason"
        super().__init__(f"terraform {what} failed: {said}", "Mend the cause, then run the same command again.")
        self.what = what
        self.diagnostics = tuple(diagnostics)


@dataclass(frozen=True)
class PlanFile:
    """A plan on disk, and what it holds; `failure` says why it errored."""

    path: Path
    plan: Plan
    failure: TerraformFailed | None = None


@dataclass(frozen=True)
class Variables:
    """The values of a machine stack's Terraform variables."""

    phase: str
    launched: bool
    slots: Mapping[str, str]
    root_device: str

    def arguments(self) -> list[str]:
        """As -var arguments."""
        return [
            f"-var=phase={self.phase}",
            f"-var=launched={json.dumps(self.launched)}",
            f"-var=slots={json.dumps(dict(self.slots), sort_keys=True)}",
            f"-var=root_device={self.root_device}",
        ]


class Project(Protocol):
    """What the phases need of Terraform; `TerraformProject` says what each does."""

    def init(self) -> None: ...
    def plan(self, name: str, variables: Variables, *, refresh: bool, destroy: bool = False) -> PlanFile: ...
    def apply(self, plan: PlanFile) -> None: ...
    def settle(self, variables: Variables) -> None: ...
    def adopt(self, address: str, resource_id: str, variables: Variables) -> None: ...
    def unlock(self, lock_id: str) -> None: ...
    def resources(self) -> dict[str, str]: ...
    def tainted(self) -> frozenset[str]: ...
    def untaint(self, address: str) -> None: ...
    def outputs(self) -> Outputs | None: ...
    def access_node_id(self) -> str: ...


@dataclass(frozen=True)
class TerraformProject:
    """A directory that holds one synthesized stack. `tell` gets Terraform's progress, a sentence at a time.

    With `lock=False` plans leave the state's lock alone: for those that only look, and who must neither wait for a run
    nor, killed, leave a lock in its way (S3's stays).
    """

    directory: Path
    tell: Callable[[str], None]
    lock: bool = True

    def init(self) -> None:
        """Initialise providers and backend; quick when it was done."""
        self._run("init", ["-input=false", "-no-color"], seconds=_QUICK_SECONDS)

    def plan(self, name: str, variables: Variables, *, refresh: bool, destroy: bool = False) -> PlanFile:
        """Plan to ``<name>.tfplan``. An errored plan that Terraform still wrote down is returned as errored.

        `refresh=False` leaves the provider out of reading the world. Raises `TerraformFailed`.
        """
        path = self.directory / f"{name}.tfplan"
        path.unlink(missing_ok=True)
        words = [f"-out={path}", f"-refresh={json.dumps(refresh)}", *variables.arguments()]
        words += [] if self.lock else ["-lock=false"]
        try:
            self._stream("plan", words + (["-destroy"] if destroy else []), seconds=_APPLY_SECONDS)
        except TerraformFailed as error:
            if not path.exists():
                raise
            plan = self._show(path)
            if not plan.errored or not plan.changes:
                raise
            return PlanFile(path, plan, error)
        return PlanFile(path, self._show(path))

    def _show(self, path: Path) -> Plan:
        return parse_plan(self._run("show", ["-json", str(path)], seconds=_QUICK_SECONDS).stdout)

    def apply(self, plan: PlanFile) -> None:
        """Apply a plan exactly as it was read."""
        self._stream("apply", ["-auto-approve", str(plan.path)], seconds=_APPLY_SECONDS)

    def settle(self, variables: Variables) -> None:
        """Bring computed attributes of the state up to date (`apply -refresh-only`)."""
        self._stream("apply", ["-refresh-only", "-auto-approve", *variables.arguments()], seconds=_APPLY_SECONDS)

    def adopt(self, address: str, resource_id: str, variables: Variables) -> None:
        """Import one existing resource into the state."""
        words = ["-input=false", "-no-color", *variables.arguments(), address, resource_id]
        self._run("import", words, seconds=_QUICK_SECONDS)

    def unlock(self, lock_id: str) -> None:
        """Release a state lock by its id."""
        self._run("force-unlock", ["-force", lock_id], seconds=_QUICK_SECONDS)

    def resources(self) -> dict[str, str]:
        """The managed resources of the state: address to id. Empty where nothing was applied yet."""
        text = self._run("state", ["pull"], seconds=_QUICK_SECONDS).stdout
        return resources_of(text) if text.strip() else {}

    def tainted(self) -> frozenset[str]:
        """The addresses that the state marks as tainted: the next plan would replace them."""
        text = self._run("state", ["pull"], seconds=_QUICK_SECONDS).stdout
        return tainted_of(text) if text.strip() else frozenset()

    def untaint(self, address: str) -> None:
        """Take the mark from a resource that is well after all."""
        self._run("untaint", ["-no-color", address], seconds=_QUICK_SECONDS)

    def outputs(self) -> Outputs | None:
        """The state's outputs, or None where nothing was applied yet. Raises `DocumentDamaged`."""
        done = self._run("output", ["-json"], seconds=_QUICK_SECONDS)
        values = {name: output["value"] for name, output in json.loads(done.stdout).items()}
        return outputs_of(values, str(self.directory))

    def access_node_id(self) -> str:
        """The access node's instance id as the synthesized stack has it; empty while a declared one is not deployed."""
        stack = json.loads((self.directory / "cdk.tf.json").read_text(encoding="utf-8"))
        return str(stack["output"]["access_node_id"]["value"])

    def _run(self, verb: str, words: Sequence[str], *, seconds: float, accept: Sequence[int] = (0,)) -> Completed:
        try:
            return run(
                [*terraform_command(), verb, *words],
                cwd=self.directory,
                env=_environment(),
                timeout=seconds,
                accept=accept,
            )
        except ProgramFailed as error:
            said = [line.strip("│╷╵ \t") for line in error.stderr.splitlines()]
            faults = [line.removeprefix("Error: ") for line in said if line.startswith("Error: ")]
            raise TerraformFailed(verb, faults or [line for line in said if line][-3:]) from error

    def _stream(self, verb: str, words: Sequence[str], *, seconds: float) -> None:
        """Run with -json and pass on each message; errors become `TerraformFailed` in Terraform's own words."""
        diagnostics: list[str] = []

        def read(line: str) -> None:
            with suppress(ValueError):
                message = json.loads(line)
                if message.get("@level") == "error":
                    diagnostics.append(_diagnostic(message))
                elif message.get("type") in ("apply_start", "apply_progress", "apply_complete", "change_summary"):
                    self.tell(str(message["@message"]))

        try:
            run(
                [*terraform_command(), verb, "-json", "-input=false", *words],
                cwd=self.directory,
                env=_environment(),
                timeout=seconds,
                on_line=read,
            )
        except ProgramFailed as error:
            raise TerraformFailed(verb, diagnostics or error.stderr.strip().splitlines()[-3:]) from error


def outputs_of(values: Mapping[str, Any], where: str) -> Outputs | None:
    """The outputs in the values of a state, or None where nothing was applied yet. Raises `DocumentDamaged`.

    `terraform import` writes outputs, too, with null for what is not in the state yet (seen: the id of the second
    volume, after a dead run's first one was imported). That is no apply either.
    """
    volumes = values.get("volumes")
    # Terraform leaves out what hangs on a resource that failed: a first apply that fails is no apply either.
    unwritten = {"volumes", "sizes_gib"} - values.keys()
    if "contract" not in values or unwritten or (isinstance(volumes, Mapping) and None in volumes.values()):
        return None
    fault = next(iter(validator("outputs").iter_errors(values)), None)
    if fault is not None:
        raise DocumentDamaged("outputs", where, f"{path_of(fault)}: {fault.message[:200]}")
    return structure(dict(values), Outputs)


def _diagnostic(message: dict[str, Any]) -> str:
    found = message.get("diagnostic", {})
    detail = " ".join(str(found.get("detail", "")).split())
    summary = str(found.get("summary", message.get("@message", "")))
    address = found.get("address")
    return (f"{address}: " if address else "") + summary + (f" ({detail[:400]})" if detail else "")


def _environment() -> dict[str, str]:
    """The process's environment, told that nobody sits before it, and without variables set from outside."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    return {**_COLLECTOR, **kept, "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
