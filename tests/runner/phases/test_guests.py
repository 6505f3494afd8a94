"""From a spec to what the conversion is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.guest.luks_keys import KeyFileUnfit
from runner.phases.guests import guest_options
from schemas.document import unstructure
from tests.schemas.specs import GOOD, changed, loaded


def test_the_keys_are_read_from_their_files_and_the_spec_has_none(tmp_path: Path) -> None:
    assert guest_options(loaded(GOOD)).luks_keys == ()
    key = tmp_path / "key"
    key.write_text("horse & battery\n")
    key.chmod(0o600)
    spec = loaded(changed("backend:\n", f"guest: {{luks_keys: ['{key}']}}\nbackend:\n"))
    assert guest_options(spec).luks_keys == ("horse & battery",)
    assert "battery" not in f"{spec} {unstructure(spec)}"
    key.chmod(0o644)
    with pytest.raises(KeyFileUnfit):
        guest_options(spec)
