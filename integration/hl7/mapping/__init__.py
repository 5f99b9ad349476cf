"""Mapping without code: a peer's value maps and path rules (see :mod:`.rules`, :mod:`.kinds`)."""

from integration.hl7.mapping.checking import check as check
from integration.hl7.mapping.checking import compiled as compiled
from integration.hl7.mapping.engine import Applied as Applied
from integration.hl7.mapping.engine import Compiled as Compiled
from integration.hl7.mapping.engine import Fired as Fired
from integration.hl7.mapping.kinds import KINDS as KINDS
from integration.hl7.mapping.kinds import Kind as Kind
from integration.hl7.mapping.kinds import kinds as kinds
from integration.hl7.mapping.rules import FORMS as FORMS
