"""Health, readiness and metrics of the web process; no page and no patient data."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, Info, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ris import config, counters, probes
from ris.domain.interfaces import AlertKind
from ris.parts import run_folder
from ris.selectors.interfaces import open_alerts
from ris.version import version


def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers; touches nothing else, so that a slow database restarts nobody."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> JsonResponse:
    """Requests can be served: database, migrations, disk. Says too whether a worker is about."""
    configuration = config.load()
    findings = probes.ask(probes.READINESS, configuration)
    bad = [one for one in findings if one.state is probes.State.FAILED]
    age = probes.worker_age(configuration)
    return JsonResponse(
        {
            "ready": not bad,
            "failed": [one.name for one in bad],
            "worker": age is not None and age <= probes.WORKER_SECONDS,
            "version": version(),
        },
        status=503 if bad else 200,
    )


def _from_known_addresses(
    view: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Numbers of a hospital are not for everybody: ``http.metrics_from`` names who may ask."""

    def guarded(request: HttpRequest) -> HttpResponse:
        address = request.META.get("REMOTE_ADDR", "")
        try:
            asking = ipaddress.ip_address(address)
        except ValueError:
            return HttpResponseForbidden("unknown address\n", content_type="text/plain")
        networks = config.load().http.metrics_from
        if not any(asking in ipaddress.ip_network(network) for network in networks):
            return HttpResponseForbidden(
                "RIS_HTTP__METRICS_FROM names who may ask\n", content_type="text/plain"
            )
        return view(request)

    return guarded


@_from_known_addresses
def metrics(request: HttpRequest) -> HttpResponse:
    """Gauges read from the database, true for all machines; and what this one's parts counted.

    Without the database the rest is answered all the same: that is when somebody looks.
    """
    registry = CollectorRegistry()
    Info("ris", "The running release", registry=registry).info(
        {"version": version(), "site": settings.SITE_NAME}
    )
    is_up = Gauge("ris_database_up", "Whether the database answers", registry=registry)
    try:
        _add_what_is_stored(registry)
        is_up.set(1)
    except DatabaseError:
        is_up.set(0)
    age = probes.worker_age(config.load())
    Gauge("ris_worker_seen_seconds", "Since a worker was seen", registry=registry).set(
        float("inf") if age is None else age
    )
    registry.register(_OtherParts())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _add_what_is_stored(registry: CollectorRegistry) -> None:
    numbers = probes.queue_numbers()
    counts = Counter(row.kind for row in open_alerts())
    for name, text, value in (
        ("ris_deliveries_waiting", "Messages that must leave and have not", numbers.waiting),
        ("ris_deliveries_stuck", "Messages refused or given up", numbers.stuck),
        ("ris_delivery_oldest_seconds", "Age of the oldest waiting", numbers.oldest_waiting or 0.0),
        ("ris_events_waiting", "Events not made into messages yet", numbers.events),
        ("ris_event_oldest_seconds", "Age of the oldest of them", numbers.oldest_event or 0.0),
        ("ris_messages_failed", "Messages that failed by our fault", numbers.failed_in),
    ):
        Gauge(name, text, registry=registry).set(value)
    alerts = Gauge("ris_interface_alerts", "Alerts that last, by kind", ["kind"], registry=registry)
    for kind in AlertKind:
        alerts.labels(kind.value.lower()).set(counts[kind.value])


class _OtherParts(Collector):
    """What the other parts on this machine have counted."""

    def collect(self) -> Iterator[Metric]:
        for family in counters.read(run_folder(config.load().home)):
            metric = Metric(family.name, family.text, family.kind)
            for one in family.samples:
                metric.add_sample(family.name + one.suffix, one.labels, one.value)
            yield metric
