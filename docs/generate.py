#!/usr/bin/env python3
"""Write the documents that are made from the code, or with ``--check`` say which are not current.

A row names a file and the function that returns its text, so that what is written down cannot
differ from what runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = {
    "docs/reference/settings.md": "ris.reference:settings",
    "docs/reference/commands.md": "ris.reference:commands",
    "docs/reference/states.md": "ris.reference:states",
    "docs/reference/dicom-conformance.md": "worklist.conformance:statement",
    "docs/reference/hl7-conformance.md": "integration.hl7.conformance:statement",
    "docs/reference/fhir-conformance.md": "integration.fhir.conformance:statement",
    "docs/reference/openapi.yaml": "integration.rest.description:document",
    "docs/reference/results.md": "docs.results:document",
    "THIRD_PARTY.md": "docs.third_party:document",
}


def text_of(target: str) -> str:
    module, _, function = target.partition(":")
    text: str = getattr(import_module(module), function)()
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if any differs")
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ris.settings")
    import django

    django.setup()
    stale = []
    for name, target in DOCUMENTS.items():
        file = ROOT / name
        text = text_of(target)
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            continue
        if arguments.check:
            stale.append(name)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{name}\n")
    for name in stale:
        sys.stderr.write(f"{name} is not current; run `make docs`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
