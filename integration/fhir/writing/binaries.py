"""Binary: bytes whose ``securityContext`` names what they are part of, which often names them.

A report needs the bytes of its attachment to be there when it is written, and has its id only then.
So in a bundle the bytes are kept first, and what they are part of is told with its id.
"""

from __future__ import annotations

from integration.fhir import kept
from integration.fhir.from_domain.datatypes import Resource
from integration.fhir.writing.kept import KeptResources, require_targets
from integration.fhir.writing.request import Writer
from ris.domain.fhir import ChangeResource, Method

_CONTEXT = "securityContext"


class Binaries(KeptResources):
    """Writes of Binary resources."""

    def create(self, writer: Writer, resource: Resource) -> tuple[str, bool]:
        if writer.waiting is None or _CONTEXT not in resource:
            return super().create(writer, resource)
        bare = {name: value for name, value in resource.items() if name != _CONTEXT}
        public_id, created = super().create(writer, bare)

        def finish(said: Resource) -> None:
            require_targets(writer, said)
            writer.execute(
                ChangeResource(
                    type=writer.kind.name,
                    resource=public_id,
                    content=kept.content(said),
                    patient=self.patient(writer, said),
                    version=1,
                    method=Method.PUT,
                )
            )

        writer.finish(finish, resource)
        return public_id, created

    def update(self, writer: Writer, resource: Resource, before: Resource) -> None:
        writer.finish(lambda said: KeptResources.update(self, writer, said, before), resource)
