"""A login's credential, as far as the lifecycle may know it: hashed, and with two questions."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from django.contrib.auth.base_user import AbstractBaseUser

from ..secret import Secret
from .sealing import credential_digests


@dataclass(frozen=True)
class Credential:
    """What a learner's client presents on later requests, hashed.

    ``session_ids`` are the ids that its learner session may have, the one for new rows first:
    there is one for each encryption key, so that a session is found after a change of keys.
    ``is_alive(user)`` asks the stack whether the user's credential is still good;
    ``password_changed(user)`` whether the password that it stands for was changed since ``user``
    was loaded, which is False for stacks whose credentials outlive the password.
    """

    stack: str
    session_ids: tuple[uuid.UUID, ...]
    digest: str
    is_alive: Callable[[AbstractBaseUser], bool] = field(
        default=lambda user: True, compare=False, repr=False
    )
    password_changed: Callable[[AbstractBaseUser], bool] = field(
        default=lambda user: False, compare=False, repr=False
    )

    @classmethod
    def of_identity(
        cls,
        stack: str,
        identity: str,
        is_alive: Callable[[AbstractBaseUser], bool],
        latest: uuid.UUID | None = None,
    ) -> Credential:
        """Return a bearer's; ``identity`` is hashed here and kept nowhere.

        The ids are derived from the keyed digest: two first requests in parallel meet in one row,
        and a session that has ended stays ended. ``latest`` is the id of the latest learner session
        of a credential that logins hand out again.
        """
        digests = bearer_digests(stack, identity)
        ids = (latest,) if latest else tuple(map(derived_id, digests))
        return cls(stack, ids, digests[0], is_alive)

    def renewed(self) -> Credential:
        """Return one for the learner session after the one that has ended.

        Derived from that one's id: two logins in parallel meet in one row here too.
        """
        return replace(self, session_ids=(uuid.uuid5(self.session_ids[0], self.digest),))


def bearer_digests(stack: str, identity: str) -> list[str]:
    """Return the digests under which a bearer may be stored, newest key first."""
    return credential_digests(Secret(f"{stack}:{identity}"))


def derived_id(digest: str) -> uuid.UUID:
    """Return the id of the learner session of a credential with this digest."""
    # Version 5 is the one for ids that come from a hash; MariaDB takes no UUID without a version.
    return uuid.UUID(hex=digest[:32], version=5)
