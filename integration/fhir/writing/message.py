"""What all writes of one message share: who writes, by which rules, and what was looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.utils import timezone

from integration.fhir.auth import Client
from integration.fhir.from_domain.datatypes import Shown
from integration.fhir.parameters import Reading
from integration.fhir.reading import shown_for
from integration.fhir.resources import KINDS, Kind
from integration.fhir.systems import Systems
from integration.fhir.to_domain.references import Known, Target
from integration.fhir.to_domain.servicerequest import Profile
from integration.fhir.writing.conditions import Conditions
from integration.fhir.writing.targets import find_targets, living
from ris.selectors import search as selectors


@dataclass
class Message:
    """One request, or one bundle of them; ``base`` is our own address."""

    client: Client
    profile: Profile
    base: str
    targets: dict[Target, Any] = field(default_factory=dict)
    # What this message has written, or will: (type, id).
    promised: set[tuple[str, str]] = field(default_factory=set)
    # What was written last: its id, and what its finder gave of it then.
    written: tuple[str, Any] = ("", None)
    _shown: dict[str, Shown] = field(default_factory=dict)

    @cached_property
    def systems(self) -> Systems:
        return Systems(selectors.issuers())

    def reading(self) -> Reading:
        zone = timezone.get_default_timezone()
        return Reading(self.base, self.systems, zone, access=self.client)

    @cached_property
    def conditions(self) -> Conditions:
        return Conditions(self.client, self.reading())

    def shown(self, kind: Kind) -> Shown:
        """What is needed beside resources of a type to show them."""
        if kind.name not in self._shown:
            self._shown[kind.name] = shown_for([kind], self.systems)
        return self._shown[kind.name]

    def find(self, targets: frozenset[Target]) -> Known:
        """What the references lead to; what another entry asked for is not asked for again."""
        missing = frozenset(targets - self.targets.keys())
        if missing:
            found: Mapping[Target, Any] = find_targets(missing).views
            self.targets.update(found)
        return Known({each: self.targets[each] for each in targets if each in self.targets})

    def load(self, kind: str, public_id: str) -> Any:
        """What has this id, as its finder gives it, or the survivor; None if it is not there."""
        target = Target(kind, id=public_id)
        if target not in self.targets:
            hits = KINDS[kind].finder.load([public_id])
            if not hits:
                return None
            self.targets[target] = living(hits[0])
        return self.targets[target]

    def is_there(self, kind: str, public_id: str) -> bool:
        """Whether a reference leads to something, or will by the end of this message."""
        return (kind, public_id) in self.promised or self.load(kind, public_id) is not None

    def made(self, kind: str, public_id: str) -> None:
        """A resource is there from now on."""
        self.promised.add((kind, public_id))
        if kind in {"Device", "Location", "Organization"}:
            self._shown.clear()

    def forget(self, kind: str) -> None:
        """Resources of a type were changed: look again."""
        self.conditions.forget(kind)
        self._shown.clear()
        for target in [target for target in self.targets if target.type == kind]:
            del self.targets[target]
