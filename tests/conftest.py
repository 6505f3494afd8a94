"""Rules for every test: see the plugins."""

from hypothesis import settings

pytest_plugins = ["tests.process_guard", "tests.skip_policy", "tests.side_by_side", "pytester"]

# Time limits are those of the whole suite: on a busy machine one example takes any time.
settings.register_profile("hotadd", deadline=None)
settings.load_profile("hotadd")
