"""What all tests share."""

import signal

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "network: installs the real wheels: a minute from the cache, else a download")
    # A shell without job control starts what it puts in the background with SIGINT ignored, and children inherit that:
    # the builds that tests interrupt would not notice before they have a handler of their own.
    signal.signal(signal.SIGINT, signal.default_int_handler)
