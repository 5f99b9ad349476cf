"""Everything in which peers differ has a place: a setting, a column of the endpoint, or a table."""

from __future__ import annotations

import pytest

from integration.hl7 import mapping
from integration.hl7.settings import Settings
from ris.models import Endpoint

# What peers differ in → where it is said (setting, endpoint.column, map.kind, rules).
PLACES: dict[str, tuple[str, ...]] = {
    "address": ("addresses", "endpoint.host", "endpoint.port"),
    "TLS": ("tls", "tls_ca", "tls_cert", "tls_fingerprint", "certificates"),
    "MLLP release": ("release_2",),
    "application and facility, theirs and ours": (
        "endpoint.protocol_name",
        "application",
        "facility",
    ),
    "version": ("endpoint.version",),
    "character set": ("endpoint.character_set", "unencodable"),
    "time zone": ("endpoint.time_zone", "time_offset"),
    "assigning authority": (
        "default_authority",
        "visit_authority",
        "order_authority",
        "map.authority",
    ),
    "identifier types": ("map.identifier_type",),
    "enhanced mode": ("acknowledgement",),
    "acknowledged when stored or processed": ("acknowledge_after",),
    "reply type": ("reply",),
    "triggers taken": ("accepts", "ignores"),
    "order control": ("map.order_control", "changed_order", "archive_controls"),
    "status": (
        "map.order_status",
        "map.result_status",
        "map.observation_status",
        "map.appointment_status",
        "complete_at",
        "performed_status",
    ),
    "null values and snapshots": ("snapshots",),
    "duplicates": ("changed_order",),
    "codes": (
        "map.procedure",
        "map.sex",
        "map.priority",
        "map.location",
        "map.staff",
        "map.modality",
        "map.station",
        "map.patient_class",
    ),
    "values in other places": ("paths", "rules"),
    "segments of their own": ("rules",),
    "dialect of results": (
        "report_layout",
        "report_text",
        "amended_status",
        "addendum",
        "documents",
        "printed_report",
        "study_uid_type",
        "preliminary_results",
    ),
    "retries": ("refusals", "on_refusal", "timeout_seconds"),
    "limits that alert": ("endpoint.watch",),
    "hours in which nothing is sent": ("blackout",),
    "test mode": ("processing_ids", "processing_id"),
}


@pytest.mark.parametrize(
    ("matter", "place"), [(matter, place) for matter, places in PLACES.items() for place in places]
)
def test_what_peers_differ_in_can_be_said(matter: str, place: str) -> None:
    kind, _, name = place.rpartition(".")
    known = {
        "": {*Settings.model_fields, "rules"},
        "endpoint": {field.name for field in Endpoint._meta.get_fields()},
        "map": set(mapping.KINDS),
    }
    assert name in known[kind], f"{matter} has no place"


def test_every_setting_is_described_for_its_operator() -> None:
    undescribed = [name for name, field in Settings.model_fields.items() if not field.description]
    assert undescribed == []
