"""The system checks as a whole: all are bound, each under the app's tag."""

from __future__ import annotations

import pytest
from django.core.checks.registry import registry
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from convai_tokens.checks import (
    CHECKS,
    DEPLOY_CHECKS,
    configuration,
    databases,
    engines,
    site,
    stacks,
)
from tests.convai_tokens.checks.messages import ConvaiSettings, ids

pytestmark = pytest.mark.usefixtures("no_network_and_no_database")


def test_the_settings_of_the_suite_are_without_a_mistake() -> None:
    assert ids() == []


def test_every_check_is_bound_and_the_deploy_checks_only_for_deployment() -> None:
    assert set(CHECKS) <= set(registry.registered_checks)
    assert set(DEPLOY_CHECKS) <= set(registry.deployment_checks)
    assert not set(DEPLOY_CHECKS) & set(registry.registered_checks)


def test_the_apps_own_checks_can_be_run_by_themselves(convai_settings: ConvaiSettings) -> None:
    convai_settings(MAX_LIVE_TOKENS=0)

    with pytest.raises(SystemCheckError, match=r"convai_tokens\.E008"):
        call_command("check", tags=["convai_tokens"])


def test_no_check_of_the_module_is_left_unbound() -> None:
    modules = (configuration, databases, engines, site, stacks)
    written = {
        value
        for module in modules
        for name, value in vars(module).items()
        if name.startswith("check_")
    }

    assert written == {*CHECKS, *DEPLOY_CHECKS}
