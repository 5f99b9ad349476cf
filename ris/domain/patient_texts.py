"""The words we send where a site has none of its own: short, and without what is wrong with whom.

A line that only names what is empty is left out (``ris.domain.patient_messages.fill``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ris.domain.languages import tag_of
from ris.domain.patient_messages import Occasion

# The languages that we have words in.
_WRITTEN = frozenset({"en", "de", "es", "fr", "ja"})


def language_of(said: str, otherwise: str = "en") -> str:
    """The language to write in, from what a hospital says of a patient (PID-15)."""
    for each in (said, otherwise):
        language = tag_of(each).partition("-")[0]
        if language in _WRITTEN:
            return language
    return "en"


@dataclass(frozen=True, slots=True)
class Words:
    """Subject and body of a mail; ``short`` is what fits into a text message."""

    subject: str
    body: str
    short: str


_WHERE = "{date}, {time}\n{site}\n{address}\n{exam}\n"


def _words(
    greeting: str, subject: str, first: str, page: str, bring: str, call: str, *more: str
) -> Words:
    lines = [
        *([greeting, ""] if greeting else []),
        first,
        "",
        _WHERE.rstrip(),
        "",
        *more,
        page,
        bring,
        "",
        call,
    ]
    return Words(subject, "\n".join(lines), "")


def _of(
    greeting: str, page: str, bring: str, call: str, **texts: tuple[str, str, str]
) -> Mapping[Occasion, Words]:
    found = {}
    for occasion in Occasion:
        subject, first, short = texts[occasion.value]
        more = ("{preparation}",) if occasion is Occasion.PREPARATION else ()
        made = _words(greeting, subject, first, page, bring, call, *more)
        found[occasion] = Words(made.subject, made.body, short)
    return found


TEXTS: Mapping[str, Mapping[Occasion, Words]] = {
    "en": _of(
        "Hello,",
        "Details, directions, confirm, move or cancel: {link}",
        "Please bring: {bring}",
        "Questions? Call {phone}.",
        booked=(
            "Your appointment on {date}",
            "We have booked an appointment for you:",
            "Your appointment: {date}, {time}, {site}. {link}",
        ),
        moved=(
            "Your appointment has moved to {date}",
            "Your appointment has a new time:",
            "New time of your appointment: {date}, {time}, {site}. {link}",
        ),
        canceled=(
            "Your appointment on {date} is canceled",
            "This appointment is canceled; please do not come:",
            "Canceled: your appointment on {date}, {time}, {site}. Questions: {phone}",
        ),
        reminder=(
            "Reminder: your appointment on {date}",
            "We look forward to seeing you:",
            "Reminder: {date}, {time}, {site}. {link}",
        ),
        preparation=(
            "How to prepare for your appointment on {date}",
            "Please read how to prepare for your appointment:",
            "Please read how to prepare for {date}, {time}: {link}",
        ),
        offer=(
            "An earlier time is free: {date}",
            "A time is free that may suit you better. You keep your present one until you answer:",
            "An earlier time is free: {date}, {time}, {site}. To take it call {phone}.",
        ),
    ),
    "de": _of(
        "Guten Tag,",
        "Einzelheiten, bestätigen, verschieben oder absagen: {link}",
        "Bitte mitbringen: {bring}",
        "Fragen? Rufen Sie uns an: {phone}",
        booked=(
            "Ihr Termin am {date}",
            "wir haben einen Termin für Sie gebucht:",
            "Ihr Termin: {date}, {time}, {site}. {link}",
        ),
        moved=(
            "Ihr Termin wurde auf {date} verschoben",
            "Ihr Termin hat eine neue Zeit:",
            "Neue Zeit Ihres Termins: {date}, {time}, {site}. {link}",
        ),
        canceled=(
            "Ihr Termin am {date} ist abgesagt",
            "dieser Termin ist abgesagt, bitte kommen Sie nicht:",
            "Abgesagt: Ihr Termin am {date}, {time}, {site}. Fragen: {phone}",
        ),
        reminder=(
            "Erinnerung: Ihr Termin am {date}",
            "wir erwarten Sie:",
            "Erinnerung: {date}, {time}, {site}. {link}",
        ),
        preparation=(
            "So bereiten Sie sich auf Ihren Termin am {date} vor",
            "bitte lesen Sie, wie Sie sich auf Ihren Termin vorbereiten:",
            "Bitte lesen Sie die Vorbereitung für {date}, {time}: {link}",
        ),
        offer=(
            "Eine frühere Zeit ist frei: {date}",
            "eine passendere Zeit ist frei. Ihr Termin bleibt, bis Sie antworten:",
            "Eine frühere Zeit ist frei: {date}, {time}, {site}. Rufen Sie dafür {phone} an.",
        ),
    ),
    "es": _of(
        "Buenos días:",
        "Detalles, confirmar, cambiar o anular: {link}",
        "Por favor traiga: {bring}",
        "¿Preguntas? Llame al {phone}.",
        booked=(
            "Su cita del {date}",
            "Hemos reservado una cita para usted:",
            "Su cita: {date}, {time}, {site}. {link}",
        ),
        moved=(
            "Su cita se ha cambiado al {date}",
            "Su cita tiene una hora nueva:",
            "Nueva hora de su cita: {date}, {time}, {site}. {link}",
        ),
        canceled=(
            "Su cita del {date} se ha anulado",
            "Esta cita se ha anulado; por favor no venga:",
            "Anulada: su cita del {date}, {time}, {site}. Preguntas: {phone}",
        ),
        reminder=(
            "Recordatorio: su cita del {date}",
            "Le esperamos:",
            "Recordatorio: {date}, {time}, {site}. {link}",
        ),
        preparation=(
            "Cómo prepararse para su cita del {date}",
            "Por favor lea cómo prepararse para su cita:",
            "Por favor lea la preparación para {date}, {time}: {link}",
        ),
        offer=(
            "Hay una hora libre antes: {date}",
            "Hay una hora libre que quizá le convenga más. Su cita sigue hasta que responda:",
            "Hay una hora libre antes: {date}, {time}, {site}. Para tomarla llame al {phone}.",
        ),
    ),
    "fr": _of(
        "Bonjour,",
        "Détails, confirmer, déplacer ou annuler : {link}",
        "Merci d'apporter : {bring}",
        "Des questions ? Appelez le {phone}.",
        booked=(
            "Votre rendez-vous du {date}",
            "Nous avons réservé un rendez-vous pour vous :",
            "Votre rendez-vous : {date}, {time}, {site}. {link}",
        ),
        moved=(
            "Votre rendez-vous est déplacé au {date}",
            "Votre rendez-vous a une nouvelle heure :",
            "Nouvelle heure de votre rendez-vous : {date}, {time}, {site}. {link}",
        ),
        canceled=(
            "Votre rendez-vous du {date} est annulé",
            "Ce rendez-vous est annulé ; merci de ne pas venir :",
            "Annulé : votre rendez-vous du {date}, {time}, {site}. Questions : {phone}",
        ),
        reminder=(
            "Rappel : votre rendez-vous du {date}",
            "Nous vous attendons :",
            "Rappel : {date}, {time}, {site}. {link}",
        ),
        preparation=(
            "Comment préparer votre rendez-vous du {date}",
            "Merci de lire comment préparer votre rendez-vous :",
            "Merci de lire la préparation pour le {date}, {time} : {link}",
        ),
        offer=(
            "Une heure plus proche est libre : {date}",
            "Une heure plus proche est libre. Votre rendez-vous reste jusqu'à votre réponse :",
            "Une heure plus proche est libre : {date}, {time}, {site}. Appelez le {phone}.",
        ),
    ),
    "ja": _of(
        "",
        "詳細、確認、変更、キャンセル: {link}",
        "お持ちいただくもの: {bring}",
        "ご質問は {phone} へお電話ください。",
        booked=(
            "{date} のご予約",
            "ご予約を承りました。",
            "ご予約: {date} {time} {site} {link}",
        ),
        moved=(
            "ご予約は {date} に変更されました",
            "ご予約の時間が変わりました。",
            "ご予約の変更: {date} {time} {site} {link}",
        ),
        canceled=(
            "{date} のご予約は取り消されました",
            "このご予約は取り消されました。ご来院は不要です。",
            "取り消し: {date} {time} {site} お問い合わせ {phone}",
        ),
        reminder=(
            "{date} のご予約のお知らせ",
            "ご来院をお待ちしております。",
            "ご予約のお知らせ: {date} {time} {site} {link}",
        ),
        preparation=(
            "{date} のご予約の準備について",
            "ご予約の前に準備をお読みください。",
            "{date} {time} の準備をお読みください: {link}",
        ),
        offer=(
            "早い時間が空きました: {date}",
            "ご都合のよい時間が空きました。お返事まで今のご予約はそのままです。",
            "早い時間が空きました: {date} {time} {site} お電話ください {phone}",
        ),
    ),
}
