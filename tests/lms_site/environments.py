"""The site's settings as a process of its own reads them from a known environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LONG = "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PRODUCTION = {
    "DJANGO_SECRET_KEY": LONG,
    "DJANGO_ALLOWED_HOSTS": "lms.example.org, www.example.org",
    "CONVAI_API_KEY": "a-key",
    "CONVAI_ENCRYPTION_KEYS": LONG,
    "DJANGO_CACHE_URL": "dbcache://lms_cache",
}
SHOW = "import json; from lms_site import settings as s; print(json.dumps({}, default=str))"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with this environment alone."""
    plain = {"PATH": os.environ["PATH"], "DJANGO_ENV_FILE": os.devnull, **environment}
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=False)


def setting(expression: str, **environment: str) -> Any:
    """Return a setting as JSON has it; ``expression`` sees the settings as ``s``."""
    done = run("-c", SHOW.format(expression), **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
