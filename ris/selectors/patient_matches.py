"""Who a described person may be among the patients: candidates for ``Patient/$match``."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Q

from ris.domain.values import Identifier, PartialDate, PersonName
from ris.models import Patient
from ris.selectors.patient_lists import lookalikes
from ris.selectors.patients import patient_views
from ris.selectors.views import PatientView

MOST = 200


def candidates(
    identifiers: Sequence[Identifier], name: PersonName, birth_date: PartialDate
) -> list[PatientView]:
    """Patients who share a number, the whole name, or family name and birth date; none merged."""
    wanted = Q(pk__in=[])
    for identifier in identifiers:
        if identifier.issuer and identifier.value:
            wanted |= Q(identifiers__value=identifier.value, identifiers__issuer=identifier.issuer)
    keys: dict[str, None] = {}
    if wanted:
        rows = Patient.objects.filter(wanted, merged_into=None).order_by("id")
        keys.update(
            dict.fromkeys(str(key) for key in rows.values_list("public_id", flat=True)[:MOST])
        )
    for line in lookalikes(name, birth_date.text, MOST):
        keys[line.public_id] = None
    return patient_views(keys)
