"""An independent validator of R4, which is not Python: the Node package ``fhir``.

One process takes many bodies, so a test collects all it wants to have looked at.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.programs import ROOT, demand, node_modules


@dataclass(frozen=True)
class Opinion:
    """What the validator says about one body, and the resource as it read it."""

    faults: list[str]
    resource: Any


def opinions(bodies: Sequence[str | bytes]) -> list[Opinion]:
    """An opinion on each body, JSON or XML; skips the test without Node or the package."""
    demand("fhir")
    texts = [body.decode() if isinstance(body, bytes) else body for body in bodies]
    done = subprocess.run(
        ["node", str(ROOT / "tests/clients/validate.mjs"), str(node_modules())],
        input=json.dumps(texts).encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return [
        Opinion(each["faults"], json.loads(each["json"]) if each["json"] else None)
        for each in json.loads(done.stdout)
    ]


def faults(bodies: dict[str, str | bytes]) -> dict[str, list[str]]:
    """What is wrong with each named body; bodies without faults are left out."""
    found = zip(bodies, opinions(list(bodies.values())), strict=True)
    return {name: opinion.faults for name, opinion in found if opinion.faults}
