"""The serializers whose tokens name their family."""

from __future__ import annotations

from typing import Any

from rest_framework_simplejwt import serializers
from rest_framework_simplejwt.tokens import RefreshToken

from convai_tokens.contrib.simplejwt import CLAIM
from convai_tokens.contrib.simplejwt_serializers import FamilyClaim, TokenObtainPairSerializer


def test_a_login_names_its_family_in_both_tokens(learner: Any) -> None:
    refresh = TokenObtainPairSerializer.get_token(learner)

    assert refresh[CLAIM] == refresh["jti"]
    text: Any = str(refresh)
    assert RefreshToken(text).access_token[CLAIM] == refresh["jti"]


def test_claims_of_the_lmss_own_stay(learner: Any) -> None:
    class Own(serializers.TokenObtainPairSerializer):
        @classmethod
        def get_token(cls, user: Any) -> Any:
            token = super().get_token(user)
            token["school"] = "first"
            return token

    class Both(FamilyClaim, Own):
        pass

    token = Both.get_token(learner)

    assert (token["school"], token[CLAIM]) == ("first", token["jti"])
