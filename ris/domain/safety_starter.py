"""The safety questions that come with the product; a site changes them in its catalog."""

from __future__ import annotations

from ris.domain.actors import Role
from ris.domain.safety import (
    EGFR,
    IONIZING,
    PREGNANCY,
    WEIGHT,
    AnswerKind,
    Gate,
    QuestionDetails,
    Rule,
    Told,
    parse_rules,
)

_PREGNANCY_CHOICES = (
    ("no", "No"),
    ("possible", "Possibly"),
    ("yes", "Yes"),
    ("unknown", "Not known"),
)


def _yes(text: str = "is yes") -> tuple[Rule, ...]:
    return parse_rules(text)


_RADIOLOGIST = (Role.RADIOLOGIST,)

# What most departments ask; a site changes it in its catalog. Limits follow common practice of
# contrast and MR safety guidelines and are the site's to decide.
STARTER: tuple[QuestionDetails, ...] = (
    QuestionDetails(
        code="PREGNANCY", words="Could the patient be pregnant?", kind=AnswerKind.CHOICE,
        choices=_PREGNANCY_CHOICES, help="Ask for the date of the last period.",
        modalities=tuple(sorted(IONIZING)), sex="F", age_from=10, age_to=55,
        unsafe=_yes("is possible; is yes; is unknown"), override=_RADIOLOGIST,
        loinc=PREGNANCY, told=Told.PREGNANCY, offer_days=0, position=10,
        patient_words="Could you be pregnant?",
    ),
    QuestionDetails(
        code="MR_PACEMAKER", words="Does the patient have a pacemaker or defibrillator?",
        help="Also one that is switched off, and wires left behind.", modalities=("MR",),
        unsafe=_yes(), gate=Gate.BOOKING, override=_RADIOLOGIST, told=Told.ALERT,
        told_words="Pacemaker or defibrillator", position=20,
        patient_words="Do you have a pacemaker or a defibrillator?",
    ),
    QuestionDetails(
        code="MR_NEUROSTIMULATOR", words="A neurostimulator or an implanted pump?",
        modalities=("MR",), unsafe=_yes(), gate=Gate.BOOKING, override=_RADIOLOGIST,
        told=Told.ALERT, told_words="Neurostimulator or implanted pump", position=21,
        patient_words="Do you have a neurostimulator or an implanted pump?",
    ),
    QuestionDetails(
        code="MR_COCHLEAR", words="A cochlear implant?", modalities=("MR",), unsafe=_yes(),
        gate=Gate.BOOKING, override=_RADIOLOGIST, told=Told.ALERT,
        told_words="Cochlear implant", position=22,
        patient_words="Do you have a cochlear implant?",
    ),
    QuestionDetails(
        code="MR_CLIPS", words="Aneurysm clips or vascular coils in the head?",
        help="Ask for the implant card.", modalities=("MR",), unsafe=_yes(),
        override=_RADIOLOGIST, told=Told.ALERT, told_words="Aneurysm clip", position=23,
        patient_words="Do you have clips or coils in the vessels of your head?",
    ),
    QuestionDetails(
        code="MR_EYE_METAL", words="Ever an injury of the eye with metal?",
        help="Metal workers and welders: an X-ray of the orbits first.", modalities=("MR",),
        unsafe=_yes(), override=_RADIOLOGIST, told=Told.ALERT,
        told_words="Metal in the eye possible", position=24,
        patient_words="Did metal ever injure your eye?",
    ),
    QuestionDetails(
        code="MR_CLAUSTROPHOBIA", words="Fear of narrow spaces?", modalities=("MR",),
        unsafe=_yes(), told=Told.NEED, told_words="Claustrophobia", position=25,
        patient_words="Are you afraid of narrow spaces?",
    ),
    QuestionDetails(
        code="WEIGHT", words="Weight", kind=AnswerKind.NUMBER, unit="kg",
        help="The table bears up to 200 kg.", modalities=("MR", "CT", "NM", "PT"),
        unsafe=_yes("above 200"), loinc=WEIGHT, told=Told.WEIGHT, offer_days=90, position=30,
        patient_words="What do you weigh?",
    ),
    QuestionDetails(
        code="CONTRAST_REACTION", words="Ever a reaction to a contrast medium?",
        help="Which medium, what happened, when.", contrast_only=True, unsafe=_yes(),
        override=_RADIOLOGIST, told=Told.ALLERGY, told_words="Contrast reaction", position=40,
        patient_words="Did you ever react badly to a contrast medium?",
    ),
    QuestionDetails(
        code="EGFR", words="eGFR", kind=AnswerKind.NUMBER, unit="mL/min/1.73 m²", dated=True,
        help="From a blood sample of the last 30 days.", modalities=("CT", "MR", "XA"),
        contrast_only=True, unsafe=_yes("below 30; older than 30 days"), override=_RADIOLOGIST,
        loinc=EGFR, told=Told.ALERT, told_words="Kidney function reduced", offer_days=30,
        position=41,
    ),
    QuestionDetails(
        code="METFORMIN", words="Does the patient take metformin?", modalities=("CT", "XA"),
        contrast_only=True, unsafe=_yes("is yes if EGFR below 30"), position=42,
        help="With an eGFR below 30 it is stopped for 48 hours.", told=Told.ALERT,
        told_words="Metformin", offer_days=180,
        patient_words="Do you take metformin?",
    ),
    QuestionDetails(
        code="THYROID", words="Overactive thyroid, or thyroid treatment planned?",
        help="Iodine of the contrast medium can set it off.", modalities=("CT", "XA"),
        contrast_only=True, unsafe=_yes(), override=_RADIOLOGIST, told=Told.ALERT,
        told_words="Hyperthyroidism", position=43,
        patient_words="Is your thyroid overactive, or will it be treated?",
    ),
    QuestionDetails(
        code="BREASTFEEDING", words="Is the patient breastfeeding?", modalities=("NM", "PT"),
        sex="F", age_from=12, age_to=55, unsafe=_yes(), told=Told.STATE,
        told_words="Breastfeeding", offer_days=0, position=50,
        patient_words="Are you breastfeeding?",
    ),
    QuestionDetails(
        code="MOBILITY", words="Help needed to walk or to lie down?", kind=AnswerKind.CHOICE,
        choices=(("no", "No"), ("walker", "Walking aid"), ("wheelchair", "Wheelchair"),
                 ("bed", "Comes in bed")),
        modalities=("MR",), unsafe=(), told=Told.NEED, offer_days=30, position=60,
    ),
)  # fmt: skip
