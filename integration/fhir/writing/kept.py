"""Types the core has no table for: keep, change, delete; whose they are, what they refer to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from integration.fhir import kept
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.outcome import HttpError
from integration.fhir.resources import KINDS
from integration.fhir.to_domain import datatypes
from integration.fhir.writing import targets
from integration.fhir.writing.request import Writer
from ris.domain.errors import RisError, SeveralErrors
from ris.domain.fhir import ChangeResource, DeleteResource, KeepResource, Method
from ris.selectors.patients import find_patient
from ris.selectors.views import PatientView

_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(/_history/[A-Za-z0-9\-.]{1,64})?")


class KeptResources:
    """Writes of a type that is kept as it comes.

    ``later`` is an element that names what the resource is part of. A report needs its parts to be
    there when it is written, and has its id only then: so in a bundle the part is kept first
    without the element, and told of it once what it is part of is there.
    """

    later = ""

    def create(self, writer: Writer, resource: Resource) -> tuple[str, bool]:
        if writer.waiting is None or self.later not in resource:
            return self.keep(writer, resource)
        public_id, created = self.keep(writer, _without(resource, self.later))
        self.tell_later(writer, public_id, resource)
        return public_id, created

    def keep(self, writer: Writer, resource: Resource) -> tuple[str, bool]:
        require_targets(writer, resource)
        patient = self.patient(writer, resource)
        public_id = writer.execute(
            KeepResource(
                type=writer.kind.name,
                public_id=writer.assigned,
                content=kept.content(resource),
                patient=patient,
            )
        )
        self.written(writer, public_id, resource, patient)
        return public_id, True

    def tell_later(self, writer: Writer, public_id: str, resource: Resource) -> None:
        """Add what is part of a bundle to what was kept without it."""

        def finish(said: Resource) -> None:
            require_targets(writer, said)
            (hit,) = writer.kind.finder.load([public_id])
            writer.execute(
                ChangeResource(
                    type=writer.kind.name,
                    resource=public_id,
                    content=kept.content(said),
                    patient=self.patient(writer, said),
                    version=hit.version,
                    method=Method.PUT,
                )
            )

        writer.finish(finish, resource)

    def update(self, writer: Writer, resource: Resource, before: Resource) -> None:
        if writer.waiting is None or self.later not in resource:
            self.change(writer, resource, before)
            return
        self.change(writer, _without(resource, self.later), before)
        self.tell_later(writer, writer.public_id, resource)

    def change(self, writer: Writer, resource: Resource, before: Resource) -> None:
        require_targets(writer, resource, but=before)
        patient = self.patient(writer, resource)
        writer.execute(
            ChangeResource(
                type=writer.kind.name,
                resource=writer.public_id,
                content=kept.content(resource),
                patient=patient,
                version=int(before["meta"]["versionId"]),
                method=Method.PATCH if writer.incoming.method == "PATCH" else Method.PUT,
            )
        )
        self.written(writer, writer.public_id, resource, patient, before)

    def delete(self, writer: Writer, before: Resource) -> None:
        writer.execute(DeleteResource(type=writer.kind.name, resource=writer.public_id))

    def patient(self, writer: Writer, resource: Resource) -> str:
        """The public id of whom it is about; empty for nobody we know."""
        for element in kept.links(writer.kind.name, resource):
            found = _patient(writer, element)
            if found:
                return found
        return ""

    def written(
        self,
        writer: Writer,
        public_id: str,
        resource: Resource,
        patient: str,
        before: Resource | None = None,
    ) -> None:
        """What else is to be done with a resource that was kept; ``before`` if it was there."""


def _without(resource: Resource, name: str) -> Resource:
    return {each: value for each, value in resource.items() if each != name}


def _patient(writer: Writer, element: dict[str, Any]) -> str:
    text = element.get("reference", "")
    target = target_of(text, writer.incoming.base) if isinstance(text, str) else None
    if target is not None and target[0] == "Patient":
        hit = writer.message.load("Patient", target[1])
        return str(hit.public_id) if hit is not None else ""
    inner = element.get("identifier")
    if not isinstance(inner, dict) or element.get("type", "Patient") != "Patient":
        return ""
    try:
        number = datatypes.identifier(inner, writer.kind.name, writer.systems)
    except RisError:
        return ""  # an identifier that identifies nobody is legal
    found = find_patient([number]) if number.issuer else None
    return living(found.public_id) if found else ""


def living(public_id: str) -> str:
    """The record that a merged one leads to."""
    hits: list[PatientView] = KINDS["Patient"].finder.load([public_id])
    return str(targets.living(hits[0]).public_id) if hits else ""


def require_targets(writer: Writer, resource: Resource, but: Resource | None = None) -> None:
    """Refuse references to resources of ours that are not there (FHIR R4 3.1.0.4.1).

    What was ``but`` said before may stay: what it leads to may have been deleted since.
    """
    base = writer.incoming.base
    before = {target for _, target in _targets(but, base)} if but else set()
    known: dict[tuple[str, str], bool] = {}
    faults: list[RisError] = []
    for path, target in _targets(resource, base):
        if target in before or target in writer.message.promised:
            continue  # known to have been, or made by another entry of the same bundle
        if target not in known:
            known[target] = writer.message.is_there(*target)
        if not known[target]:
            faults.append(
                HttpError(
                    422,
                    "not-found",
                    f"there is no {target[0]}/{target[1]}",
                    path=f"{path}.reference",
                )
            )
    if faults:
        raise SeveralErrors(faults)


def _targets(resource: Resource, base: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each reference to a served type: its place, its type and id."""
    for path, text in references(resource, resource["resourceType"]):
        target = target_of(text, base)
        if target is not None and target[0] in KINDS:
            yield path, target


def references(value: Any, path: str) -> Iterable[tuple[str, str]]:
    """Every literal reference in a resource, with the FHIRPath of its Reference."""
    waiting: list[tuple[Any, str]] = [(value, path)]
    while waiting:
        item, where = waiting.pop()
        if isinstance(item, dict):
            text = item.get("reference")
            if isinstance(text, str):
                yield where, text
            for name, inner in item.items():
                if isinstance(inner, dict | list):
                    waiting.append((inner, f"{where}.{name}"))
        elif isinstance(item, list):
            waiting.extend((inner, f"{where}[{index}]") for index, inner in enumerate(item))


def target_of(text: str, base: str) -> tuple[str, str] | None:
    """Type and id of one of our own resources; None for what is contained or elsewhere."""
    found = _LOCAL.fullmatch(text.removeprefix(base + "/"))
    return (found[1], found[2]) if found is not None else None
