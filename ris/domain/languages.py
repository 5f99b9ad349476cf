"""Languages as hospitals write them, and the tag that everybody else does (BCP 47, ISO 639-1, -2).

PID-15 has a code of ISO 639 or a name; FHIR and the web have a tag, which is the two letters of ISO
639-1 where a language has them, else the three of ISO 639-2 (terminology).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

SYSTEM = "urn:ietf:bcp:47"  # as a Coding.system (FHIR R4, ValueSet all-languages)

# Tag, code of ISO 639-2/T, code of ISO 639-2/B where it is another, name. Invalid tags are not made
# from it: what is not here stays the text that it is.
_TABLE = """
aa aar - Afar|ab abk - Abkhazian|ae ave - Avestan|af afr - Afrikaans|ak aka - Akan
am amh - Amharic|ar ara - Arabic|an arg - Aragonese|as asm - Assamese|av ava - Avaric
ay aym - Aymara|az aze - Azerbaijani
ba bak - Bashkir|be bel - Belarusian|bg bul - Bulgarian|bi bis - Bislama|bm bam - Bambara
bn ben - Bengali|bo bod tib Tibetan|br bre - Breton|bs bos - Bosnian|ca cat - Catalan
ce che - Chechen|ch cha - Chamorro|co cos - Corsican|cr cre - Cree|cs ces cze Czech
cu chu - Church Slavic|cv chv - Chuvash
cy cym wel Welsh|da dan - Danish|de deu ger German|dv div - Divehi|dz dzo - Dzongkha|ee ewe - Ewe
el ell gre Greek|en eng - English|eo epo - Esperanto|es spa - Spanish|et est - Estonian
eu eus baq Basque|fa fas per Persian|ff ful - Fulah|fi fin - Finnish|fj fij - Fijian
fo fao - Faroese|fr fra fre French|fy fry - Western Frisian|ga gle - Irish|gd gla - Gaelic
gl glg - Galician|gn grn - Guarani|gu guj - Gujarati|gv glv - Manx|ha hau - Hausa|he heb - Hebrew
hi hin - Hindi|ho hmo - Hiri Motu|hr hrv - Croatian|ht hat - Haitian|hu hun - Hungarian
hy hye arm Armenian|hz her - Herero
ia ina - Interlingua|ie ile - Interlingue|id ind - Indonesian|ig ibo - Igbo|ii iii - Sichuan Yi
ik ipk - Inupiaq|io ido - Ido|is isl ice Icelandic|it ita - Italian|iu iku - Inuktitut
ja jpn - Japanese|jv jav - Javanese|ka kat geo Georgian|kg kon - Kongo|ki kik - Kikuyu
kj kua - Kuanyama|kk kaz - Kazakh|kl kal - Kalaallisut|km khm - Khmer|kn kan - Kannada
ko kor - Korean|kr kau - Kanuri|ks kas - Kashmiri|ku kur - Kurdish|kv kom - Komi|kw cor - Cornish
ky kir - Kirghiz|la lat - Latin|lb ltz - Luxembourgish|lg lug - Ganda|li lim - Limburgish
ln lin - Lingala|lo lao - Lao|lt lit - Lithuanian|lu lub - Luba-Katanga|lv lav - Latvian
mg mlg - Malagasy|mh mah - Marshallese|mi mri mao Maori|mk mkd mac Macedonian|ml mal - Malayalam
mn mon - Mongolian|mr mar - Marathi|ms msa may Malay|mt mlt - Maltese|my mya bur Burmese
na nau - Nauru|nb nob - Norwegian Bokmål|nd nde - North Ndebele|ne nep - Nepali|ng ndo - Ndonga
nl nld dut Dutch|nn nno - Norwegian Nynorsk|no nor - Norwegian|nr nbl - South Ndebele
nv nav - Navajo|ny nya - Chichewa|oc oci - Occitan|oj oji - Ojibwa|om orm - Oromo|or ori - Oriya
os oss - Ossetian|pa pan - Panjabi|pi pli - Pali|pl pol - Polish|ps pus - Pushto|pt por - Portuguese
qu que - Quechua|rm roh - Romansh|rn run - Rundi|ro ron rum Romanian|ru rus - Russian
rw kin - Kinyarwanda|sa san - Sanskrit|sc srd - Sardinian|sd snd - Sindhi|se sme - Northern Sami
sg sag - Sango|si sin - Sinhala|sk slk slo Slovak|sl slv - Slovenian|sm smo - Samoan|sn sna - Shona
so som - Somali|sq sqi alb Albanian|sr srp - Serbian|ss ssw - Swati|st sot - Southern Sotho
su sun - Sundanese|sv swe - Swedish|sw swa - Swahili|ta tam - Tamil|te tel - Telugu|tg tgk - Tajik
th tha - Thai|ti tir - Tigrinya|tk tuk - Turkmen|tl tgl - Tagalog|tn tsn - Tswana|to ton - Tonga
tr tur - Turkish|ts tso - Tsonga|tt tat - Tatar|tw twi - Twi|ty tah - Tahitian|ug uig - Uighur
uk ukr - Ukrainian|ur urd - Urdu|uz uzb - Uzbek|ve ven - Venda|vi vie - Vietnamese|vo vol - Volapük
wa wln - Walloon|wo wol - Wolof|xh xho - Xhosa|yi yid - Yiddish|yo yor - Yoruba|za zha - Zhuang
zh zho chi Chinese|zu zul - Zulu|arc arc - Aramaic|ast ast - Asturian|chr chr - Cherokee
dsb dsb - Lower Sorbian|fil fil - Filipino|fur fur - Friulian|gsw gsw - Swiss German
haw haw - Hawaiian|hmn hmn - Hmong|hsb hsb - Upper Sorbian|kab kab - Kabyle|kmb kmb - Kimbundu
mnk mnk - Mandingo|nds nds - Low German|rom rom - Romany|scn scn - Sicilian|sgn sgn - Sign language
srn srn - Sranan Tongo|syr syr - Syriac|tet tet - Tetum|tig tig - Tigre|tpi tpi - Tok Pisin
tmh tmh - Tamashek|zza zza - Zazaki
"""
# What people of a language call it, as far as hospitals write it so.
_OWN_NAMES: Mapping[str, str] = {
    "deutsch": "de",
    "español": "es",
    "castellano": "es",
    "français": "fr",
    "italiano": "it",
    "nederlands": "nl",
    "português": "pt",
    "svenska": "sv",
    "türkçe": "tr",
    "日本語": "ja",
    "farsi": "fa",
    "mandarin": "zh",
    "cantonese": "zh",
    "dari": "fa",
    "pashto": "ps",
    "punjabi": "pa",
}
# A tag with a script or a region: de-CH, zh-Hant, es-419 (RFC 5646 2.1).
_TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z]{4})?(-(?:[A-Za-z]{2}|\d{3}))?")


@cache
def _known() -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Spelling in small letters → tag, and tag → name."""
    tags, names = {}, {}
    for row in _TABLE.replace("\n", "|").strip("|").split("|"):
        tag, terminology, bibliographic, name = row.split(" ", 3)
        names[tag] = name
        for spelling in (tag, terminology, bibliographic, name.lower()):
            if spelling != "-":
                tags[spelling] = tag
    return {**tags, **_OWN_NAMES}, names


def tag_of(said: str) -> str:
    """The tag for what a hospital says; empty if nobody can tell."""
    tags, _ = _known()
    word = said.strip().partition("^")[0].strip()
    found = tags.get(word.lower())
    if found is not None:
        return found
    parts = word.replace("_", "-").split("-")
    language = tags.get(parts[0].lower(), "")
    tag = "-".join([language, *map(_subtag, parts[1:])])
    return tag if language and _TAG.fullmatch(tag) else ""


def _subtag(part: str) -> str:
    """As it is written: a script as Hant, a region as CH."""
    return part.title() if len(part) == 4 else part.upper()


def name_of(tag: str) -> str:
    """The English name of the language of a tag."""
    return _known()[1].get(tag.partition("-")[0], "")


def tags_called(words: str) -> tuple[str, ...]:
    """The tags of languages whose English name begins so."""
    begin = words.strip().lower()
    return tuple(
        tag for tag, name in _known()[1].items() if begin and name.lower().startswith(begin)
    )


def spellings_of(tag: str) -> tuple[str, ...]:
    """Everything in small letters that means this tag; of a tag with a region both dashes."""
    language, dash, rest = tag.lower().partition("-")
    same = tuple(spelling for spelling, each in _known()[0].items() if each == language)
    if not dash:
        return same
    return tuple(f"{each}{sign}{rest.replace('-', sign)}" for each in same for sign in "-_")
