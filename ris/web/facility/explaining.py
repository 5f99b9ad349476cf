"""Why a worklist is as it is: a stored query explained, and why a device sees a step."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from ris.selectors.explain import candidates
from ris.selectors.explain.candidates import Candidate
from ris.selectors.explain.queries import explain
from ris.selectors.explain.sight import sight_of
from ris.selectors.facility import DeviceView, devices, read_once
from ris.web.access import PageRequest, page, saw, show
from ris.web.asking import asked
from ris.web.navigation import REPAIR, SYSTEM

_DUMPED = 16_384


@require_GET
@page(*SYSTEM)
def query(request: PageRequest, number: int) -> HttpResponse:
    explanation = explain(number, timezone.now())
    saw(request, "ExplainQuery", explanation.patients, subject=f"WorklistQuery {number}")
    context = {
        "explanation": explanation,
        "near": [one for one in explanation.left_out if not one.elsewhere],
        "elsewhere": [one for one in explanation.left_out if one.elsewhere],
        "dump": _dump(explanation.query.identifier),
    }
    return show(request, "facility/query.html", context)


def _dump(data: bytes) -> str:
    """Bytes as people compare them: offset, sixteen in hexadecimal digits, and as letters."""
    rows = []
    for offset in range(0, min(len(data), _DUMPED), 16):
        row = data[offset : offset + 16]
        letters = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        rows.append(f"{offset:06x}  {row.hex(' '):47}  {letters}")
    return "\n".join(rows)


@require_GET
@page(*REPAIR)
@read_once()
def why(request: PageRequest) -> HttpResponse:
    """``?step=`` is any number of a step or its order, ``?ae=`` the device."""
    text, ae_title = asked(request, "step", 64), asked(request, "ae")
    steps = candidates.by_number(text) if text else []
    known = devices()
    seen = None
    if len(steps) == 1:
        (step,) = steps
        text = step.step_id
        ae_title = ae_title or _likely(step, known)
        seen = sight_of(step, ae_title, timezone.now()) if ae_title else None
        about = f"{step.step_id} at {ae_title}"
        saw(request, "ExplainStep", [step.patient_public_id], order=step.order_public_id,
            subject=about)  # fmt: skip
    elif steps:
        saw(request, "FindSteps", {step.patient_public_id for step in steps})
    context = {
        "devices": known,
        "is_other": bool(ae_title) and all(one.ae_title != ae_title for one in known),
        "text": text,
        "ae_title": ae_title,
        "steps": steps,
        "seen": seen,
        "may_see_queries": request.actor.has(*SYSTEM),
    }
    # A number that was typed in and is nobody's: the form stays.
    return show(request, "facility/why.html", context, status=404 if text and not steps else 200)


def _likely(step: Candidate, known: list[DeviceView]) -> str:
    """The device the step is for, else the first one that could do it."""
    if step.station_ae_title:
        return step.station_ae_title
    same = (one.ae_title for one in known if one.active and one.modality == step.modality)
    return next(same, known[0].ae_title if known else "")
