"""A DICOMweb client for the tests: Django's test client with a token, speaking DICOM JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.test import Client
from pydicom.dataset import Dataset

from ris.domain.accounts import IssueToken
from ris.domain.actors import OPERATOR
from ris.services import execute

BASE = "/dicom-web"
SCHEDULED = f"{BASE}/modality-scheduled-procedure-steps"
PERFORMED = f"{BASE}/modality-performed-procedure-steps"
ALL = ("system/worklist.read", "system/mpps.*")
JSON = "application/dicom+json"
XML = "application/dicom+xml"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)

    @property
    def datasets(self) -> list[Dataset]:
        """The matches as pydicom reads them."""
        return [Dataset.from_json(one) for one in self.body] if self.content else []

    @property
    def warning(self) -> str:
        return self.headers.get("Warning", "")


@dataclass
class Api:
    """Requests under ``/dicom-web/``."""

    token: str = ""
    client: Client = field(default_factory=Client)

    def request(
        self, method: str, path: str, body: bytes = b"", content_type: str = JSON, **headers: str
    ) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        response = self.client.generic(
            method, path, body, content_type=content_type if body else "", headers=sent
        )
        return Answer(response.status_code, dict(response.headers), response.content)

    def search(self, query: str = "", **headers: str) -> Answer:
        return self.request("GET", f"{SCHEDULED}?{query}" if query else SCHEDULED, **headers)

    def create(self, uid: str, dataset: Dataset | bytes, **more: str) -> Answer:
        return self.request("POST", f"{PERFORMED}/{uid}", written(dataset), **more)

    def update(self, uid: str, dataset: Dataset | bytes, **more: str) -> Answer:
        return self.request("POST", f"{PERFORMED}/{uid}?update", written(dataset), **more)

    def retrieve(self, uid: str, query: str = "", **headers: str) -> Answer:
        path = f"{PERFORMED}/{uid}"
        return self.request("GET", f"{path}?{query}" if query else path, **headers)


def written(dataset: Dataset | bytes) -> bytes:
    return dataset if isinstance(dataset, bytes) else json.dumps(dataset.to_json_dict()).encode()


def token(*scopes: str, client: str = "CT1", **more: Any) -> str:
    return execute(IssueToken(client=client, scopes=scopes or ALL, **more), actor=OPERATOR).secret
