"""The floor of the FHIR side: what plain Django does with the same JSON on the same database.

One insert and a commit for a create, one select for a read or a search, JSON as it is stored, no
check of anything.
``naive`` builds a searchset from objects of fhir.resources, as a server without translators would.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path


def _configure() -> None:
    if settings.configured:
        return
    # The databases of the site, and nothing else of its settings.
    from ris import settings as site

    settings.configure(
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="floor",
        DATABASES=site.DATABASES,
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()


_configure()


class Stored(models.Model):
    """A resource as it came."""

    content = models.TextField()
    objects: ClassVar[models.Manager[Stored]] = models.Manager()

    class Meta:
        app_label = "floor"
        db_table = "benchmark_floor"

    def __str__(self) -> str:
        return str(self.pk)


def _answer(value: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(
        json.dumps(value, separators=(",", ":")),
        content_type="application/fhir+json",
        status=status,
    )


def collection(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        resource = json.loads(request.body)
        with transaction.atomic():
            made = Stored.objects.create(content=json.dumps(resource))
        return _answer({**resource, "id": str(made.pk)}, 201)
    rows = Stored.objects.order_by("id")[: int(request.GET.get("_count", "20"))]
    return _answer(_bundle([json.loads(row.content) for row in rows]))


def one(request: HttpRequest, number: int) -> HttpResponse:
    return _answer(json.loads(Stored.objects.get(pk=number).content))


def bundle(request: HttpRequest) -> HttpResponse:
    """Each entry with an insert of its own, as many servers have it."""
    entries = json.loads(request.body)["entry"]
    with transaction.atomic():
        made = [Stored.objects.create(content=json.dumps(each["resource"])).pk for each in entries]
    return _answer(
        {
            "resourceType": "Bundle",
            "type": "transaction-response",
            "entry": [{"response": {"status": "201", "location": str(pk)}} for pk in made],
        }
    )


def naive(request: HttpRequest) -> HttpResponse:
    from fhir.resources.R4B.bundle import Bundle, BundleEntry
    from fhir.resources.R4B.servicerequest import ServiceRequest

    rows = Stored.objects.order_by("id")[: int(request.GET.get("_count", "20"))]
    found = [ServiceRequest.model_validate_json(row.content) for row in rows]
    made = Bundle(type="searchset", entry=[BundleEntry(resource=each) for each in found])
    return HttpResponse(made.model_dump_json(), content_type="application/fhir+json")


def _bundle(resources: list[Any]) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"resource": each} for each in resources],
    }


urlpatterns = [
    path("plain", collection),
    path("plain/<int:number>", one),
    path("bundle", bundle),
    path("naive", naive),
]


def fill(rows: int) -> None:
    """Make the table, with some rows in it."""
    from django.db import connection

    from benchmarks.dataset import items, service_request

    with connection.schema_editor() as editor:
        editor.create_model(Stored)
    Stored.objects.bulk_create(
        Stored(content=service_request(item).decode()) for item in items(rows)
    )
    connection.close()


application = WSGIHandler()
