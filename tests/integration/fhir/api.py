"""A FHIR client for the tests: Django's test client with a token, speaking FHIR JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.test import Client
from fhir.resources.R4B import get_fhir_model_class

from integration.fhir import xml
from ris.domain.accounts import IssueToken
from ris.domain.actors import OPERATOR
from ris.services import execute
from tests.integration.fhir import heard

BASE = "http://testserver/fhir"
ALL = ("system/*.cruds",)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def issue(self) -> dict[str, Any]:
        """The first issue of an OperationOutcome."""
        assert self.body["resourceType"] == "OperationOutcome", self.body
        found: dict[str, Any] = self.body["issue"][0]
        return found

    @property
    def resources(self) -> list[dict[str, Any]]:
        """The resources of a searchset, matches and inclusions."""
        assert self.body["resourceType"] == "Bundle", self.body
        return [entry["resource"] for entry in self.body.get("entry", [])]

    @property
    def ids(self) -> list[str]:
        return [each["id"] for each in self.of("match")]

    def of(self, mode: str) -> list[dict[str, Any]]:
        return [e["resource"] for e in self.body.get("entry", []) if e["search"]["mode"] == mode]

    def link(self, relation: str) -> str | None:
        return next((e["url"] for e in self.body["link"] if e["relation"] == relation), None)


@dataclass
class Api:
    """Requests under ``/fhir/``; every answer with a body is checked as R4."""

    token: str = ""
    client: Client = field(default_factory=Client)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        path = path.removeprefix(BASE)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        content_type = sent.pop("Content-Type", "application/fhir+json")
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        response = self.client.generic(
            method, f"/fhir{path}", raw, content_type=content_type, headers=sent
        )
        text = response.content.decode()
        found = None
        if text and "xml" in response.headers.get("Content-Type", ""):
            found = xml.read(response.content)
        elif text:
            found = json.loads(text)
        if found is not None:
            valid(found)
            heard.keep(f"{method} {path}"[:200], text, found)
        return Answer(response.status_code, dict(response.headers), found)

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.request("POST", path, body, **headers)

    def put(self, path: str, body: Any, **headers: str) -> Answer:
        return self.request("PUT", path, body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Answer:
        headers.setdefault("Content_Type", "application/json-patch+json")
        return self.request("PATCH", path, body, **headers)


def valid(resource: dict[str, Any]) -> dict[str, Any]:
    """``resource`` if it has the structure of R4, with all that a Bundle holds."""
    model = get_fhir_model_class(resource["resourceType"])
    model.model_validate_json(json.dumps(resource))
    return resource


def token(*scopes: str, client: str = "EHR", **more: Any) -> str:
    return execute(IssueToken(client=client, scopes=scopes or ALL, **more), actor=OPERATOR).secret


def found(api: Api, kind: str, **parameters: Any) -> list[str]:
    """The ids a search finds; ``name__exact`` is ``name:exact``, ``a___b`` is ``a-b``."""
    pairs = [
        (name.replace("___", "-").replace("__", ":"), value) for name, value in parameters.items()
    ]
    answer = api.get(f"/{kind}?{urlencode(pairs, doseq=True)}")
    assert answer.status == 200, answer.body
    assert answer.of("outcome") == []
    return answer.ids
