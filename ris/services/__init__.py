"""The only writers of the core. ``execute`` is the one door (DESIGN 1)."""

from ris.services import (
    accounts,
    alerts,
    api_clients,
    availability,
    catalog,
    configuration,
    documents,
    dose,
    drafts,
    exchange,
    facility,
    fhir,
    journal,
    mapping,
    orders,
    patients,
    performing,
    preferences,
    reporting,
    results,
    saved_views,
    scheduling,
    subscriptions,
    supplies,
    walls,
)
from ris.services._clock import as_of
from ris.services._execute import commands, execute, may, permitted_roles, register, together

for _area in (
    patients,
    orders,
    scheduling,
    performing,
    reporting,
    results,
    documents,
    catalog,
    facility,
    accounts,
    preferences,
    api_clients,
    exchange,
    fhir,
    configuration,
    dose,
    availability,
    alerts,
    journal,
    mapping,
    subscriptions,
    supplies,
    walls,
    drafts,
    saved_views,
):
    register(_area.HANDLERS, _area.PERMISSIONS)

__all__ = ["as_of", "commands", "execute", "may", "permitted_roles", "together"]
