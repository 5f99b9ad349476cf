"""A running RIS does over REST what its own description says, whatever is sent (schemathesis)."""

from __future__ import annotations

import json
import random
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from integration.rest.description import description
from tests.running import Running, running_ris

ROLES = ("scheduler", "frontdesk", "technologist", "radiologist", "manager", "admin")
schema = schemathesis.openapi.from_dict(description())


@dataclass(frozen=True)
class Ready:
    """A running demo site, a token of every role, and ids by the first word of the address."""

    running: Running
    token: str
    known: dict[str, list[str]]


def ask(running: Running, token: str, path: str) -> Any:
    request = urllib.request.Request(
        f"{running.url}/api/v1/{path}", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    home: Path = tmp_path_factory.mktemp("rest")
    with running_ris(home, "--demo") as running:
        scopes = [part for role in ROLES for part in ("--scope", f"role/{role}")]
        token = running.ris("token", "add", "fuzzer", *scopes).stdout.strip()
        orders = ask(running, token, "orders/?limit=5")["results"]
        orders += ask(running, token, "orders/?tab=scheduled&limit=5")["results"]
        known = {
            "orders": [each["public_id"] for each in orders],
            "patients": [each["patient"]["public_id"] for each in orders],
            "steps": [step["public_id"] for each in orders for step in each["steps"]],
            "appointments": [each["public_id"] for each in ask(running, token, "appointments/")],
            "messages": [
                each["public_id"] for each in ask(running, token, "messages/?limit=5")["results"]
            ],
            "deliveries": [
                each["public_id"] for each in ask(running, token, "deliveries/?limit=5")["results"]
            ],
        }
        assert known["orders"]
        assert known["appointments"]
        yield Ready(running, token, known)


@schema.parametrize()
@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_whatever_is_sent_is_answered_as_described(case: Any, ready: Ready) -> None:
    known = ready.known.get(case.path.split("/")[3], [])
    if known and "key" in case.path_parameters and random.random() < 0.7:
        case.path_parameters["key"] = random.choice(known)

    answer = case.call(
        base_url=ready.running.url, headers={"Authorization": f"Bearer {ready.token}"}
    )

    case.validate_response(
        answer,
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ],
    )
