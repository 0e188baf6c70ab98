"""The doctor's steps that call nobody: settings, login stacks, tables, keys.

Each names its likely cause and fix. ``operation.py`` looks at what goes on, ``network.py`` at the
way to Convai.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import chain
from urllib.parse import urlsplit

from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..checks import CHECKS, configuration, site, stacks
from ..conf import AppSettings, app_settings
from ..exceptions import SealBroken
from ..lifecycle.sealing import seal, unseal
from ..lifecycle.tidying import lost_keys, sessions_of_key
from ..logins.bearer_stacks import bearer_stacks
from ..models import ConvaiToken, TokenStatus, database
from ..secret import Secret
from .step import Finding, failed, ok, warning

KEY_GONE = gettext_lazy(
    "A key was taken away (a new SECRET_KEY counts), or processes have different settings."
)
KEY_BACK = gettext_lazy(
    "Put the old key back at the end of ENCRYPTION_KEYS; an old SECRET_KEY too, or into "
    "SECRET_KEY_FALLBACKS where ENCRYPTION_KEYS is not set."
)
NOWHERE = uuid.UUID(int=0)
SAMPLE, MOST_OWED = 50, 500  # sealed values that are opened
# What the steps api_key, base_url and middleware tell themselves.
TOLD_ELSEWHERE = {
    f"convai_tokens.{number}"
    for number in ("E001", "W021", "E002", "E004", "E005", "E022", "W016", "W017")
}


def _judged(messages: Iterable[CheckMessage], detail: str) -> Finding:
    """Judge what system checks say; ``detail`` is for when they say nothing."""
    found = [message for message in messages if not message.is_silenced()]
    if not found:
        return ok(detail)
    fixes = dict.fromkeys(message.hint or "" for message in found)
    judge = failed if any(it.is_serious() for it in found) else warning
    told = " ".join(f"{message.id}: {message.msg}" for message in found)
    return judge(told, _("The settings of the LMS."), " ".join(fixes))


def api_key() -> Finding:
    """Is there a key that fits into a header? It is never shown."""
    try:
        app_settings.api_key()
    except ImproperlyConfigured as error:
        if "header" in str(error):
            cause = _("It was copied with something around it, or read from the wrong file.")
            fix = _("Copy it anew, as one line of plain characters.")
            return failed(_("The API key holds characters that no header can carry."), cause, fix)
        return failed(
            _("CONVAI_TOKENS['API_KEY'] is blank."),
            _("The variable or file that it is read from is missing in this environment."),
            _("Set it to the key of your Convai account, for this command and for the LMS alike."),
        )
    except Exception as error:  # noqa: BLE001 - it is the project's own callable
        return failed(
            _("CONVAI_TOKENS['API_KEY'] is a callable that raised %(name)s.")
            % {"name": type(error).__name__},
            _("The secrets store that it asks is out of reach, or turns this process down."),
            _("Call it in manage.py shell, and mend what it needs (address, rights, network)."),
        )
    return ok(_("Present (never shown)."))


def base_url() -> Finding:
    """Would the key travel safely, and whereto?"""
    try:
        url = urlsplit(str(AppSettings.BASE_URL.given()))
        port = url.port
    except ValueError as error:
        fix = _("Use https://api.convai.com.")
        return failed(
            _("BASE_URL is no URL (%(name)s).") % {"name": type(error).__name__},
            _("A typing mistake."),
            fix,
        )
    # Part by part, for a user and a password in it are not to be shown.
    where = f"{url.scheme}, {url.hostname}{_(', port %(port)s') % {'port': port} if port else ''}."
    values = configuration.check_values(None)
    return _judged((it for it in values if it.id == "convai_tokens.E002"), where)


def system_checks() -> Finding:
    """Do the app's own system checks pass, but for those that have a step here?"""
    messages = (message for check in CHECKS for message in check(None))
    return _judged((it for it in messages if it.id not in TOLD_ELSEWHERE), _("All pass."))


def middleware() -> Finding:
    """Is the middleware there, and inside of those that it needs?"""
    return _judged(site.check_middleware(None), _("In place."))


def login_stacks() -> Finding:
    """Does a known login stack serve each way in which the site authenticates, and vice versa?"""
    known = ", ".join(["session", *(stack.name for stack in bearer_stacks())])
    messages = [*stacks.check_authentication_classes(None), *stacks.check_stacks(None)]
    return _judged(messages, _("Known: %(known)s.") % {"known": known})


def migrations() -> Finding:
    """Are the app's tables as this version wants them?"""
    executor = MigrationExecutor(connections[database()])
    targets = [leaf for leaf in executor.loader.graph.leaf_nodes() if leaf[0] == "convai_tokens"]
    plan = executor.migration_plan(targets)
    if not plan:
        return ok(_("All applied to the database %(database)r.") % {"database": database()})
    missing = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _backwards in plan)
    cause = _("The app was installed or upgraded, and migrate has not been run since.")
    return failed(
        _("Not applied: %(missing)s.") % {"missing": missing}, cause, _("Run manage.py migrate.")
    )


def encryption_keys() -> Finding:
    """Do the keys open the newest and oldest sealed values, and those that are owed?"""
    unseal(seal(Secret(_("any value")), 0, NOWHERE), 0, NOWHERE)  # raises if it doesn't open again
    tokens = ConvaiToken.primary.exclude(sealed="").only("sealed", "status")
    horizon = datetime.now(UTC) - app_settings.REVOKE_HORIZON  # older ones may be wiped any time
    living = tokens.filter(
        status__in=(TokenStatus.ACTIVE, TokenStatus.EXPIRED), expires_at__gte=horizon
    )
    sample = chain(
        living.order_by("-expires_at")[:SAMPLE],
        living.order_by("expires_at")[:SAMPLE],
        tokens.owed().order_by("owed_since")[:MOST_OWED],
    )
    rows = {token.pk: token for token in sample}
    shut = [token for token in rows.values() if not _opens(token)]
    own = AppSettings.ENCRYPTION_KEYS.given() is not None
    whose = "ENCRYPTION_KEYS" if own else _("SECRET_KEY, as ENCRYPTION_KEYS is not set")
    unfound = sum(sessions_of_key(key).count() for key in lost_keys())
    if unfound and not shut:
        return failed(
            _(
                "%(unfound)s open learner sessions were digested under a key that is gone: "
                "their logouts would end nothing. Keys: %(whose)s."
            )
            % {"unfound": unfound, "whose": whose},
            KEY_GONE,
            _("%(key_back)s Or let the sweep end them: their learners log in once more.")
            % {"key_back": KEY_BACK},
        )
    if not rows:
        return ok(
            _("No value is stored now; they seal and unseal. Keys: %(whose)s.") % {"whose": whose}
        )
    if not shut:
        return ok(
            _("They open all of %(len)s stored values looked at. Keys: %(whose)s.")
            % {"len": len(rows), "whose": whose}
        )
    lost = sum(token.status == TokenStatus.REVOKING for token in shut)
    return failed(
        _(
            "%(len)s of %(len_2)s stored values looked at don't open, %(lost)s of them owed: "
            "these can't be revoked. Keys: %(whose)s."
        )
        % {"len": len(shut), "len_2": len(rows), "lost": lost, "whose": whose},
        KEY_GONE,
        KEY_BACK,
    )


def _opens(token: ConvaiToken) -> bool:
    try:
        unseal(token.sealed, token.pk, token.session_id)
    except SealBroken:
        return False
    return True
