"""A credential as the lifecycle knows it: hashed."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from convai_tokens.lifecycle.credential import Credential, derived_id

OLD, NEW = "old-" + "o" * 40, "new-" + "n" * 40


def always(user: object) -> bool:
    return True


def test_one_identity_is_one_credential_and_another_stack_has_another() -> None:
    credential = Credential.of_identity("knox", "a digest", always)

    assert credential == Credential.of_identity("knox", "a digest", lambda user: False)
    assert (
        credential.session_ids != Credential.of_identity("custom", "a digest", always).session_ids
    )
    assert credential.session_ids != Credential.of_identity("knox", "another", always).session_ids


def test_the_identity_is_in_none_of_its_fields() -> None:
    credential = Credential.of_identity("knox", "CANARY-IDENTITY", always)

    assert "CANARY" not in repr(vars(credential))


def test_there_is_an_id_for_each_key_and_that_of_the_newest_comes_first(
    convai_settings: Callable[..., None],
) -> None:
    convai_settings(ENCRYPTION_KEYS=[OLD])
    before = Credential.of_identity("knox", "a digest", always)

    convai_settings(ENCRYPTION_KEYS=[NEW, OLD])
    after = Credential.of_identity("knox", "a digest", always)

    assert after.session_ids == (derived_id(after.digest), *before.session_ids)
    assert after.digest != before.digest


def test_a_derived_id_says_that_it_comes_from_a_hash() -> None:
    """MariaDB takes no UUID without a version."""
    derived = derived_id("0123456789abcdef" * 4)

    assert (derived.version, derived.variant) == (5, uuid.RFC_4122)
    assert derived == derived_id("0123456789abcdef" * 4)


def test_a_credential_is_good_and_its_password_unchanged_unless_its_stack_says_otherwise() -> None:
    credential = Credential("custom", (uuid.uuid4(),), "")

    assert credential.is_alive(None)  # type: ignore[arg-type] # nobody is asked
    assert not credential.password_changed(None)  # type: ignore[arg-type] # nobody is asked
