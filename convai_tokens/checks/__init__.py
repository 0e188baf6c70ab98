"""System checks: one id for each mistake, each with a hint; no network, no database.

What a single setting's value must be is declared in ``conf.py``. Ids are numbered across errors and
warnings; docs/checks.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable

from django.core.checks import CheckMessage

from . import configuration, databases, engines, site, stacks

TAG = "convai_tokens"  # for manage.py check --tag
Check = Callable[..., list[CheckMessage]]

CHECKS: tuple[Check, ...] = (
    configuration.check_values,
    configuration.check_names,
    configuration.check_api_key,
    configuration.check_base_url,
    site.check_middleware,
    engines.check_task_engine,
    site.check_urls,
    databases.check_isolation,
    databases.check_autocommit,
    databases.check_router,
    databases.check_transactions,
    site.check_session_engine,
    stacks.check_authentication_classes,
    stacks.check_stacks,
    stacks.check_families,
)
DEPLOY_CHECKS: tuple[Check, ...] = (
    configuration.check_api_key_for_deployment,
    configuration.check_own_keys,
    site.check_shared_cache,
)
