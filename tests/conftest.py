"""Rules for every test: see the two plugins."""

pytest_plugins = ["tests.process_guard", "tests.skip_policy", "pytester"]
