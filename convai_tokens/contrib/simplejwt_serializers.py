"""The serializer that a site with simplejwt names; see ``simplejwt.py`` for what it is for."""

from __future__ import annotations

from typing import Any

from rest_framework_simplejwt import serializers

from .simplejwt import with_family


class FamilyClaim:
    """To be put before a serializer of the LMS's own: its tokens name their family."""

    @classmethod
    def get_token(cls, user: Any) -> Any:
        return with_family(super().get_token(user))  # type: ignore[misc]


class TokenObtainPairSerializer(FamilyClaim, serializers.TokenObtainPairSerializer):
    """simplejwt's own, for ``SIMPLE_JWT["TOKEN_OBTAIN_SERIALIZER"]``."""
