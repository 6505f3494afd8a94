"""A policy over hotadd's plans for review, as custom checks of checkov.

    hotadd plan specs/*.yaml -o plan.json
    checkov -f plan.json --framework json --external-checks-dir policies --check 'CKV_HOTADD_*'

checkov wants an `__init__.py` beside it (an empty one), or loads nothing. Change it to your own rules:
schemas/plan.schema.json says what a plan holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from checkov.common.models.enums import CheckCategories, CheckResult
from checkov.json_doc.base_json_check import BaseJsonCheck
from checkov.json_doc.enums import BlockType


class PlanCheck(BaseJsonCheck):
    """A check over the machines of a plan; `faults` gives each reason why one must not pass."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(
            name=name,
            id=f"CKV_HOTADD_{number}",
            categories=[CheckCategories.BACKUP_AND_RECOVERY],
            supported_entities=["*"],
            block_type=BlockType.DOCUMENT,
        )

    def faults(self, machines: list[dict[str, Any]]) -> Iterator[str]:
        """Overridden by each check."""
        return iter(())

    def scan_entity_conf(self, conf: dict[str, Any], entity_type: str) -> CheckResult:
        """Whether every machine of the plan passes; a JSON document that is no plan of hotadd's does not."""
        found = list(self.faults(conf["machines"])) if "machines" in conf else ["this is no plan of hotadd's"]
        self.details = found
        return CheckResult.FAILED if found else CheckResult.PASSED


class NothingIsLost(PlanCheck):
    """Destroys and replacements belong to a decommission alone."""

    def faults(self, machines: list[dict[str, Any]]) -> Iterator[str]:
        for machine in machines:
            if machine["kind"] != "decommission":
                yield from (w["sentence"] for w in machine["warnings"] if w["danger"] in ("destroy", "replace"))


class DecommissionAlone(PlanCheck):
    """A removal is reviewed alone, never between other machines' replications."""

    def faults(self, machines: list[dict[str, Any]]) -> Iterator[str]:
        removed = [machine["replication"] for machine in machines if machine["kind"] == "decommission"]
        if removed and any(machine["kind"] in ("full", "incremental") for machine in machines):
            yield f"{', '.join(removed)} would be removed in a plan that also replicates"


class NothingIsRefused(PlanCheck):
    """A plan of which hotadd itself knows that it would be refused is not worth a review."""

    def faults(self, machines: list[dict[str, Any]]) -> Iterator[str]:
        for machine in machines:
            yield from (f"{machine['replication']}: {refusal}" for refusal in machine["refusals"])


CHECKS = (
    NothingIsLost("No volume or destination is destroyed or replaced outside a decommission", 1),
    DecommissionAlone("A decommission is reviewed alone", 2),
    NothingIsRefused("Nothing in the plan would be refused", 3),
)
