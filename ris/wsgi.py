"""The web application: pages, REST and FHIR, as one WSGI callable (docs/adr/0008)."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from ris.parent import watch_process_above

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ris.settings")

# Granian serves from a process of its own below `ris run web` and must not outlive it.
watch_process_above()

application = get_wsgi_application()
