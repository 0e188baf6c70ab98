"""One setting: where its value comes from, and how it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from .kinds import Kind

if TYPE_CHECKING:
    from . import AppSettings

T = TypeVar("T")


def configured() -> dict[str, Any]:
    """Return the dict as the project has it; empty where it has none."""
    found: dict[str, Any] = getattr(settings, "CONVAI_TOKENS", _NONE)
    return found


_NOTHING = object()
_NONE: dict[str, Any] = {}


class Setting(Generic[T]):
    """One key of the dict. As an attribute of ``app_settings`` it is the project's value.

    As it stands now, or the default. Raises ``ImproperlyConfigured`` when it is what the setting
    must never be: nobody may have run the checks.
    """

    def __init__(self, default: T, kind: Kind, about: str, *, shown: str = "") -> None:
        self.default = default
        self.kind = kind
        self.about = about
        self.shown = shown or repr(default)  # the default, in the documentation's table
        self.name = ""
        self._accepted: Any = _NOTHING  # the value that was looked at last, and is fine

    def __set_name__(self, owner: type[AppSettings], name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type[AppSettings]) -> Self: ...

    @overload
    def __get__(self, instance: AppSettings, owner: type[AppSettings]) -> T: ...

    def __get__(self, instance: AppSettings | None, owner: type[AppSettings]) -> Self | T:
        if instance is None:
            return self
        # No local variable holds it where something is raised: it may be a secret.
        if self.given() is not self._accepted:
            if problem := self.problem():
                name, hint = self.name, self.kind.hint
                raise ImproperlyConfigured(f"CONVAI_TOKENS[{name!r}] {problem} {hint}")
            self._accepted = self.given()
        accepted: T = self._accepted
        return accepted

    def given(self) -> Any:
        """Return the project's value unchecked."""
        return getattr(settings, "CONVAI_TOKENS", _NONE).get(self.name, self.default)

    def problem(self) -> str:
        """Return what is wrong with the project's value; empty when nothing is."""
        return self._problem_of(self.given())

    def _problem_of(self, value: Any) -> str:
        return "" if self.kind.holds(value) else _("must be %s.") % self.kind.must_be


class Hook(Setting[T]):
    """A setting that is a callable, or names one by its dotted path."""

    def __init__(self, path: str, about: str) -> None:
        hint = _("Give a callable or its dotted path; the default is %(path)r.") % {"path": path}
        kind = Kind(_("a callable, or its dotted path"), callable, "E006", hint)
        super().__init__(path, kind, about)  # type: ignore[arg-type] # the path, for the callable

    @overload
    def __get__(self, instance: None, owner: type[AppSettings]) -> Self: ...

    @overload
    def __get__(self, instance: AppSettings, owner: type[AppSettings]) -> T: ...

    def __get__(self, instance: AppSettings | None, owner: type[AppSettings]) -> Self | T:
        if instance is None:
            return self
        return self._imported(super().__get__(instance, owner))

    def _problem_of(self, value: Any) -> str:
        try:
            used = self._imported(value)
        except ImportError as error:
            return _("can't be imported: %(error)s.") % {"error": error}
        return "" if callable(used) else _("is %(used)r, which isn't callable.") % {"used": used}

    def _imported(self, value: Any) -> T:
        used: T = import_string(value) if isinstance(value, str) else value
        return used
