"""The form of a draft: a template begun with, what was filled in and answered, what it asks.

The text of a draft is what is signed. Its form only remembers which template it began with, what
was chosen and what was filled in, so that codes can be made of answers whose words still stand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from ris.domain import report_codes
from ris.domain.errors import InvalidValueError, MissingValueError
from ris.domain.report_codes import Answered
from ris.domain.report_fields import PICKED, Field, FieldKind, MergeSource
from ris.domain.report_templates import DraftForm, Merged, TemplateContent
from ris.domain.report_texts import lead, put, stands, token, tokens, unfilled
from ris.domain.reporting import SECTIONS, FinalizeReport, SignPreliminary
from ris.models import Report, ReportTemplate, RequestedProcedure
from ris.selectors.report_templates import content_of, exam_keys, fitting_for
from ris.selectors.report_values import Value, values_for
from ris.services._context import Context
from ris.services._transition import touch
from ris.services.reporting.parts import Settled, clean

_TITLES = dict(SECTIONS)


def begin_with_fitting(
    report: Report, procedures: Iterable[RequestedProcedure], context: Context
) -> None:
    """A new report begins with the template that fits best, if that is one that comes by itself.

    Its draft counts as saved by nobody: whoever opens the page finds the text there.
    """
    if context.is_machine:
        return  # what comes from elsewhere brings its own text
    if not ReportTemplate.objects.filter(automatic=True, retired_at=None).exists():
        return
    keys = exam_keys(str(each.public_id) for each in procedures)
    line = next(iter(fitting_for(keys, context.actor.user_id)), None)
    if line is None or not line.automatic:
        return
    content = content_of(line.public_id, line.number)
    reason = report.order.reason.strip()
    before = {"indication": reason} if reason else {}
    sections, form = begun(report, content, before)
    form = replace(form, template=line.public_id, number=line.number, name=line.name)
    report.draft = clean(sections)
    report.form = form.to_json()
    touch(report, "draft", "form")


def begun(
    report: Report,
    content: TemplateContent,
    before: dict[str, str],
    earlier: Iterable[Answered] = (),
) -> tuple[dict[str, str], DraftForm]:
    """The sections with the template's text where there was none, and what was filled in.

    A section that the order's reason alone stands in takes the template's text if that has a place
    for the reason. ``earlier`` are answers that stand in the text, to another template: they stay
    answers where this one asks the same.
    """
    known = {each.field.name: each for each in earlier}
    given = {}
    reason = " ".join(report.order.reason.split())
    places = {
        key
        for key in content.texts()
        for each in content.fields_of(key)
        if each.source is MergeSource.INDICATION
    }
    for key, text in content.texts().items():
        said = " ".join(before.get(key, "").split())
        if text and (not said or (key in places and said == reason)):
            given[key] = text
    form = DraftForm(template="", number=0, name="", sections=tuple(given))
    answers: dict[str, str] = {}
    carried: dict[str, str] = {}
    for key in content.texts():
        for each in content.fields_of(key):
            if each.kind is FieldKind.MERGE:
                continue
            was = known.get(each.name)
            same = _same(each, was) if was is not None else ""
            if key in given:
                answer = same or each.default
                if answer:
                    given[key] = put(given[key], each.name, each.words(answer))
            elif was is not None and same and was.section == key:
                answer, carried[each.name] = same, was.lead
            else:
                answer = ""
                if token(each.name) in before.get(key, ""):
                    carried[each.name] = lead(before[key], each.name)
            if answer:
                answers[each.name] = answer
    sections, merged = merge(report, content, given)
    form = replace(form, answers=answers, merged=tuple(merged), carried=carried)
    return {**before, **sections}, form


def _same(each: Field, was: Answered) -> str:
    """An earlier answer as an answer to this field; empty if it would say something else."""
    try:
        answer = each.check(was.answer)
    except InvalidValueError:
        return ""
    return answer if each.words(answer) == was.words else ""  # 12 mm are no 12 cm


def require_codes_kept(
    before: Iterable[Answered],
    form: DraftForm | None,
    content: TemplateContent | None,
    sections: Mapping[str, str],
    without: Collection[str],
) -> None:
    """Refuse a change of template that takes codes away which nobody gave up."""
    coded = {
        each.field.name
        for each in report_codes.answered(form, content, sections)
        if each.stands and each.codes
    }
    gone = [each for each in before if each.codes and each.field.name not in coded]
    if any(each.field.name not in without for each in gone):
        names = ", ".join(each.field.name for each in gone)
        raise MissingValueError(
            f"these answers would lose their codes: {names}. Say that they may",
            path="without_codes",
            details={"codes": [{"name": each.field.name, "words": each.words} for each in gone]},
        )


def merge(
    report: Report, content: TemplateContent, sections: Mapping[str, str]
) -> tuple[dict[str, str], list[Merged]]:
    """Sections with what the order and the exam know in the brackets that wait for it."""
    waiting = [
        (key, each)
        for key, text in sections.items()
        for each in map(content.field, tokens(text))
        if each is not None and each.source is not None
    ]
    known = _values(report, (each.source for _, each in waiting if each.source is not None))
    filled = dict(sections)
    merged = []
    for key, each in waiting:
        value = known.get(each.source) if each.source is not None else None
        if value is not None:
            filled[key] = put(filled[key], each.name, value.words)
            merged.append(
                Merged(name=each.name, section=key, words=value.words, source=value.source)
            )
    return filled, merged


def _values(report: Report, sources: Iterable[MergeSource]) -> dict[MergeSource, Value]:
    wanted = list(sources)
    if not wanted:
        return {}
    procedures = [str(key) for key in report.procedures.values_list("public_id", flat=True)]
    return values_for(str(report.order.public_id), procedures, wanted)


# --- answers, and what a signature asks ---------------------------------------------------------


def answered(
    report: Report, sections: Mapping[str, str], answers: Mapping[str, str] | None
) -> tuple[dict[str, str], DraftForm | None]:
    """The sections with new answers in their places, and the form that remembers them.

    A page without script sends answers whose brackets still stand; one with script has put the
    words there already.
    """
    form = DraftForm.from_json(report.form)
    text = clean(sections)
    if form is None or not answers:
        return text, form
    content = content_of(form.template, form.number)
    kept = dict(form.answers)
    for key, each in form.asked(content):
        if each.name not in answers or each.kind is FieldKind.MERGE:
            continue
        said = each.check(answers[each.name])
        earlier = each.words(kept.get(each.name, ""))
        before = form.lead(content, key, each.name)
        if key in text:
            text[key] = put(text[key], each.name, each.words(said), earlier, before)
        kept.pop(each.name, None)
        if said:
            kept[each.name] = said
    return text, replace(form, answers=kept)


def settle(report: Report, command: SignPreliminary | FinalizeReport) -> Settled:
    """What may be signed of a draft; raises MissingValueError that leads to what is missing.

    What was written elsewhere is taken as it is: its brackets are its author's.
    """
    if command.particulars is not None:
        return Settled(sections=clean(command.sections))
    text, form = answered(report, command.sections, command.answers)
    require_filled_in(text)
    report.form = form.to_json() if form is not None else None
    if form is None:
        return Settled(sections=text)
    content = content_of(form.template, form.number)
    _require_answers(form, content, text, command.without_codes)
    return _with_codes(form, content, text)


def settle_amended(report: Report, sections: dict[str, str], before: Mapping[str, str]) -> Settled:
    """The same for what corrects or adds to a signed report: the text asks, the form no more."""
    require_filled_in(sections, before)
    form = DraftForm.from_json(report.form)
    if form is None:
        return Settled(sections=sections)
    return _with_codes(form, content_of(form.template, form.number), sections)


def _with_codes(form: DraftForm, content: TemplateContent, text: dict[str, str]) -> Settled:
    return Settled(
        sections=text,
        coded=report_codes.codes(form, content, text),
        template={"template": form.template, "number": form.number, "name": form.name},
    )


def _require_answers(
    form: DraftForm, content: TemplateContent, text: Mapping[str, str], without: Collection[str]
) -> None:
    """Refuse a text that leaves a question open, or has lost a code that nobody knows of."""
    for key, each in form.asked(content):
        words = each.words(form.answers.get(each.name, ""))
        if each.required and not _is_answered(each, words, text.get(key, "")):
            raise MissingValueError(
                f"{each.name} in {_TITLES[key]} has to be answered before this is signed",
                path=f"field.{each.name}",
            )
    for gone in report_codes.lost(form, content, text):
        if gone.field.name not in without:
            raise MissingValueError(
                f"{gone.field.name} in {_TITLES[gone.section]} was answered “{gone.words}”, which "
                "the text says no longer: its code would be lost. Take the answer again, or say "
                "that this is signed without its code",
                path=f"field.{gone.field.name}",
            )


def require_filled_in(sections: Mapping[str, str], before: Mapping[str, str] | None = None) -> None:
    """Refuse a text with brackets that wait, but for those that were signed before."""
    for each in unfilled(sections):
        if before is None or token(each.name) not in before.get(each.section, ""):
            raise MissingValueError(
                f"[{each.name}] in {_TITLES[each.section]} waits to be filled in: answer it, or "
                "take the bracket out",
                path=f"sections.{each.section}",
            )


def _is_answered(each: Field, words: str, text: str) -> bool:
    """What is picked has to be picked; what is typed may have been typed over its bracket."""
    if words:
        return stands(text, words)
    return each.kind not in PICKED and bool(text)
