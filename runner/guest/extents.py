"""Which files lie in given bytes of a mounted file system: every file is asked where it lies (FIEMAP).

For file systems whose files have plain extents on one device, and no tool that answers the other way round: XFS.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.guest.appliance import Appliance

# Spans are handed over in one word of the appliance's shell, which takes 128 KiB; a span up to 40 characters.
SPANS_MOST = 3000

_FILES = "find /sysroot -xdev -type f -size +0 -print0 | xargs -0 -r filefrag -v -b512 2>/dev/null"
# Reads `filefrag -v -b512`: "File size of PATH is BYTES (...)", then "EXTENT: FROM..TO: FROM..TO: LENGTH:..." in
# sectors, the second pair on the device. Prints how many of a file's bytes lie in the spans "FIRST-END FIRST-END ...".
_OVERLAPS = r"""
BEGIN { n = split(spans, span, " "); for (i = 1; i <= n; i++) { split(span[i], at, "-"); a[i] = at[1]; b[i] = at[2] } }
function told() { if (bytes) printf "%d\t%s\n", bytes, path; bytes = 0 }
/^File size of / { told(); path = gensub(/^File size of \/sysroot(.*) is [0-9]+ \(.*$/, "\\1", 1); next }
/^ *[0-9]+: / { gsub(/[.:]+/, " "); first = $4 * 512; end = ($5 + 1) * 512
  for (i = 1; i <= n; i++) { f = first > a[i] ? first : a[i]; e = end < b[i] ? end : b[i]; if (f < e) bytes += e - f } }
END { told() }
"""
_LINE = re.compile(r"^([0-9]+)\t(.+)$", re.MULTILINE)


def files_of(appliance: Appliance, device: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, str]]:
    """(bytes, path) of each file of which some bytes lie in the spans (offset and length in bytes on the device).

    None for a file system that lets itself not be mounted.
    """
    if not appliance.can_mount(device):
        return []
    wanted = " ".join(f"{at}-{at + length}" for at, length in spans)
    said = appliance.tool(["sh", "-c", f'{_FILES} | gawk -v spans="$1" "$2"', "sh", wanted, _OVERLAPS])
    appliance.unmount_all()
    return [(int(length), path) for length, path in _LINE.findall(said)]
