"""A letter about a breast exam by the mail that carries messages to patients.

It tells a result, so it goes only to whoever said that mail is wanted; of everybody else a letter
leaves on paper.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from ris.domain.errors import StateConflictError
from ris.domain.mammography_letters import mail_id
from ris.domain.patient_messages import Channel
from ris.domain.protocol import Outgoing
from ris.models import BreastLetter, ContactChoice
from ris.selectors import patient_messages as reach
from ris.selectors.exchange import info
from ris.selectors.letters import sender
from ris.services import outbox
from ris.services._context import Context


def mail(letters: Sequence[BreastLetter], context: Context) -> None:
    """Hand printed letters to the outbox, each once; whose patient wants no mail refuses them all.

    The subject names the sender alone: it can be read over a shoulder.
    """
    carrier = reach.carriers().get(Channel.MAIL)
    if carrier is None:
        raise StateConflictError("no interface carries mail to patients: send them another way")
    patients = [letter.assessment.report.order.patient for letter in letters]
    wanted = set(
        ContactChoice.objects.filter(
            patient__in=patients, channel=Channel.MAIL.value, wanted=True
        ).values_list("patient_id", flat=True)
    )
    addresses = [reach.address(each, Channel.MAIL) for each in patients]
    unreached = sum(
        not address or patient.pk not in wanted
        for patient, address in zip(patients, addresses, strict=True)
    )
    if unreached:
        raise StateConflictError(
            f"{unreached} of these patients have no mail address, or did not say that mail is "
            "wanted: send those letters another way"
        )
    endpoint, subject = info(carrier), sender(context.now).name
    for letter, patient, address in zip(letters, patients, addresses, strict=True):
        order = letter.assessment.report.order
        said = {
            "to": address,
            "subject": subject,
            "text": letter.text,
            "language": letter.language,
            "link": "",
        }
        outbox.enqueue(
            endpoint,
            Outgoing(
                lane=f"letter:{letter.public_id}",
                control_id=mail_id(str(letter.public_id)),
                message_type="patient letter",
                payload=json.dumps(said, ensure_ascii=False).encode(),
                orders=(str(order.public_id),),
            ),
            patient=str(patient.public_id),
        )
