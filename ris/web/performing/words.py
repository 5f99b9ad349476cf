"""Words for what is used in the rooms."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ris.domain.supplies import Agent, Route, Severity, SupplyKind

SUPPLY_KIND: Mapping[str, Promise] = {
    SupplyKind.CONTRAST.value: _("Contrast agent"),
    SupplyKind.DRUG.value: _("Drug"),
    SupplyKind.MATERIAL.value: _("Material"),
}

AGENT: Mapping[str, Promise] = {
    Agent.NONE.value: _("None"),
    Agent.IODINE.value: _("Iodine"),
    Agent.GADOLINIUM.value: _("Gadolinium"),
    Agent.BARIUM.value: _("Barium"),
    Agent.MICROBUBBLES.value: _("Microbubbles"),
}

ROUTE: Mapping[str, Promise] = {
    Route.INTRAVENOUS.value: _("intravenous"),
    Route.ORAL.value: _("by mouth"),
    Route.RECTAL.value: _("rectal"),
    Route.INTRA_ARTERIAL.value: _("intra-arterial"),
    Route.INTRA_ARTICULAR.value: _("into a joint"),
    Route.INTRATHECAL.value: _("intrathecal"),
    Route.SUBCUTANEOUS.value: _("subcutaneous"),
    Route.INTRAMUSCULAR.value: _("intramuscular"),
    Route.INHALED.value: _("inhaled"),
    Route.OTHER.value: _("other"),
}

SEVERITY: Mapping[str, Promise] = {
    Severity.MILD.value: _("Mild"),
    Severity.MODERATE.value: _("Moderate"),
    Severity.SEVERE.value: _("Severe"),
}
