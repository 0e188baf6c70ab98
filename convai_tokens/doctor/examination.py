"""The examination of an installation: all steps of the doctor, in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from django.db import connections
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from . import hooks, installation, network, operation
from .step import Finding, Step, take
from .trial import Trial

OFFLINE = gettext_lazy("Not called, as --offline says.")
UNTRUSTED = gettext_lazy("The API key travels over no connection that isn't trusted.")
NO_TOKEN = gettext_lazy("No token.")
UNREADABLE = gettext_lazy("The tables can't be read.")


def all_steps(
    trial: Trial, found: Mapping[str, Finding], *, offline: bool = False
) -> tuple[Step, ...]:
    """Return the steps in the order in which they are taken; their names are an interface.

    ``found`` is where the findings are put, by name: one step judges by another's.
    """
    return (
        Step("api_key", installation.api_key),
        Step("base_url", installation.base_url),
        Step("system_checks", installation.system_checks),
        Step("middleware", installation.middleware),
        Step("login_stacks", installation.login_stacks),
        # Those that call Convai need one another, and so pass on why network was not taken.
        Step(
            "network",
            network.network,
            {"base_url": _("BASE_URL can't be used.")},
            skip=OFFLINE if offline else "",
        ),
        Step("tls", network.tls, {"network": _("Convai is not reached.")}),
        Step("clock", network.clock, {"tls": UNTRUSTED}),
        Step(
            "generate",
            trial.generate,
            {"tls": UNTRUSTED, "api_key": _("There is no API key to call with.")},
        ),
        Step("extend", trial.extend, {"generate": NO_TOKEN}),
        Step(
            "revoke", trial.revoke, {"generate": NO_TOKEN}, if_interrupted=trial.revoke_interrupted
        ),
        Step("migrations", installation.migrations),
        Step("end_user", hooks.end_user, {"migrations": UNREADABLE}),
        Step("encryption_keys", installation.encryption_keys, {"migrations": UNREADABLE}),
        Step("owed", operation.owed, {"migrations": UNREADABLE}),
        Step("given_up", operation.given_up, {"migrations": UNREADABLE}),
        Step("cache", operation.cache),
        Step("sweep", operation.sweep, {"migrations": UNREADABLE}),
        Step(
            "overdue",
            lambda: operation.overdue(found["sweep"].status),
            {"migrations": UNREADABLE},
        ),
    )


def examine(tell: Callable[[Finding], object], *, offline: bool = False) -> None:
    """Take all steps, and tell what each found as soon as it is done.

    The token that is generated is revoked whatever comes between: a failure, an interruption, or a
    ``tell`` that raises. Raises ``RuntimeError`` if Convai would be called while a transaction is
    open.
    """
    if not offline and any(it.in_atomic_block for it in connections.all(initialized_only=True)):
        raise RuntimeError(_("Convai must not be called while a transaction is open."))
    trial = Trial()
    found: dict[str, Finding] = {}
    steps = {step.name: step for step in all_steps(trial, found, offline=offline)}
    try:
        for step in steps.values():
            _take_and_tell(step, found, tell)
    finally:
        if trial.value:  # revoke takes it away
            _take_and_tell(replace(steps["revoke"], needs={}), found, tell)


def _take_and_tell(
    step: Step, found: dict[str, Finding], tell: Callable[[Finding], object]
) -> None:
    try:
        found[step.name] = take(step, found)
    except BaseException:
        if step.if_interrupted:
            tell(replace(step.if_interrupted(), name=step.name))
        raise
    tell(found[step.name])
