"""Sites of the login stacks: each is made once for a run, and serves until that ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from benchmarks.databases import Database

from .sites import pages
from .sites.drivers import Driver, slug
from .sites.identity_provider import IdentityProvider, platform
from .sites.site import StackSite
from .sites.stacks import STACKS


@pytest.fixture(scope="session")
def driver_of(
    tmp_path_factory: pytest.TempPathFactory, convai_sandbox_process: Any
) -> Iterator[Callable[[str], Driver]]:
    """Return a stack's client, with a site that serves it."""
    sites: dict[str, StackSite] = {}
    drivers: dict[str, Driver] = {}
    with ExitStack() as stack, IdentityProvider() as provider:

        def site(kind: type[Driver]) -> StackSite:
            server = os.environ.get("DATABASE_URL", "")
            if server and not (kind.on_mariadb and server.startswith("mysql")):
                pytest.skip("its site is on SQLite")
            if kind.section not in sites:
                database = stack.enter_context(Database(server)).url if server else ""
                folder = tmp_path_factory.mktemp(slug(kind.section))
                sites[kind.section] = stack.enter_context(
                    StackSite(
                        folder,
                        convai_sandbox_process.url,
                        pages.added(pages.QUICKSTARTS, kind.section),
                        pages.added(pages.INTEGRATION, "Every site") if kind.is_every_site else [],
                        pages.added(pages.INTEGRATION, kind.ours) if kind.ours else [],
                        DATABASE_URL=database,
                        IDENTITY_PROVIDER=provider.url,
                        **platform(),
                    )
                )
            return sites[kind.section]

        def driver(name: str) -> Driver:
            if name not in drivers:
                drivers[name] = STACKS[name](site(STACKS[name]))
            return drivers[name]

        yield driver
