"""Words of the timeline: what was looked at, what changed, and what the system itself wrote.

A reason is mostly what somebody typed and stays as it was typed. Some the system gave itself, in
English, as the log of what happened: these stand here for the catalogs, by their patterns, and are
said in the language of the page. Those of the edges stand here too, for the catalogs hold no words
of the edges. ``tests/web/test_telling.py`` asserts that each is still written so in the source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from django.utils.functional import Promise
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop as noop

from ris.domain.dose import BY_HAND, ENTERED
from ris.domain.measures import Part
from ris.domain.reading import LeaseEnd
from ris.sentences import one_of
from ris.web.templatetags.ris_web import isolated

# Who did it, by the kind of actor; the name of a person stands alone.
BY: Mapping[str, Promise] = {
    "endpoint": _("%(who)s (interface)"),
    "device": _("%(who)s (device)"),
    "client": _("%(who)s (API client)"),
    "timer": _("automatically"),
    "operator": _("command line"),
    "patient": _("the patient, at the page of the appointment"),
}

# What was looked at, by the action of the audit.
LOOKS: Mapping[str, Promise] = {
    "ViewOrder": _("Order looked at"),
    "ViewReport": _("Report looked at"),
    "ViewPrior": _("Earlier report looked at"),
    "OpenViewer": _("Images looked at"),
    "ViewMessage": _("Message looked at"),
    "BookStep": _("Free times looked at"),
    "MoveAppointment": _("Free times looked at"),
    "CheckIn": _("Arrival looked at"),
    "ViewPatientContact": _("Patient's page and messages looked at"),
    "ViewOwnOrder": _("Order looked at by its referrer"),
    "ViewExam": _("Exam looked at"),
    "ViewRoom": _("Room looked at"),
    "ViewSafety": _("Safety answers looked at"),
    "ViewProtocoling": _("Protocol looked at"),
    "ViewBreastExam": _("Breast exam looked at"),
    "ViewCriticalResults": _("Critical results looked at"),
    "ViewDocument": _("Document looked at"),
    "ViewDose": _("Dose looked at"),
    "QueryArchives": _("Archives asked for earlier exams"),
    "ExplainStep": _("Explained why a device does not show it"),
    "PrintOrder": _("Order printed"),
    "PrintReport": _("Report printed"),
    "PrintLabels": _("Labels printed"),
    "PrintWristband": _("Wristband printed"),
    "PrintFollowUp": _("Recommended follow-up printed"),
}

# What an event says was changed, by the names of the columns.
FIELDS: Mapping[str, Promise] = {
    "accession_number": _("accession number"),
    "callback_phone": _("callback phone"),
    "clinical_information": _("clinical information"),
    "code": _("code"),
    "comments": _("comments"),
    "confidentiality": _("confidentiality"),
    "description": _("description"),
    "ended_at": _("end"),
    "entered_by": _("entered by"),
    "entering_location": _("entering location"),
    "interpreter_language": _("interpreter language"),
    "laterality": _("side"),
    "modality": _("modality"),
    "ordered_at": _("time of the order"),
    "patient_confidentiality": _("patient confidentiality"),
    "patient_state": _("patient state"),
    "performing_physician": _("performing physician"),
    "priority": _("priority"),
    "procedures": _("procedures"),
    "protocol_codes": _("protocol codes"),
    "reason": _("reason"),
    "reason_code": _("reason"),
    "referring": _("referring doctor"),
    "requester": _("requester"),
    "requester_identifier": _("number of the requester"),
    "requester_issuer": _("number of the requester"),
    "requesting_service": _("requesting service"),
    "requesting_service_code": _("requesting service"),
    "start_at": _("time"),
    "station_ae_title": _("station"),
    "status": _("status"),
    "steps": _("steps"),
    "transport": _("transport"),
    "visit": _("visit"),
}

# By what the exam of a dose document was found (ris.services.dose.joining).
FOUND_BY: Mapping[str, Promise] = {
    "performed procedure step": _("found by performed procedure step"),
    "performed procedure step, tied by hand": _("found by performed procedure step, tied by hand"),
    "accession number": _("found by accession number"),
    "Study Instance UID": _("found by Study Instance UID"),
    "patient, device and time": _("found by patient, device and time"),
    BY_HAND: _("by hand"),
    ENTERED: _("entered for the order"),
}

# What a value of a dose is a part of (ris.domain.measures.PART_WORDS).
PARTS: Mapping[Part, Promise] = {
    Part.PLANE_A: _("plane A"),
    Part.PLANE_B: _("plane B"),
    Part.ALL_PLANES: _("all planes"),
    Part.LEFT: _("left"),
    Part.RIGHT: _("right"),
    Part.BOTH: _("both sides"),
    Part.HEAD_PHANTOM: _("16 cm phantom"),
    Part.BODY_PHANTOM: _("32 cm phantom"),
}

# Why a reading ended that nobody signed; whoever left it needs no words.
LEASE_END: Mapping[str, Promise] = {
    LeaseEnd.SILENT.value: _("nothing was done there for a while"),
}

# Reasons and notes that the core gave (ris.domain, ris.selectors, ris.services).
REASONS = (
    noop("as before it was canceled"),
    noop("canceled before; the exam was not for it"),
    noop("on hold before; the exam was not for it"),
    noop("canceled before it came"),
    noop("replaced by another order"),
    noop("another exam was ordered"),
    noop("follow-up of the exam"),
    noop("it was completed, the device did not say so"),
    noop("its order came after the exam"),
    noop("its order is another patient's"),
    noop("its order was given up"),
    noop("its exam was not done after all"),
    noop("the exam is to be booked no more"),
    noop("no mail address"),
    noop("no phone number"),
    noop("the patient does not want messages this way"),
    noop("the assessment changed"),
    noop("a later exam"),
    noop("the report was withdrawn"),
    noop("pathology was recorded"),
    noop("pathology was taken back"),
    noop("the patient has died"),
    noop("it was done meanwhile"),
    noop("the patient wants no letters"),
    noop("the patient may be pregnant"),
    noop("the patient is pregnant"),
    noop("the radiologist rejected this exam"),
    noop("the radiologist's protocol is not set"),
    noop("withdrawn by its sender"),
)

# Why a message did not get through, as the outbox and the edges write it (integration, worklist).
OF_SENDING = (
    noop("the sender stopped before an answer came"),
    noop("this process cannot speak the protocol"),
    noop("delivered, but the answer could not be applied: {why}"),
    noop("internal error {number}"),
    noop("the sender stopped"),
    noop("the appointment is another patient's"),
    noop("the appointment stands no more"),
    noop("another time is told instead"),
    noop("it is booked again"),
    noop("the time is offered no more"),
    noop("the time is over"),
    noop("the patient does not want messages this way"),
    noop("the login does not work any more"),
    noop("the login does not see this order any more"),
    noop("not wanted any more"),
    noop("withdrawn meanwhile"),
    noop("a newer version is told"),
    noop("it was no critical finding"),
    noop("was read before"),
    noop("no connection: {why}"),
    noop("no connection ({why})"),
    noop("no TLS connection: {why}"),
    noop("TLS failed ({why})"),
    noop("its certificate is not accepted: {why}"),
    noop("the name does not resolve ({why})"),
    noop("not sent: {why}"),
    noop("no answer: {why}"),
    noop("no answer ({why})"),
    noop("timed out"),
    noop("closed without an answer"),
    noop("the peer closed the connection"),
    noop("the peer closed the connection without an answer"),
    noop("the peer aborted before it answered"),
    noop("the peer aborted instead of taking the association"),
    noop("the peer ended the association unanswered"),
    noop("the peer announced a PDU larger than was agreed"),
    noop("the peer takes no PDU of a useful size"),
    noop("the peer does not support this service"),
    noop("the peer could not store the message (NAK)"),
    noop("the answer belongs to another message (MSA-2)"),
    noop("the answer belongs to another request"),
    noop("the answer is no acknowledgement"),
    noop("the answer is larger than any answer is"),
    noop("the answer ends early"),
    noop("an answer without COMMIT"),
    noop("unreadable answer: {why}"),
    noop("unreadable answer to the association ({why})"),
    noop("association rejected: {why}"),
    noop("it gave no reason"),
    noop("it does not know the application context"),
    noop("it does not know our AE title {calling}"),
    noop("it is not called {called}"),
    noop("it does not speak this protocol version"),
    noop("it is congested"),
    noop("it has too many associations"),
    noop("not to be written in the peer's transfer syntax: {why}"),
    noop("cannot be written: {why}"),
    noop("bounced: {answer}"),
    noop("the mail server does not let us in ({answer})"),
    noop("the folder: {why}"),
    noop("the subscription is off"),
    noop("the client has no valid token any more"),
    noop("the client may not see this any more"),
    noop("{answer}: redirects are not followed"),
    noop("the archive took the object and does not show it"),
    noop("stored, but not confirmed: {why}"),
    noop("the archive does not commit itself: {why}"),
    noop("the archive was asked to commit itself; it has not answered yet"),
    noop("the archive was asked to commit itself and never answered"),
    noop("what was asked of the archive is not known any more"),
    noop("the archive tells too little at once, or too slowly"),
    noop("the query ended with {status}"),
    noop("the query was answered with {status}"),
)

# What the status of an answer means, behind its number (worklist.storing_results, .commitment).
OF_STATUS = (
    noop("stored, some elements were changed"),
    noop("stored, some elements were left out"),
    noop("stored, the data set does not match its class"),
    noop("stored, with a remark"),
    noop("processing failure"),
    noop("it was stored before"),
    noop("the archive does not know the object"),
    noop("invalid SOP Instance UID"),
    noop("the archive does not store this class of objects"),
    noop("not authorized"),
    noop("duplicate invocation"),
    noop("operation not known"),
    noop("mistyped argument"),
    noop("the archive is short of resources"),
    noop("the archive is out of resources"),
    noop("the data set does not match its class"),
    noop("the archive cannot understand the object"),
    noop("failure"),
    noop("it does not have the object"),
    noop("it is short of resources"),
    noop("it does not commit itself to this class of objects"),
    noop("class and instance do not fit"),
    noop("the transaction was used before"),
    noop("it gives no known reason"),
)

# What messages are called that no standard names.
MESSAGES = (
    noop("patient booked"),
    noop("patient moved"),
    noop("patient canceled"),
    noop("patient reminder"),
    noop("patient preparation"),
    noop("patient offer"),
    noop("patient letter"),
    noop("result notice"),
    noop("{object}, version {number}"),
    noop("{object}, version {number}: in the archive"),
    noop("{object}, version {number}: committed by the archive"),
)

# "A700 the archive is out of resources: disk full": PS3.7 Annex C, and what the archive adds.
_STATUS = re.compile(r"(?P<number>[0-9A-F]{4}) (?P<meaning>[^:]+)(?P<comment>(?:: .+)?)", re.DOTALL)


def reason(text: str) -> str:
    """A reason or note: what the system gave in the language of the page, else as it was typed."""
    return gettext(text) if text in REASONS else isolated(text)


def fault(text: str) -> str:
    """Why a message did not get through; what the peer said of it stays as it is."""
    status = _STATUS.fullmatch(text)
    if status and status["meaning"] in OF_STATUS:
        return f"{status['number']} {gettext(status['meaning'])}{status['comment']}"
    return _known(text, OF_SENDING, fault)


def message_words(name: str) -> str:
    """What a message is called; by the name that its standard has for it."""
    return _known(name, MESSAGES, isolated)


def _known(text: str, messages: tuple[str, ...], say: Callable[[str], str]) -> str:
    """``say`` tells what stands in the holes."""
    found = one_of(text, messages, say)
    return isolated(text) if found is None else found


def inside(words: str) -> str:
    """Words of a label inside a line: only German writes its nouns large there too."""
    if (get_language() or "").startswith("de"):
        return words
    return words[:1].lower() + words[1:]
