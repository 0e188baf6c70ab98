"""A proxy of the user model, as LMSs have them."""

from __future__ import annotations

from django.contrib.auth.models import User


class Pupil(User):
    class Meta:
        proxy = True
        app_label = "auth"  # an app of the suite has no migrations to hang it on
