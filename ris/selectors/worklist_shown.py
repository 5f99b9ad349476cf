"""What an answer shows, as SQL, where it is made of more than one column.

A scanner sends back what it was shown, so a key is compared with that: the first description there
is, at most the 64 characters of LO, with the separator of values replaced. What is cut bears a mark
(``long_strings.shortened``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from django.db import connection
from django.db.models import Min

from ris.domain.coding_schemes import DESIGNATORS, LONGEST, UNNAMED
from ris.domain.long_strings import MARK
from ris.domain.orders import Stage
from ris.domain.performing import Match
from ris.models import PerformedProcedureStep, RequestedProcedure, ScheduledProcedureStep, Site

_LO = 64
NOT_BEGUN = (Stage.REQUESTED, Stage.SCHEDULED, Stage.ARRIVED)


def _shown(expression: str) -> str:
    text = f"REPLACE(TRIM({expression}), '\\', '/')"
    cut = f"RTRIM(SUBSTR({text}, 1, {_LO - len(MARK)})) || '{MARK}'"
    return f"(CASE WHEN LENGTH({text}) > {_LO} THEN {cut} ELSE {text} END)"


@lru_cache(maxsize=4)
def text_columns(vendor: str) -> dict[str, str]:
    """The expressions by the name of their field in ``WorklistQuery``."""
    procedure = "COALESCE(NULLIF(r.description, ''), NULLIF(r.code_meaning, ''), r.code_value)"
    if vendor == "sqlite":
        meaning = "json_extract(c.value, '$.meaning')"
        each = "json_each(s.protocol_codes) c"
        place = "c.key"
    else:
        meaning = "c.code ->> 'meaning'"
        each = "jsonb_array_elements(s.protocol_codes) WITH ORDINALITY AS c (code, place)"
        place = "c.place"
    protocol = f"(SELECT {meaning} FROM {each} WHERE {meaning} <> '' ORDER BY {place} LIMIT 1)"  # noqa: S608 - fixed text
    site = connection.ops.quote_name(Site._meta.db_table)
    return {
        "procedure_description": _shown(procedure),
        "step_description": _shown(f"COALESCE(NULLIF(s.description, ''), {protocol}, {procedure})"),
        "current_location": _shown("v.location"),
        "requesting_service": _shown("o.requesting_service"),
        "institution": f"(SELECT institution FROM {site} ORDER BY id LIMIT 1)",  # noqa: S608
    }


@lru_cache(maxsize=4)
def study_start(vendor: str) -> str:
    """When the first step of the procedure began; not looked for before one can have."""
    links = PerformedProcedureStep.steps.through._meta
    performed, steps, through = (
        connection.ops.quote_name(table)
        for table in (
            PerformedProcedureStep._meta.db_table,
            ScheduledProcedureStep._meta.db_table,
            links.db_table,
        )
    )
    waiting = ", ".join(f"'{stage.value}'" for stage in NOT_BEGUN)
    return (
        f"CASE WHEN r.stage NOT IN ({waiting}) THEN (SELECT MIN(d.started_at)"  # noqa: S608
        f" FROM {steps} x JOIN {through} t ON t.scheduledprocedurestep_id = x.id"
        f" JOIN {performed} d ON d.id = t.performedprocedurestep_id"
        f" WHERE x.procedure_id = r.id AND d.match <> '{Match.QUARANTINED.value}') END"
    )


def study_starts(procedures: Sequence[RequestedProcedure]) -> dict[int, datetime]:
    """The same for procedures that were read, by primary key."""
    begun = [one.pk for one in procedures if one.stage not in set(NOT_BEGUN)]
    if not begun:
        return {}
    return dict(
        PerformedProcedureStep.objects.filter(steps__procedure__in=begun)
        .exclude(match=Match.QUARANTINED.value)
        .values_list("steps__procedure")
        .annotate(Min("started_at"))
    )


def designator(scheme: str) -> str:
    """``coding_schemes.designator`` of a column or an expression."""
    named = " ".join(f"WHEN '{name}' THEN '{short}'" for name, short in DESIGNATORS.items())
    unnamed = f"COALESCE({scheme}, '') = '' OR LENGTH({scheme}) > {LONGEST}"
    return (
        f"(CASE {scheme} {named} ELSE CASE WHEN {unnamed} THEN '{UNNAMED}' ELSE {scheme} END END)"
    )


def protocol_columns(vendor: str) -> tuple[str, str, str]:
    """The protocol codes of a step as rows, and the expressions of their value and scheme."""
    if vendor == "sqlite":
        each, part = "json_each(s.protocol_codes) c", "json_extract(c.value, '$.{}')"
    else:
        each, part = "jsonb_array_elements(s.protocol_codes) AS c (code)", "(c.code ->> '{}')"
    return each, part.format("value"), part.format("scheme")
