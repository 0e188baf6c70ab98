"""System checks of the login stacks: whom the site authenticates, and who of them gets a token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's name
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from ..logins.bearer_stacks import BearerStack, bearer_stacks
from ..logins.credentials import SESSION_CLASS
from ..logins.session_bearers import SessionBearer, session_bearers

# Of these no login hands anything out: each request brings its own proof.
WITHOUT_LOGIN = (
    "rest_framework.authentication.BasicAuthentication",
    "rest_framework.authentication.RemoteUserAuthentication",
)
SIMPLE_JWT_DEFAULT = "rest_framework_simplejwt.serializers.TokenObtainPairSerializer"
FAMILY_CLAIM = "convai_tokens.contrib.simplejwt_serializers.FamilyClaim"
DRF_DEFAULT = (SESSION_CLASS, WITHOUT_LOGIN[0])


def check_authentication_classes(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """W016: learners are authenticated by what no login stack serves."""
    served = {SESSION_CLASS, *WITHOUT_LOGIN}
    served.update(path for stack in bearer_stacks() for path in stack.authentication_classes)
    served.update(path for way in session_bearers() for path in way.authentication_classes)
    return [
        Warning(
            _("DEFAULT_AUTHENTICATION_CLASSES has %(path)r, which no login stack serves.")
            % {"path": path},
            hint=_(
                "A login that hands out its credential gets no Convai token, and the token "
                "endpoint answers credential_not_supported. Register a stack that names this "
                "class (docs/api.md), or silence this check if no learner's client uses it."
            ),
            id="convai_tokens.W016",
        )
        for path, lineage in _lineages()
        if not served & {*lineage}
    ]


def check_stacks(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """W017: a login by a stack gets a token, and the endpoint doesn't know the learner."""
    accepted = {name for _path, lineage in _lineages() for name in lineage}
    known: list[BearerStack | SessionBearer] = [*bearer_stacks(), *session_bearers()]
    return [
        Warning(
            _(
                "The login stack %(name)r is known, and DEFAULT_AUTHENTICATION_CLASSES has "
                "nothing that authenticates its learners."
            )
            % {"name": stack.name},
            hint=_(
                "Their logins get a Convai token, and the token endpoint answers 401. Add "
                "%(which)r; or silence this check if the endpoint's view has authentication "
                "classes of its own."
            )
            % {"which": stack.authentication_classes[0]},
            id="convai_tokens.W017",
        )
        for stack in known
        if stack.authentication_classes and not accepted & {*stack.authentication_classes}
    ]


def check_families(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """W027: simplejwt's tokens don't name the login that they come from."""
    if not apps.is_installed("rest_framework_simplejwt.token_blacklist"):
        return []
    setting, name = "SIMPLE_JWT", "TOKEN_OBTAIN_SERIALIZER"
    if apps.is_installed("dj_rest_auth") and getattr(settings, "REST_AUTH", {}).get("USE_JWT"):
        setting, name = "REST_AUTH", "JWT_TOKEN_CLAIMS_SERIALIZER"
    path = getattr(settings, setting, {}).get(name, SIMPLE_JWT_DEFAULT)
    names = [f"{base.__module__}.{base.__qualname__}" for base in import_string(path).__mro__]
    if FAMILY_CLAIM in names:
        return []
    return [
        Warning(
            _("%(setting)s[%(name)r] is %(path)r, whose tokens name no family.")
            % {"setting": setting, "name": name, "path": path},
            hint=_(
                "Logins by it get no Convai token. Set it to "
                "'convai_tokens.contrib.simplejwt_serializers.TokenObtainPairSerializer', or "
                "put FamilyClaim from there before your own serializer's base; if no learner "
                "logs in by it, silence this check."
            ),
            id="convai_tokens.W027",
        )
    ]


def _lineages() -> Iterator[tuple[str, list[str]]]:
    """Yield each class that DRF authenticates with by default, and the classes above it, by name.

    What can't be imported is DRF's to tell.
    """
    rest_framework = getattr(settings, "REST_FRAMEWORK", {})
    for path in rest_framework.get("DEFAULT_AUTHENTICATION_CLASSES", DRF_DEFAULT):
        try:
            found = import_string(path) if isinstance(path, str) else path
        except ImportError:
            continue
        names = [f"{base.__module__}.{base.__qualname__}" for base in found.__mro__]
        yield names[0], names
