"""The site for WSGI servers: ``gunicorn lms_site.wsgi``."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lms_site.settings")

application = get_wsgi_application()
