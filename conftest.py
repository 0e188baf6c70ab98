"""Makes the sandbox's fixtures known to all tests."""

pytest_plugins = ["convai_sandbox.fixtures", "tests.no_processes"]
