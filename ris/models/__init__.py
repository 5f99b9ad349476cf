"""The tables of the core: constraints and querysets, no workflow (DESIGN 5)."""

from ris.models.accounts import ApiClient, ApiToken, ClientAssertion, User
from ris.models.analytics import DeviceFact, ExamFact, FactDay
from ris.models.arrivals import DeskSettings, IdentityCheck, Ticket, WallLink
from ris.models.authorization import Authorization, AuthorizationRule, Coverage
from ris.models.availability import SeriesAvailability, StudyAvailability
from ris.models.catalog import CodeMap, DeviceRule, ProcedureDefinition, StepTemplate
from ris.models.corrections import FollowUp, PerformedCorrection, StudyAlias
from ris.models.critical import (
    CriticalAttempt,
    CriticalCategory,
    CriticalFinding,
    CriticalPolicy,
)
from ris.models.documents import Document
from ris.models.dose import DoseRecord, DoseReferenceLevel, ExamDose, IrradiationEvent
from ris.models.drafts import OrderDraft
from ris.models.exam_sets import ProcedureSequence
from ris.models.exchange import (
    ConfigurationVersion,
    Delivery,
    DeliveryAttempt,
    Endpoint,
    InboundMessage,
)
from ris.models.facility import (
    Device,
    Holiday,
    Practitioner,
    Resource,
    ResourceGroup,
    Room,
    Site,
    StaffMember,
)
from ris.models.fhir import FhirOverlay, FhirResource, FhirVersion
from ris.models.fhir_index import FhirIndex, FhirIndexState
from ris.models.follow_ups import FollowUpRecommendation
from ris.models.intake import MessagePart, SequenceLink
from ris.models.interfaces import InterfaceAlert, MessageEdit, MessageRun, Traffic
from ris.models.journal import (
    AuditEvent,
    DeviceRefusal,
    DomainEvent,
    WorklistQueryLog,
    WorklistSighting,
)
from ris.models.mammography import (
    BreastAssessment,
    BreastLetter,
    BreastLetterText,
    BreastOutcome,
    BreastRecall,
    LetterChoice,
    MammographyRules,
)
from ris.models.mapping import MappingVersion
from ris.models.order_questions import OrderQuestion
from ris.models.orders import (
    Counter,
    EarlyCancellation,
    Order,
    RequestedProcedure,
    ScheduledProcedureStep,
)
from ris.models.patient_messages import (
    AppointmentLink,
    ContactChoice,
    PatientMessage,
    PatientMessageRule,
    PatientMessageText,
    PatientPolicy,
)
from ris.models.patients import (
    DemographicReview,
    Patient,
    PatientIdentifier,
    PatientLink,
    Visit,
)
from ris.models.peer_review import PeerReview, PeerReviewMark, PeerReviewRule
from ris.models.performing import PerformedProcedureStep, PerformedSeries
from ris.models.protocoling import ProtocolDefinition, Protocoling
from ris.models.reading import ReadingLease, ReadingScope, ReadingSkip, ReadingTarget
from ris.models.referring import NoticeChoice, ReferrerAccess, ResultNotice, ResultReceipt
from ris.models.report_documents import Letterhead, ReportDocument
from ris.models.report_objects import CommitmentRequest, ReportObject
from ris.models.report_templates import ReportMacro, ReportTemplate, ReportTemplateVersion
from ris.models.reporting import CriticalResult, Report, ReportVersion
from ris.models.safety import (
    DeclaredAnswer,
    PatientObservation,
    SafetyAnswer,
    SafetyOverride,
    SafetyQuestion,
)
from ris.models.saved_views import SavedView
from ris.models.scheduling import (
    Appointment,
    AppointmentAnswer,
    AppointmentNumber,
    Block,
    Booking,
    Closure,
    ResourceHours,
)
from ris.models.sent_forms import SentForm
from ris.models.subscriptions import FhirNotification, FhirSubscription
from ris.models.supplies import Reaction, Supply, SupplyDefault, SupplyUse
from ris.models.waiting import FreedTime, SlotOffer, WaitingEntry

__all__ = [
    "ApiClient",
    "ApiToken",
    "Appointment",
    "AppointmentAnswer",
    "AppointmentLink",
    "AppointmentNumber",
    "AuditEvent",
    "Authorization",
    "AuthorizationRule",
    "Block",
    "Booking",
    "BreastAssessment",
    "BreastLetter",
    "BreastLetterText",
    "BreastOutcome",
    "BreastRecall",
    "ClientAssertion",
    "Closure",
    "CodeMap",
    "CommitmentRequest",
    "ConfigurationVersion",
    "ContactChoice",
    "Counter",
    "Coverage",
    "CriticalAttempt",
    "CriticalCategory",
    "CriticalFinding",
    "CriticalPolicy",
    "CriticalResult",
    "DeclaredAnswer",
    "Delivery",
    "DeliveryAttempt",
    "DemographicReview",
    "DeskSettings",
    "Device",
    "DeviceFact",
    "DeviceRefusal",
    "DeviceRule",
    "Document",
    "DomainEvent",
    "DoseRecord",
    "DoseReferenceLevel",
    "EarlyCancellation",
    "Endpoint",
    "ExamDose",
    "ExamFact",
    "FactDay",
    "FhirIndex",
    "FhirIndexState",
    "FhirNotification",
    "FhirOverlay",
    "FhirResource",
    "FhirSubscription",
    "FhirVersion",
    "FollowUp",
    "FollowUpRecommendation",
    "FreedTime",
    "Holiday",
    "IdentityCheck",
    "InboundMessage",
    "InterfaceAlert",
    "IrradiationEvent",
    "LetterChoice",
    "Letterhead",
    "MammographyRules",
    "MappingVersion",
    "MessageEdit",
    "MessagePart",
    "MessageRun",
    "NoticeChoice",
    "Order",
    "OrderDraft",
    "OrderQuestion",
    "Patient",
    "PatientIdentifier",
    "PatientLink",
    "PatientMessage",
    "PatientMessageRule",
    "PatientMessageText",
    "PatientObservation",
    "PatientPolicy",
    "PeerReview",
    "PeerReviewMark",
    "PeerReviewRule",
    "PerformedCorrection",
    "PerformedProcedureStep",
    "PerformedSeries",
    "Practitioner",
    "ProcedureDefinition",
    "ProcedureSequence",
    "ProtocolDefinition",
    "Protocoling",
    "Reaction",
    "ReadingLease",
    "ReadingScope",
    "ReadingSkip",
    "ReadingTarget",
    "ReferrerAccess",
    "Report",
    "ReportDocument",
    "ReportMacro",
    "ReportObject",
    "ReportTemplate",
    "ReportTemplateVersion",
    "ReportVersion",
    "RequestedProcedure",
    "Resource",
    "ResourceGroup",
    "ResourceHours",
    "ResultNotice",
    "ResultReceipt",
    "Room",
    "SafetyAnswer",
    "SafetyOverride",
    "SafetyQuestion",
    "SavedView",
    "ScheduledProcedureStep",
    "SentForm",
    "SequenceLink",
    "SeriesAvailability",
    "Site",
    "SlotOffer",
    "StaffMember",
    "StepTemplate",
    "StudyAlias",
    "StudyAvailability",
    "Supply",
    "SupplyDefault",
    "SupplyUse",
    "Ticket",
    "Traffic",
    "User",
    "Visit",
    "WaitingEntry",
    "WallLink",
    "WorklistQueryLog",
    "WorklistSighting",
]
