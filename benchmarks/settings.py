"""The LMS site's settings for a run: the MD5 hasher, and with LOAD_PLAIN the site without us.

With Django's own hasher a login is little but its hash, beside which nothing of ours shows.
"""

from __future__ import annotations

import os

from lms_site.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# The learners of a run log in again and again.
CONVAI_TOKENS = {**CONVAI_TOKENS, "LEARNER_RATE": 1_000_000}  # noqa: F405

if os.environ.get("LOAD_PLAIN"):
    INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "convai_tokens"]  # noqa: F405
    MIDDLEWARE = [name for name in MIDDLEWARE if not name.startswith("convai_tokens")]  # noqa: F405
    ROOT_URLCONF = "benchmarks.urls"

if size := int(os.environ.get("LOAD_POOL", "0")):
    pool = {"min_size": size, "max_size": size, "timeout": 10}
    DATABASES["default"] |= {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False}  # noqa: F405
    DATABASES["default"].setdefault("OPTIONS", {})["pool"] = pool  # noqa: F405
