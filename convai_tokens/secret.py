"""What holds an API key, a token value, an encryption key or a credential."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NoReturn, Self, TypeVar

T = TypeVar("T")


class Hidden(Generic[T]):
    """Holds a value that nothing shows, but ``reveal()``.

    Crash reporters serialise the local variables of each frame, and some know better than
    ``repr``: they take a subclass of ``str`` or ``dict`` for the plain value that it is. So this is
    neither. It can't be pickled, nor written as JSON.
    """

    __slots__ = ("_reveal",)

    def __init__(self, value: T) -> None:
        # Within a function, which shows as its name to whoever looks into the slots.
        self._reveal: Callable[[], T] = lambda: value

    def reveal(self) -> T:
        """Return the value; to be used at once, since a name for it is a local variable."""
        return self._reveal()

    def __repr__(self) -> str:
        return "'***'"

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"A {type(self).__name__} can't be pickled.")

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class Secret(Hidden[str]):
    """A text of that kind. Two are equal if their texts are; a blank one is false."""

    __slots__ = ()

    def __init__(self, text: str = "") -> None:
        self._reveal = lambda: text  # each login makes many: without a call of super()'s

    @classmethod
    def of(cls, value: str | Secret) -> Secret:
        """Return a text as a ``Secret``; one that is one already stays what it is."""
        return value if isinstance(value, Secret) else cls(value)

    def __bool__(self) -> bool:
        return bool(self._reveal())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._reveal() == other._reveal()

    def __hash__(self) -> int:
        return hash((Secret, self._reveal()))
