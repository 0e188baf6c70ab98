"""System checks of what the site puts around this app: middleware, URLs, cache, database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name
from django.urls import URLResolver, get_resolver
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

MIDDLEWARE = "convai_tokens.middleware.ConvaiTokenMiddleware"
TOKEN_VIEW = "convai_tokens.views.TokenView"  # noqa: S105 - a class's name
OUTSIDE = (
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)
WITHOUT_ROWS = tuple(
    f"django.contrib.sessions.backends.{name}" for name in ("cache", "file", "signed_cookies")
)
PER_PROCESS_CACHES = ("LocMemCache", "DummyCache")


def check_middleware(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E004: it is missing. E005: it is outside of one that has to be outside. E022: it is twice."""
    middleware = list(settings.MIDDLEWARE)
    if MIDDLEWARE not in middleware:
        return [
            Error(
                _("MIDDLEWARE lacks %(middleware)r.") % {"middleware": MIDDLEWARE},
                hint=_(
                    "Without it no login response carries a token. Add it at the end of the list."
                ),
                id="convai_tokens.E004",
            )
        ]
    inside = middleware[middleware.index(MIDDLEWARE) :]
    twice: list[CheckMessage] = [
        Error(
            _("MIDDLEWARE has %(middleware)r %(count)s times.")
            % {"middleware": MIDDLEWARE, "count": middleware.count(MIDDLEWARE)},
            hint=_("Leave the last one, and remove the others."),
            id="convai_tokens.E022",
        )
    ]
    wrong = twice if middleware.count(MIDDLEWARE) > 1 else []
    wrong += [
        Error(
            _("MIDDLEWARE has %(middleware)r before %(name)r.")
            % {"middleware": MIDDLEWARE, "name": name},
            hint=_("Move %(middleware)r below it; the end of the list is best.")
            % {"middleware": MIDDLEWARE},
            id="convai_tokens.E005",
        )
        for name in OUTSIDE
        if name in inside
    ]
    return wrong


def check_urls(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """W014: no address leads to the token endpoint."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return []  # a process that serves nothing
    if any(_is_token_view(view) for view in _view_classes(get_resolver().url_patterns)):
        return []
    return [
        Warning(
            _(
                "The URLconf has no token endpoint: a learner's client can't refresh or "
                "revoke its token, nor get one when the login gave none."
            ),
            hint=_(
                "Add path('convai/', include('convai_tokens.urls')). If another URLconf than "
                "ROOT_URLCONF has it, put this id into SILENCED_SYSTEM_CHECKS."
            ),
            id="convai_tokens.W014",
        )
    ]


def _view_classes(patterns: Iterable[Any]) -> Iterator[Any]:
    """Yield the classes of all views below, however deeply they are included."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _view_classes(pattern.url_patterns)
        else:
            yield getattr(getattr(pattern, "callback", None), "view_class", None)


def _is_token_view(view: Any) -> bool:
    """Tell whether it is our view, or a class of the project's below it.

    By name: the import of DRF's views would bring in all that ``REST_FRAMEWORK`` names, in every
    process and before later apps are ready.
    """
    return isinstance(view, type) and any(
        f"{base.__module__}.{base.__qualname__}" == TOKEN_VIEW for base in view.__mro__
    )


def check_shared_cache(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """W011, for ``check --deploy``: each process throttles by itself."""
    backend = str(settings.CACHES.get("default", {}).get("BACKEND", ""))
    if backend.rpartition(".")[2] not in PER_PROCESS_CACHES:
        return []
    return [
        Warning(
            _(
                "The default cache is not shared between processes, so the throttle of the "
                "token endpoint counts in each process by itself."
            ),
            hint=_("Use Redis, Memcached or the database as CACHES['default']."),
            id="convai_tokens.W011",
        )
    ]


def check_session_engine(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """W020: sessions whose rows, if they have some, nobody watches."""
    engine = settings.SESSION_ENGINE
    if engine in WITHOUT_ROWS or not any("SessionMiddleware" in it for it in settings.MIDDLEWARE):
        return []
    try:
        store = import_string(f"{engine}.SessionStore")
    except ImportError:
        return []  # Django tells
    if hasattr(store, "get_model_class"):
        return []
    return [
        Warning(
            _("SESSION_ENGINE is %(engine)r, which doesn't tell what model its sessions have.")
            % {"engine": engine},
            hint=_(
                "A logout is seen, and whatever deletes a session by its store. A row that "
                "staff or a clean-up deletes is not: its token lives until it expires. Where "
                "that matters, call convai_tokens.api.end_session() there; else silence this "
                "check."
            ),
            id="convai_tokens.W020",
        )
    ]
