"""A part without pages loads what it needs and no more."""

from __future__ import annotations

from pathlib import Path

from tests.running import printed

_NOT_NEEDED = ("allauth", "celery", "django.contrib.admin", "integration", "rest_framework")
_LOADED = f"""
import sys
from ris import cli
cli._function = lambda name, target: lambda arguments: __import__(target.partition(":")[0]) and 0
cli.main(["run", "dicom"])
print([name for name in {_NOT_NEEDED!r} if name in sys.modules], "worklist" in sys.modules)
"""


def test_the_dicom_listener_loads_neither_pages_nor_the_other_edge(tmp_path: Path) -> None:
    assert printed(_LOADED, tmp_path) == "[] True\n"
