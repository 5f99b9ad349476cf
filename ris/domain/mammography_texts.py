"""The words of letters about breast exams where a site has none of its own: plain, and calm.

A line that only names what is empty is left out (``fill``). What a country's law wants to be said
word for word is the site's to put in its own text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ris.domain import placeholders
from ris.domain.mammography_letters import TEXT_KINDS, Statement, Topic

# What a text may name.
VARIABLES = (
    "patient", "date", "exam_date", "due", "site", "phone", "density", "replaces", "earlier",
)  # fmt: skip


def fill(text: str, values: Mapping[str, str]) -> str:
    """A letter's text with what it names; where a part fell out, one empty line parts, not two."""
    return re.sub(r"\n{3,}", "\n\n", placeholders.filled(text, VARIABLES, values))


def check_text(text: str, path: str) -> None:
    """Refuse a name in braces that stands for nothing."""
    placeholders.check(text, VARIABLES, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What stands around the words of a letter, and on its sheet."""

    title: str
    greeting: str
    closing: str
    patient: str
    born: str
    number: str
    written: str
    examined: str
    signed: str


@dataclass(frozen=True, slots=True)
class _Language:
    frame: Frame
    texts: Mapping[str, str]


def _texts(language: Mapping[str, str]) -> Mapping[str, str]:
    missing = set(TEXT_KINDS) - set(language)
    if missing:
        raise ValueError(f"no words for {sorted(missing)}")
    return language


_ENGLISH = _Language(
    Frame(
        title="Result of your breast exam",
        greeting="Dear {patient},",
        closing="Yours sincerely,\n{site}",
        patient="Patient",
        born="Born",
        number="Number",
        written="Date of this letter",
        examined="Exam of",
        signed="This letter was made by the department and is valid without a signature.",
    ),
    _texts(
        {
            Topic.NORMAL: "Your breast exam of {exam_date} shows no sign of cancer.\n"
            "No exam finds every cancer. If you notice a change in your breasts, see your doctor "
            "soon, whatever this letter says. Please go on coming to your regular exams.",
            Topic.ADDITIONAL_IMAGING: "Your breast exam of {exam_date} is not complete: we need "
            "more images to be sure. Most of such further exams find nothing of concern.\n"
            "Please have them by {due}. Call {phone} for an appointment.\n"
            "If you were called already and have an appointment, there is nothing more to do.",
            Topic.SHORT_INTERVAL: "Your breast exam of {exam_date} shows something that is very "
            "likely harmless. To see that it stays as it is, we want to look again soon.\n"
            "Please come for this exam around {due}. Call {phone} for an appointment.",
            Topic.BIOPSY: "Your breast exam of {exam_date} shows something that has to be looked "
            "at more closely. We recommend that a small sample of the tissue is taken. This does "
            "not mean that you have cancer; many samples turn out to be harmless.\n"
            "Please speak with your doctor in the next days, and have this done by {due}. "
            "Call {phone} with any question.",
            Topic.KNOWN: "We have sent the result of your breast exam of {exam_date} to the "
            "doctors who treat you. They will talk with you about what it means for your "
            "treatment.\nCall {phone} with any question.",
            Topic.REMINDER: "After your breast exam of {exam_date} we recommended a further step "
            "by {due}. We do not know yet that it was done.\n"
            "Please call {phone} or your doctor for an appointment. If it was done elsewhere, "
            "please tell us, so that we can note it.",
            Topic.RECALLED: "On {earlier} we wrote to you about a breast exam. That letter does "
            "not hold any more: the report behind it was withdrawn and is being written anew. "
            "Please do not rely on it.\n"
            "We will write to you again. Call {phone} with any question.",
            Statement.DENSE: "Breasts can be dense or not. Yours are dense. In dense tissue a "
            "mammogram can miss a cancer more easily, and the risk of breast cancer is somewhat "
            "higher. Speak with your doctor about your risk, and whether a further exam makes "
            "sense for you.",
            Statement.NOT_DENSE: "Breasts can be dense or not. Yours are not dense. In dense "
            "tissue a mammogram can miss a cancer more easily. Speak with your doctor about "
            "your own risk.",
            Statement.REPLACES: "This letter replaces the one of {earlier}, which does not hold "
            "any more.",
        }
    ),
)

_GERMAN = _Language(
    Frame(
        title="Ergebnis Ihrer Brustuntersuchung",
        greeting="Guten Tag {patient},",
        closing="Mit freundlichen Grüßen\n{site}",
        patient="Patientin",
        born="Geboren",
        number="Nummer",
        written="Datum dieses Briefes",
        examined="Untersuchung vom",
        signed="Dieser Brief wurde von der Abteilung erstellt und gilt ohne Unterschrift.",
    ),
    _texts(
        {
            Topic.NORMAL: "Ihre Brustuntersuchung vom {exam_date} zeigt kein Zeichen von Krebs.\n"
            "Keine Untersuchung findet jeden Krebs. Wenn Ihnen eine Veränderung der Brust "
            "auffällt, gehen Sie bald zu Ihrer Ärztin oder Ihrem Arzt, was immer hier steht. "
            "Bitte kommen Sie weiter zu den regelmäßigen Untersuchungen.",
            Topic.ADDITIONAL_IMAGING: "Ihre Brustuntersuchung vom {exam_date} ist noch nicht "
            "vollständig: Um sicher zu sein, brauchen wir weitere Aufnahmen. Meist findet sich "
            "dabei nichts Bedenkliches.\n"
            "Bitte lassen Sie diese bis {due} machen. Einen Termin erhalten Sie unter {phone}.\n"
            "Wenn Sie schon angerufen wurden und einen Termin haben, ist nichts weiter zu tun.",
            Topic.SHORT_INTERVAL: "Ihre Brustuntersuchung vom {exam_date} zeigt etwas, das sehr "
            "wahrscheinlich harmlos ist. Wir möchten bald nachsehen, ob es so bleibt.\n"
            "Bitte kommen Sie dazu um den {due}. Einen Termin erhalten Sie unter {phone}.",
            Topic.BIOPSY: "Ihre Brustuntersuchung vom {exam_date} zeigt etwas, das genauer "
            "angesehen werden muss. Wir empfehlen, eine kleine Gewebeprobe zu entnehmen. Das "
            "heißt nicht, dass Sie Krebs haben; viele Proben erweisen sich als harmlos.\n"
            "Bitte sprechen Sie in den nächsten Tagen mit Ihrer Ärztin oder Ihrem Arzt, und "
            "lassen Sie die Probe bis {due} entnehmen. Bei Fragen rufen Sie uns an: {phone}.",
            Topic.KNOWN: "Das Ergebnis Ihrer Brustuntersuchung vom {exam_date} haben wir den "
            "Ärztinnen und Ärzten gesandt, die Sie behandeln. Diese besprechen mit Ihnen, was es "
            "für Ihre Behandlung bedeutet.\nBei Fragen rufen Sie uns an: {phone}.",
            Topic.REMINDER: "Nach Ihrer Brustuntersuchung vom {exam_date} haben wir einen "
            "weiteren Schritt bis {due} empfohlen. Wir wissen noch nicht, ob er getan ist.\n"
            "Bitte rufen Sie {phone} oder Ihre Praxis wegen eines Termins an. Wenn es anderswo "
            "geschehen ist, sagen Sie es uns bitte, damit wir es vermerken.",
            Topic.RECALLED: "Am {earlier} haben wir Ihnen wegen einer Brustuntersuchung "
            "geschrieben. Jener Brief gilt nicht mehr: Der Befund dazu wurde zurückgezogen und "
            "wird neu geschrieben. Bitte verlassen Sie sich nicht darauf.\n"
            "Wir schreiben Ihnen wieder. Bei Fragen rufen Sie uns an: {phone}.",
            Statement.DENSE: "Brustgewebe kann dicht sein oder nicht. Ihres ist dicht. In dichtem "
            "Gewebe ist ein Krebs in der Mammographie leichter zu übersehen, und das Risiko für "
            "Brustkrebs ist etwas höher. Sprechen Sie mit Ihrer Ärztin oder Ihrem Arzt über Ihr "
            "Risiko, und ob eine weitere Untersuchung für Sie sinnvoll ist.",
            Statement.NOT_DENSE: "Brustgewebe kann dicht sein oder nicht. Ihres ist nicht dicht. "
            "In dichtem Gewebe ist ein Krebs in der Mammographie leichter zu übersehen. Sprechen "
            "Sie mit Ihrer Ärztin oder Ihrem Arzt über Ihr eigenes Risiko.",
            Statement.REPLACES: "Dieser Brief ersetzt den vom {earlier}, der nicht mehr gilt.",
        }
    ),
)

_SPANISH = _Language(
    Frame(
        title="Resultado de su examen de mama",
        greeting="Buenos días, {patient}:",
        closing="Atentamente,\n{site}",
        patient="Paciente",
        born="Fecha de nacimiento",
        number="Número",
        written="Fecha de esta carta",
        examined="Examen del",
        signed="Esta carta fue hecha por el servicio y es válida sin firma.",
    ),
    _texts(
        {
            Topic.NORMAL: "Su examen de mama del {exam_date} no muestra ningún signo de cáncer.\n"
            "Ningún examen encuentra todos los cánceres. Si nota un cambio en sus mamas, consulte "
            "pronto a su médico, diga lo que diga esta carta. Por favor siga viniendo a sus "
            "exámenes periódicos.",
            Topic.ADDITIONAL_IMAGING: "Su examen de mama del {exam_date} no está completo: "
            "necesitamos más imágenes para estar seguros. La mayoría de estos exámenes no "
            "encuentra nada preocupante.\n"
            "Por favor hágaselas antes del {due}. Llame al {phone} para pedir cita.\n"
            "Si ya la llamamos y tiene cita, no hay nada más que hacer.",
            Topic.SHORT_INTERVAL: "Su examen de mama del {exam_date} muestra algo que muy "
            "probablemente es inofensivo. Queremos ver pronto que sigue igual.\n"
            "Por favor venga a este examen hacia el {due}. Llame al {phone} para pedir cita.",
            Topic.BIOPSY: "Su examen de mama del {exam_date} muestra algo que hay que mirar más "
            "de cerca. Recomendamos tomar una pequeña muestra del tejido. Esto no significa que "
            "tenga cáncer; muchas muestras resultan inofensivas.\n"
            "Por favor hable con su médico en los próximos días y hágasela antes del {due}. "
            "Si tiene preguntas, llame al {phone}.",
            Topic.KNOWN: "Hemos enviado el resultado de su examen de mama del {exam_date} a los "
            "médicos que la tratan. Ellos hablarán con usted de lo que significa para su "
            "tratamiento.\nSi tiene preguntas, llame al {phone}.",
            Topic.REMINDER: "Después de su examen de mama del {exam_date} recomendamos un paso "
            "más antes del {due}. Todavía no sabemos si se hizo.\n"
            "Por favor llame al {phone} o a su médico para pedir cita. Si se hizo en otro lugar, "
            "díganoslo para que lo anotemos.",
            Topic.RECALLED: "El {earlier} le escribimos sobre un examen de mama. Esa carta ya no "
            "vale: el informe en que se basaba se retiró y se está escribiendo de nuevo. Por "
            "favor no se guíe por ella.\n"
            "Le escribiremos otra vez. Si tiene preguntas, llame al {phone}.",
            Statement.DENSE: "Las mamas pueden ser densas o no. Las suyas son densas. En un "
            "tejido denso es más fácil que una mamografía no vea un cáncer, y el riesgo de cáncer "
            "de mama es algo mayor. Hable con su médico de su riesgo y de si otro examen le "
            "conviene.",
            Statement.NOT_DENSE: "Las mamas pueden ser densas o no. Las suyas no son densas. En "
            "un tejido denso es más fácil que una mamografía no vea un cáncer. Hable con su "
            "médico de su propio riesgo.",
            Statement.REPLACES: "Esta carta sustituye a la del {earlier}, que ya no vale.",
        }
    ),
)

_FRENCH = _Language(
    Frame(
        title="Résultat de votre examen du sein",
        greeting="Bonjour {patient},",
        closing="Cordialement,\n{site}",
        patient="Patiente",
        born="Date de naissance",
        number="Numéro",
        written="Date de cette lettre",
        examined="Examen du",
        signed="Cette lettre a été établie par le service et vaut sans signature.",
    ),
    _texts(
        {
            Topic.NORMAL: "Votre examen du sein du {exam_date} ne montre aucun signe de cancer.\n"
            "Aucun examen ne trouve tous les cancers. Si vous remarquez un changement de vos "
            "seins, consultez vite votre médecin, quoi que dise cette lettre. Continuez à venir "
            "à vos examens réguliers.",
            Topic.ADDITIONAL_IMAGING: "Votre examen du sein du {exam_date} n'est pas complet : il "
            "nous faut d'autres images pour être sûrs. Le plus souvent, elles ne montrent rien "
            "d'inquiétant.\n"
            "Merci de les faire faire avant le {due}. Appelez le {phone} pour un rendez-vous.\n"
            "Si vous avez déjà été appelée et avez un rendez-vous, il n'y a rien d'autre à faire.",
            Topic.SHORT_INTERVAL: "Votre examen du sein du {exam_date} montre quelque chose qui "
            "est très probablement sans gravité. Nous voulons vérifier bientôt que rien ne "
            "change.\n"
            "Merci de venir pour cet examen vers le {due}. Appelez le {phone} pour un "
            "rendez-vous.",
            Topic.BIOPSY: "Votre examen du sein du {exam_date} montre quelque chose qui doit être "
            "regardé de plus près. Nous recommandons de prélever un petit échantillon du tissu. "
            "Cela ne veut pas dire que vous avez un cancer ; beaucoup de prélèvements se révèlent "
            "sans gravité.\n"
            "Merci de parler à votre médecin dans les prochains jours et de le faire faire avant "
            "le {due}. Pour toute question, appelez le {phone}.",
            Topic.KNOWN: "Nous avons envoyé le résultat de votre examen du sein du {exam_date} "
            "aux médecins qui vous soignent. Ils vous diront ce qu'il signifie pour votre "
            "traitement.\nPour toute question, appelez le {phone}.",
            Topic.REMINDER: "Après votre examen du sein du {exam_date}, nous avons recommandé une "
            "suite avant le {due}. Nous ne savons pas encore si elle a été faite.\n"
            "Merci d'appeler le {phone} ou votre médecin pour un rendez-vous. Si elle a été faite "
            "ailleurs, dites-le-nous pour que nous le notions.",
            Topic.RECALLED: "Le {earlier}, nous vous avons écrit au sujet d'un examen du sein. "
            "Cette lettre n'est plus valable : le compte rendu a été retiré et est en cours de "
            "réécriture. Merci de ne pas vous y fier.\n"
            "Nous vous écrirons de nouveau. Pour toute question, appelez le {phone}.",
            Statement.DENSE: "Les seins peuvent être denses ou non. Les vôtres sont denses. Dans "
            "un tissu dense, une mammographie peut plus facilement manquer un cancer, et le "
            "risque de cancer du sein est un peu plus élevé. Parlez avec votre médecin de votre "
            "risque et de l'utilité d'un autre examen.",
            Statement.NOT_DENSE: "Les seins peuvent être denses ou non. Les vôtres ne sont pas "
            "denses. Dans un tissu dense, une mammographie peut plus facilement manquer un "
            "cancer. Parlez avec votre médecin de votre propre risque.",
            Statement.REPLACES: "Cette lettre remplace celle du {earlier}, qui n'est plus valable.",
        }
    ),
)

_JAPANESE = _Language(
    Frame(
        title="乳房の検査結果のお知らせ",
        greeting="{patient} 様",
        closing="{site}",
        patient="お名前",
        born="生年月日",
        number="番号",
        written="作成日",
        examined="検査日",
        signed="この手紙は当科が作成したもので、署名がなくても有効です。",
    ),
    _texts(
        {
            Topic.NORMAL: "{exam_date} の乳房の検査では、がんを疑う所見はありませんでした。\n"
            "どの検査にも見つけられないがんがあります。乳房に変化を感じたときは、この結果に"
            "かかわらず早めに受診してください。今後も定期的な検査をお受けください。",
            Topic.ADDITIONAL_IMAGING: "{exam_date} の乳房の検査は、まだ結論が出ていません。"
            "確認のため追加の撮影が必要です。多くの場合、心配なものは見つかりません。\n"
            "{due} までにお受けください。ご予約は {phone} へお電話ください。\n"
            "すでにご連絡を受けて予約がお済みの方は、そのままで結構です。",
            Topic.SHORT_INTERVAL: "{exam_date} の乳房の検査で、ほぼ間違いなく良性と思われる所見が"
            "ありました。変化がないことを確かめるため、近いうちにもう一度検査をします。\n"
            "{due} ごろに検査をお受けください。ご予約は {phone} へお電話ください。",
            Topic.BIOPSY: "{exam_date} の乳房の検査で、詳しく調べる必要のある所見がありました。"
            "組織を少し採って調べることをお勧めします。がんと決まったわけではありません。"
            "良性であることも多くあります。\n"
            "数日のうちに主治医にご相談のうえ、{due} までにお受けください。"
            "ご質問は {phone} へお電話ください。",
            Topic.KNOWN: "{exam_date} の乳房の検査の結果は、治療を担当する医師にお送りしました。"
            "治療についての説明は担当の医師がいたします。\n"
            "ご質問は {phone} へお電話ください。",
            Topic.REMINDER: "{exam_date} の乳房の検査の後、{due} までに次の検査をお勧めしました。"
            "まだお済みであることを確認できていません。\n"
            "ご予約は {phone} または主治医へお電話ください。ほかの施設でお済みの場合は、"
            "お知らせください。",
            Topic.RECALLED: "{earlier} に乳房の検査についてお手紙を差し上げましたが、その内容は"
            "無効になりました。報告書が取り消され、書き直されています。先の手紙の内容には"
            "従わないでください。\n"
            "改めてお知らせします。ご質問は {phone} へお電話ください。",
            Statement.DENSE: "乳房の組織には高濃度のものとそうでないものがあります。あなたの乳房は"
            "高濃度です。高濃度の乳房ではマンモグラフィでがんが見えにくく、乳がんの危険も"
            "やや高くなります。ご自身の危険と追加の検査について主治医にご相談ください。",
            Statement.NOT_DENSE: "乳房の組織には高濃度のものとそうでないものがあります。あなたの"
            "乳房は高濃度ではありません。高濃度の乳房ではマンモグラフィでがんが見えにくく"
            "なります。ご自身の危険について主治医にご相談ください。",
            Statement.REPLACES: "この手紙は {earlier} の手紙に代わるものです。先の手紙は無効です。",
        }
    ),
)

_ALL: Mapping[str, _Language] = {
    "en": _ENGLISH,
    "de": _GERMAN,
    "es": _SPANISH,
    "fr": _FRENCH,
    "ja": _JAPANESE,
}
FRAMES: Mapping[str, Frame] = {key: one.frame for key, one in _ALL.items()}
TEXTS: Mapping[str, Mapping[str, str]] = {key: one.texts for key, one in _ALL.items()}
