"""The web application: pages, REST and FHIR, as one WSGI callable (docs/adr/0008)."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from ris import config
from ris.parent import watch_process_above
from ris.serving import Application, Gate, on_end

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ris.settings")

# Granian serves from a process of its own below `ris run web` and must not outlive it.
watch_process_above()

application: Application = Gate(get_wsgi_application(), config.load().http.threads)


def _end_streams() -> None:
    from ris.web.live.views import end

    end()


on_end(_end_streams)


def _open_spool_of_reads() -> None:
    """Many read here: they do not wait for the rows of their audit (docs/adr/0038)."""
    from ris.services import audit

    audit.open_spool(config.load().home / "reads")


_open_spool_of_reads()
