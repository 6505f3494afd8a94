"""The manifests of all generations, when one that is damaged is no reason to stop."""

from __future__ import annotations

from runner.manifests import ManifestStore
from schemas.document import DocumentDamaged
from schemas.manifest import Manifest


def readable_manifests(manifests: ManifestStore) -> tuple[list[Manifest], tuple[str, ...]]:
    """Those that can be read, oldest first, and a sentence of each that is damaged."""
    found: list[Manifest] = []
    faults: list[str] = []
    for number in manifests.generations():
        try:
            manifest = manifests.read(number)
        except DocumentDamaged as error:
            faults.append(error.sentence)
            continue
        if manifest is not None:
            found.append(manifest)
    return found, tuple(faults)
