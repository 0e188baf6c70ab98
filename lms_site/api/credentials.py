"""The name and the password in a login's body, and what the answer tells of the learner."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from rest_framework import serializers
from rest_framework.request import Request

from ..secret import Secret
from .errors import InvalidCredentials


class PasswordField(serializers.CharField):
    """Gives a string that no debug page and no crash report shows, whichever frame holds it."""

    def to_internal_value(self, data: Any) -> Secret:
        return Secret(super().to_internal_value(data))


class CredentialsSerializer(serializers.Serializer[None]):
    """The body of a login. A ``device`` beside them is for the audit, and not read here."""

    username = serializers.CharField(max_length=150)
    password = PasswordField(max_length=1024, trim_whitespace=False)


def user_of_credentials(request: Request) -> User:
    """Return the user whose name and password the body holds.

    Raises ``ValidationError`` for a malformed body and ``InvalidCredentials`` for wrong ones.
    """
    serializer = CredentialsSerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    user = authenticate(request, **serializer.validated_data)
    if user is None:
        raise InvalidCredentials
    return user


def learner_data(user: User) -> dict[str, str]:
    """Return what the API tells of a learner."""
    return {"id": str(user.pk), "displayName": user.get_full_name() or user.get_username()}
