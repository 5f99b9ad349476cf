"""Where images are looked at: the viewer's address for a study (settings ``images``)."""

from __future__ import annotations

from urllib.parse import quote

from django.conf import settings

from ris.selectors.views import OrderView, ProcedureView

FIELDS = ("study", "accession", "patient")


def viewer_address(order: OrderView, procedure: ProcedureView) -> str:
    """The viewer showing what was made of a procedure; empty without viewer or without images.

    A modality that made up a study of its own is followed there.
    """
    template: str = settings.VIEWER_URL
    performed = procedure.performed
    if not template or not performed:
        return ""
    values = {
        "study": performed[0].study_instance_uid or procedure.study_instance_uid,
        "accession": order.accession.value,
        "patient": order.patient.identifier.value,
    }
    for name in FIELDS:
        template = template.replace(f"{{{name}}}", quote(values[name], safe=""))
    return template
