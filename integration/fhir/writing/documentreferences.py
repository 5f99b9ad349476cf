"""DocumentReference: kept as it comes, and shown with its order like a document of HL7 v2."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from integration.fhir import binary
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.reading import load, shown_for
from integration.fhir.resources import KINDS
from integration.fhir.to_domain import datatypes, documentreference
from integration.fhir.to_domain.documentreference import About
from integration.fhir.writing.kept import KeptResources, living, target_of
from integration.fhir.writing.request import Writer
from ris.domain.documents import FileDocument, Filing
from ris.domain.errors import RisError, UnknownKeyError
from ris.domain.places import Place
from ris.selectors.orders import find_order

_PLACES = {
    Place.PATIENT: "DocumentReference.subject",
    "parent": "DocumentReference.relatesTo",
}


class DocumentReferences(KeptResources):
    """Writes of DocumentReference resources."""

    def written(
        self,
        writer: Writer,
        public_id: str,
        resource: Resource,
        patient: str,
        before: Resource | None = None,
    ) -> None:
        """Let radiologists see what it holds, if it is about an order or a patient we know."""
        order, patient = _order(writer, resource, patient)
        filed = len(before.get("content", [])) if before else 0
        if not patient or not documentreference.is_current(resource):
            self.cancel(writer, public_id, range(filed))
            return
        for command in documentreference.file_documents(
            resource,
            public_id,
            About(patient, order),
            lambda link: fetch(writer, link),
            changed=before is not None,
        ):
            self.file(writer, command)
        self.cancel(writer, public_id, range(len(resource["content"]), filed))

    def delete(self, writer: Writer, before: Resource) -> None:
        super().delete(writer, before)
        self.cancel(writer, writer.public_id, range(len(before.get("content", []))))

    def file(self, writer: Writer, command: FileDocument) -> None:
        try:
            writer.execute(command)
        except UnknownKeyError as error:
            if error.path != "parent":
                raise _placed(error) from None
            # What it follows was never a document here: then it stands by itself.
            writer.execute(replace(command, filing=Filing.ORIGINAL, parent=None))
        except RisError as error:
            raise _placed(error) from None

    def cancel(self, writer: Writer, public_id: str, positions: range) -> None:
        for command in documentreference.cancel_documents(public_id, positions):
            with suppress(UnknownKeyError):  # it was never filed
                writer.execute(command)


def _placed(error: RisError) -> RisError:
    """The same refusal, in FHIR's words for its place."""
    if not error.path.startswith("DocumentReference."):
        error.path = _PLACES.get(error.path, "DocumentReference.content")
    return error


def _order(writer: Writer, resource: Resource, patient: str) -> tuple[str, str]:
    """The order it belongs to, by public id, and whose it is; the patient may come from it."""
    context = datatypes.single(resource, "context", documentreference.PATH) or {}
    for element, path in datatypes.several(context, "related", "DocumentReference.context"):
        target = target_of(str(element.get("reference", "")), writer.incoming.base)
        if target is not None and target[0] == "ServiceRequest":
            for hit in KINDS["ServiceRequest"].finder.load([target[1]]):
                return hit.order.public_id, patient or living(hit.order.patient.public_id)
        named = documentreference.order_named(element, path, writer.systems)
        order = find_order(named) if named is not None else None
        if order is not None:
            return order.public_id, patient or living(order.patient.public_id)
    return "", patient


def fetch(writer: Writer, link: str) -> tuple[bytes, str] | None:
    """The content of one of our Binaries."""
    target = target_of(link, writer.incoming.base)
    if target is None or target[0] != "Binary":
        return None
    kind = KINDS["Binary"]
    found = load(kind, [target[1]], shown_for([kind], writer.systems))
    return binary.content(found[0]) if found else None
