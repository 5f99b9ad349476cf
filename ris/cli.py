"""The ``ris`` command; ``manage.py`` is the same command."""

from __future__ import annotations

import os
import sys


def main(argv: list[str] | None = None) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ris.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(["ris", *(sys.argv[1:] if argv is None else argv)])
    return 0
