"""Write stacks/provider_attributes.json from PyPI's prebuilt AWS bindings. Run by hand when the provider moves on:

    pip download --no-deps --dest DIR cdktf-cdktf-provider-aws
    python tests/stacks/extract_provider_attributes.py DIR/*.whl

The bindings are generated from the provider's own schema, and their jsii type assembly names each attribute in the
links of its documentation; reading that needs neither Terraform, nor the provider, nor the registry, and does not
import 1.6 GB of bindings.
"""

from __future__ import annotations

import json
import re
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from stacks.attributes import DATA_SOURCES, RESOURCES, Provider

TARGET = Path(__file__).parents[2] / "stacks" / "provider_attributes.json"
_LINK = re.compile(r"providers/hashicorp/aws/([0-9.]+)/docs\S*#([a-z0-9_]+) ")
# Constructs' own, not the provider's.
_CDKTF = frozenset({"connection", "count", "dependsOn", "forEach", "lifecycle", "provider", "provisioners"})


def assembly(wheel: Path) -> dict[str, Any]:
    """The jsii type assembly inside the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        package = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with outer.open(package) as packed, tarfile.open(fileobj=packed, mode="r:gz") as inner:
            member = inner.extractfile("package/.jsii")
            assert member is not None
            return dict(json.load(member))


def block(types: dict[str, Any], fqn: str) -> dict[str, Any]:
    """Names of one block: attributes with their type, nested blocks with their names."""
    found: dict[str, Any] = {}
    for prop in types[fqn]["properties"]:
        link = _LINK.search(json.dumps(prop["docs"]))
        if prop["name"] in _CDKTF or link is None:
            continue
        described: dict[str, Any] = {"required": not prop.get("optional", False)}
        nested = next((name for name in _names(prop["type"]) if name in types and "properties" in types[name]), None)
        if nested is not None:
            described["block"] = block(types, nested)
        else:
            described["type"] = _kind(prop["type"])
        found[link[2]] = described
    return dict(sorted(found.items()))


def _names(kind: Any) -> list[str]:
    if isinstance(kind, dict):
        return ([kind["fqn"]] if "fqn" in kind else []) + [n for value in kind.values() for n in _names(value)]
    return [n for item in kind for n in _names(item)] if isinstance(kind, list) else []


def _kind(kind: dict[str, Any]) -> str:
    """``string``, ``number``, ``bool``, ``list(string)`` or ``map(string)``; tokens are ignored."""
    if "union" in kind:
        plain = [_kind(one) for one in kind["union"]["types"] if one.get("fqn") != "cdktf.IResolvable"]
        return plain[0]
    if "collection" in kind:
        outer = {"array": "list", "map": "map"}[kind["collection"]["kind"]]
        return f"{outer}({_kind(kind['collection']['elementtype'])})"
    return {"boolean": "bool"}.get(kind.get("primitive", "any"), kind.get("primitive", "any"))


def main(wheel: Path) -> None:
    """Write the data file."""
    read = assembly(wheel)
    types = read["types"]
    prefix = "@cdktf/provider-aws"

    def config(tf_type: str, data: bool) -> dict[str, Any]:
        words = tf_type.removeprefix("aws_").split("_")
        name = ("Data" + "Aws" if data else "") + "".join(word.capitalize() for word in words)
        return block(types, f"{prefix}.{name[0].lower()}{name[1:]}.{name}Config")

    provider = block(types, f"{prefix}.provider.AwsProviderConfig")
    version = _LINK.search(json.dumps(types[f"{prefix}.provider.AwsProviderConfig"]))
    assert version is not None
    found = {
        "provider_version": version[1],
        "bindings_version": read["version"],
        "resource": {one.TYPE: config(one.TYPE, False) for one in RESOURCES},
        "data": {one.TYPE: config(one.TYPE, True) for one in DATA_SOURCES},
        "provider": {Provider.TYPE: provider},
    }
    TARGET.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
