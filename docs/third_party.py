"""THIRD_PARTY.md: what is pinned or vendored, and under which licence.

The licence of each package stands here as an SPDX expression, so that the document does not depend
on what happens to be installed; a test compares it with what the packages themselves say.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PIN = re.compile(r"([A-Za-z0-9_.-]+)==([^ ;\\]+)")
MANIFESTS = {
    "ris/web/static/vendor/manifest.json": "Vendored, part of the product",
    "ris/printing/vendor/manifest.json": "Vendored, the fonts of printed reports",
    "tests/browser/assets/manifest.json": "Vendored, in the tests only",
}

LICENCES = {
    "amqp": "BSD-3-Clause",
    "annotated-types": "MIT",
    "argon2-cffi": "MIT",
    "argon2-cffi-bindings": "MIT",
    "asgiref": "BSD-3-Clause",
    "async-timeout": "Apache-2.0",
    "attrs": "MIT",
    "billiard": "BSD-3-Clause",
    "celery": "BSD-3-Clause",
    "cffi": "MIT-0",
    "charset-normalizer": "MIT",
    "click": "BSD-3-Clause",
    "click-didyoumean": "MIT",
    "click-plugins": "BSD-3-Clause",
    "click-repl": "MIT",
    "colorama": "BSD-3-Clause",
    "cryptography": "Apache-2.0 OR BSD-3-Clause",
    "defusedxml": "PSF-2.0",
    "dj-database-url": "BSD-3-Clause",
    "django": "BSD-3-Clause",
    "django-allauth": "MIT",
    "djangorestframework": "BSD-3-Clause",
    "drf-spectacular": "BSD-3-Clause",
    "editables": "MIT",
    "fhir-core": "BSD-3-Clause",
    "fhir-resources": "BSD-3-Clause",
    "fido2": "BSD-2-Clause AND Apache-2.0 AND MPL-2.0",
    "granian": "BSD-3-Clause",
    "hatchling": "MIT",
    "hl7apy": "MIT",
    "inflection": "MIT",
    "joserfc": "BSD-3-Clause",
    "jsonschema": "MIT",
    "jsonschema-specifications": "MIT",
    "kombu": "BSD-3-Clause",
    "packaging": "Apache-2.0 OR BSD-2-Clause",
    "pathspec": "MPL-2.0",
    "pillow": "MIT-CMU",
    "pluggy": "MIT",
    "prometheus-client": "Apache-2.0 AND BSD-2-Clause",
    "prompt-toolkit": "BSD-3-Clause",
    "psycopg": "LGPL-3.0-only",
    "psycopg-binary": "LGPL-3.0-only",
    "psycopg-pool": "LGPL-3.0-only",
    "pycparser": "BSD-3-Clause",
    "pydantic": "MIT",
    "pydantic-core": "MIT",
    "pydantic-settings": "MIT",
    "pydicom": "MIT",
    "pynetdicom": "MIT",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "python-dotenv": "BSD-3-Clause",
    "pyyaml": "MIT",
    "qrcode": "BSD-3-Clause",
    "redis": "MIT",
    "referencing": "MIT",
    "reportlab": "BSD-3-Clause",
    "rpds-py": "MIT",
    "six": "MIT",
    "sqlparse": "BSD-3-Clause",
    "structlog": "MIT OR Apache-2.0",
    "tomlkit": "MIT",
    "trove-classifiers": "Apache-2.0",
    "typing-extensions": "PSF-2.0",
    "typing-inspection": "MIT",
    "tzdata": "Apache-2.0",
    "tzlocal": "MIT",
    "uharfbuzz": "Apache-2.0",
    "uritemplate": "BSD-3-Clause OR Apache-2.0",
    "vine": "BSD-3-Clause",
    "wcwidth": "MIT",
    "whitenoise": "MIT",
}


def pins() -> dict[str, str]:
    """The runtime packages and their versions, as requirements.txt pins them."""
    found: dict[str, str] = {}
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        match = PIN.match(line)
        if match is not None:
            found[re.sub(r"[-_.]+", "-", match[1]).lower()] = match[2]
    return found


def vendored(manifest: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((ROOT / manifest).read_text(encoding="utf-8"))
    return rows


def document() -> str:
    lines = [
        "# Third-party software",
        "",
        "<!-- Made from requirements.txt and the manifests by docs/generate.py. -->",
        "",
        "The product itself is under the Apache License 2.0 ([LICENSE](LICENSE)). It uses the",
        "following unchanged; psycopg is used as a library, as the LGPL allows. Versions are those",
        "that are pinned.",
        "",
        "## Python packages",
        "",
        "| package | version | licence |",
        "| --- | --- | --- |",
    ]
    for name, version in sorted(pins().items()):
        lines.append(f"| {name} | {version} | {LICENCES[name]} |")
    for manifest, title in MANIFESTS.items():
        folder = manifest.rpartition("/")[0]
        lines += ["", f"## {title}", "", "| file | version | licence |", "| --- | --- | --- |"]
        for row in vendored(manifest):
            texts = ", ".join(
                f"[{row['licence']}]({folder}/{name})" for name in row["licence_files"]
            )
            lines.append(
                f"| {row['name']} (`{folder}/{row['file']}`) | {row['version']} | {texts} |"
            )
    lines += [
        "",
        "## Data, part of the product",
        "",
        "| file | made from | licence |",
        "| --- | --- | --- |",
        "| `integration/fhir/elements.json.gz` | HL7 FHIR 4.0.1 definitions, as the package",
    ]
    lines[-1] += " hl7.fhir.r4.examples 4.0.1 holds them (scripts/elements.py) | CC0-1.0 |"
    return "\n".join(lines) + "\n"
