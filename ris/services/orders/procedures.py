"""Requested procedures and their steps, as ordered and as the catalog has them."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import CharField

from ris.domain.errors import (
    InvalidValueError,
    MissingValueError,
)
from ris.domain.identifiers import new_uid, require_uid
from ris.domain.long_strings import shortened
from ris.domain.orders import (
    ProcedureRequest,
    StepRequest,
)
from ris.domain.places import Place
from ris.domain.values import Code, require_text
from ris.models import (
    Order,
    ProcedureDefinition,
    RequestedProcedure,
    ScheduledProcedureStep,
    StepTemplate,
)
from ris.models.prepared import Given, Select
from ris.services import _numbers
from ris.services._context import Context
from ris.services._transition import set_first_stage
from ris.services.scheduling import calendar

_DEFINITIONS = Select(
    lambda: ProcedureDefinition.objects.filter(code=Given("code", CharField()), active=True)[:3]
)


def definition_for(code: Code) -> ProcedureDefinition | None:
    """The catalog's procedure for a code: by scheme and value, else by value if only one has it."""
    if not code.value:
        return None
    rows = _DEFINITIONS.all(code=code.value)
    exact = [row for row in rows if row.scheme == code.scheme]
    if exact:
        return exact[0]
    return rows[0] if len(rows) == 1 else None


def known_code(request: ProcedureRequest) -> tuple[Code, ProcedureDefinition | None]:
    """The code that the catalog knows, with what it has; the first one if it knows none."""
    for code in (request.code, *request.also):
        definition = definition_for(code)
        if definition is not None:
            return code, definition
    return request.code, None


def create_procedure(
    order: Order, request: ProcedureRequest, *, strict: bool = False
) -> list[ScheduledProcedureStep]:
    """Store a requested procedure with its steps: as ordered, else as the catalog has them."""
    steps = plan_procedure(order, request, strict=strict)
    store(steps)
    return steps


def store(steps: Sequence[ScheduledProcedureStep]) -> None:
    """Store planned steps, each once and as it is by now, and their procedures before them."""
    for step in steps:
        procedure = step.procedure
        if procedure._state.adding:
            set_first_stage(procedure, [one for one in steps if one.procedure is procedure])
            procedure.save()
        step.procedure = procedure  # which has a key now
        step.save()


def plan_procedure(
    order: Order, request: ProcedureRequest, *, strict: bool = False
) -> list[ScheduledProcedureStep]:
    """The same, not stored yet."""
    code, definition = known_code(request)
    if definition is None and strict:
        raise InvalidValueError("this procedure is not in the catalog", path=Place.CODE)
    if not code and not request.description:
        raise MissingValueError("a procedure needs a code or a text", path=Place.CODE)
    meaning = code.meaning or (definition.meaning if definition else "") or request.description
    if len(code.value) > 64 or len(code.scheme) > 64:
        raise InvalidValueError("the procedure code is longer than 64 characters", path=Place.CODE)
    laterality = (request.laterality or "").upper()[:1]
    if laterality not in {"", "L", "R", "B", "U"}:
        raise InvalidValueError("laterality is L, R, B or U", path=Place.LATERALITY)
    procedure = RequestedProcedure(
        order=order,
        procedure_id=(
            require_text(
                request.procedure_id, path=Place.PROCEDURE_ID, limit=16, name="procedure id"
            )
            or _numbers.procedure_id()
        ),
        study_instance_uid=(
            require_uid(request.study_instance_uid, Place.STUDY)
            if request.study_instance_uid
            else new_uid()
        ),
        definition=definition,
        code_value=code.value,
        code_scheme=code.scheme,
        code_meaning=meaning[:200],
        code_version=code.version,
        description=(request.description or meaning)[:200],
        laterality=laterality,
    )
    return [
        plan_step(procedure, step, definition, position)
        for position, step in enumerate(wanted_steps(request, definition))
    ]


def wanted_steps(
    request: ProcedureRequest, definition: ProcedureDefinition | None
) -> Sequence[StepRequest]:
    """The order's steps; where it names at most one, the catalog's steps with that one's wishes."""
    templates = list(definition.steps.all()) if definition else []
    if request.whole or len(request.steps) > 1 or len(templates) <= 1:
        return request.steps or (StepRequest(),)
    first = request.steps[0] if request.steps else StepRequest()
    return [first, *(StepRequest() for _ in templates[1:])]


def _duration(request: StepRequest, planned: StepTemplate | ProcedureDefinition | None) -> int:
    minutes = request.duration_minutes or (planned.duration_minutes if planned else 30)
    if not 1 <= minutes <= 24 * 60:
        raise InvalidValueError("a duration is 1 minute to 24 hours", path=Place.DURATION)
    return minutes


def plan_step(
    procedure: RequestedProcedure,
    request: StepRequest,
    definition: ProcedureDefinition | None,
    position: int,
) -> ScheduledProcedureStep:
    templates = list(definition.steps.all()) if definition else []
    template = templates[position] if position < len(templates) else None
    codes = [code.as_json() for code in request.protocol_codes]
    description = request.description or (
        template.description if template else procedure.description
    )
    return ScheduledProcedureStep(
        procedure=procedure,
        step_id=(
            require_text(request.step_id, path=Place.STEP_ID, limit=16, name="step id")
            or _numbers.step_id()
        ),
        modality=require_text(
            request.modality
            or (template.modality if template else definition.modality if definition else ""),
            path=Place.MODALITY,
            limit=16,
            name="modality",
        ).upper(),
        station_ae_title=require_text(
            request.station_ae_title, path=Place.STATION, limit=16, name="station AE title"
        ),
        station_name=request.station_name[:16],
        location=shortened(request.location, 16),
        duration_minutes=_duration(request, template or definition),
        description=shortened(description, 64),
        protocol_codes=codes or (template.protocol_codes if template else []),
        performing_physician=str(request.performing_physician),
        contrast_agent=definition.contrast if definition else "",
        wished_at=request.start_at,
    )


def schedule_wishes(steps: Sequence[ScheduledProcedureStep], context: Context) -> None:
    """Schedule the steps that name a time and know their modality; the others wait."""
    for step in steps:
        if step.wished_at is not None and step.modality:
            calendar.schedule_as_ordered(step, context)
