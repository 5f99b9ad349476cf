"""Text in the letters a device has: a fixed table, letter by letter (dicom.md MWL-26, MWL-27).

For devices that show other letters as garbage or drop the row. The tables follow what stands in
passports and on road signs, so that a technologist recognizes the name: accents are dropped as the
name matching of the worklist does (so that what was shown finds its patient again), Cyrillic and
Arabic by ICAO 9303-3 without its check letters, Greek by ELOT 743, Hebrew by the simple rules of
the Academy, kana by Hepburn, Hangul by the Revised Romanization, syllable by syllable. What has no
row here (ideographs, Thai) is written as ``U+5C71``, never as a question mark: two different names
must not become one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

_LATIN = {
    "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ß": "ss",
    "ı": "i", "ŋ": "ng", "ħ": "h", "ŧ": "t", "ə": "a", "ʻ": "'", "ʼ": "'",
    "‘": "'", "’": "'", "‚": ",", "“": '"', "”": '"', "„": '"',
    "–": "-", "—": "-", "‐": "-", "…": "...", "×": "x",
    "µ": "u", "°": " deg", "€": "EUR", "£": "GBP", "¥": "JPY", "¿": "", "¡": "",
    "«": '"', "»": '"', "·": "-", "⁄": "/", "・": " ", "　": " ",
}  # fmt: skip
_CYRILLIC = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ж": "zh", "з": "z",
    "и": "i", "й": "i", "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p",
    "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh", "ц": "ts", "ч": "ch",
    "ш": "sh", "щ": "shch", "ъ": "ie", "ы": "y", "ь": "", "э": "e", "ю": "iu", "я": "ia",
    "ё": "e", "є": "ie", "і": "i", "ї": "i", "ґ": "g", "ў": "u", "ј": "j", "љ": "lj",
    "њ": "nj", "ћ": "c", "ђ": "d", "џ": "dz", "ѓ": "g", "ќ": "k", "ѕ": "dz",
}  # fmt: skip
_GREEK = {
    "ου": "ou", "α": "a", "β": "v", "γ": "g", "δ": "d", "ε": "e", "ζ": "z", "η": "i",
    "θ": "th", "ι": "i", "κ": "k", "λ": "l", "μ": "m", "ν": "n", "ξ": "x", "ο": "o",
    "π": "p", "ρ": "r", "σ": "s", "ς": "s", "τ": "t", "υ": "y", "φ": "f", "χ": "ch",
    "ψ": "ps", "ω": "o",
}  # fmt: skip
_ARABIC = {
    "ا": "a", "أ": "a", "إ": "i", "آ": "aa", "ب": "b", "ت": "t", "ث": "th", "ج": "j",
    "ح": "h", "خ": "kh", "د": "d", "ذ": "dh", "ر": "r", "ز": "z", "س": "s", "ش": "sh",
    "ص": "s", "ض": "d", "ط": "t", "ظ": "z", "ع": "e", "غ": "g", "ف": "f", "ق": "q",
    "ك": "k", "ل": "l", "م": "m", "ن": "n", "ه": "h", "و": "w", "ي": "y", "ى": "a",
    "ة": "h", "ء": "", "ؤ": "w", "ئ": "y", "پ": "p", "چ": "ch", "ژ": "zh", "گ": "g",
    "ک": "k", "ی": "y", "ـ": "",
}  # fmt: skip
_HEBREW = {
    "א": "a", "ב": "b", "ג": "g", "ד": "d", "ה": "h", "ו": "v", "ז": "z", "ח": "h",
    "ט": "t", "י": "y", "כ": "k", "ך": "k", "ל": "l", "מ": "m", "ם": "m", "נ": "n",
    "ן": "n", "ס": "s", "ע": "a", "פ": "p", "ף": "p", "צ": "ts", "ץ": "ts", "ק": "k",
    "ר": "r", "ש": "sh", "ת": "t",
}  # fmt: skip
_KANA = {
    "きゃ": "kya", "きゅ": "kyu", "きょ": "kyo", "しゃ": "sha", "しゅ": "shu", "しょ": "sho",
    "ちゃ": "cha", "ちゅ": "chu", "ちょ": "cho", "にゃ": "nya", "にゅ": "nyu", "にょ": "nyo",
    "ひゃ": "hya", "ひゅ": "hyu", "ひょ": "hyo", "みゃ": "mya", "みゅ": "myu", "みょ": "myo",
    "りゃ": "rya", "りゅ": "ryu", "りょ": "ryo", "ぎゃ": "gya", "ぎゅ": "gyu", "ぎょ": "gyo",
    "じゃ": "ja", "じゅ": "ju", "じょ": "jo", "びゃ": "bya", "びゅ": "byu", "びょ": "byo",
    "ぴゃ": "pya", "ぴゅ": "pyu", "ぴょ": "pyo", "ふぁ": "fa", "ふぃ": "fi", "ふぇ": "fe",
    "ふぉ": "fo", "てぃ": "ti", "でぃ": "di", "うぃ": "wi", "うぇ": "we", "しぇ": "she",
    "じぇ": "je", "ちぇ": "che",
    "あ": "a", "い": "i", "う": "u", "え": "e", "お": "o", "か": "ka", "き": "ki", "く": "ku",
    "け": "ke", "こ": "ko", "さ": "sa", "し": "shi", "す": "su", "せ": "se", "そ": "so",
    "た": "ta", "ち": "chi", "つ": "tsu", "て": "te", "と": "to", "な": "na", "に": "ni",
    "ぬ": "nu", "ね": "ne", "の": "no", "は": "ha", "ひ": "hi", "ふ": "fu", "へ": "he",
    "ほ": "ho", "ま": "ma", "み": "mi", "む": "mu", "め": "me", "も": "mo", "や": "ya",
    "ゆ": "yu", "よ": "yo", "ら": "ra", "り": "ri", "る": "ru", "れ": "re", "ろ": "ro",
    "わ": "wa", "ゐ": "i", "ゑ": "e", "を": "o", "ん": "n", "が": "ga", "ぎ": "gi", "ぐ": "gu",
    "げ": "ge", "ご": "go", "ざ": "za", "じ": "ji", "ず": "zu", "ぜ": "ze", "ぞ": "zo",
    "だ": "da", "ぢ": "ji", "づ": "zu", "で": "de", "ど": "do", "ば": "ba", "び": "bi",
    "ぶ": "bu", "べ": "be", "ぼ": "bo", "ぱ": "pa", "ぴ": "pi", "ぷ": "pu", "ぺ": "pe",
    "ぽ": "po", "ゔ": "vu", "ぁ": "a", "ぃ": "i", "ぅ": "u", "ぇ": "e", "ぉ": "o", "ゃ": "ya",
    "ゅ": "yu", "ょ": "yo",
}  # fmt: skip
_INITIALS = [
    "g",
    "kk",
    "n",
    "d",
    "tt",
    "r",
    "m",
    "b",
    "pp",
    "s",
    "ss",
    "-",
    "j",
    "jj",
    "ch",
    "k",
    "t",
    "p",
    "h",
]
_VOWELS = [
    "a",
    "ae",
    "ya",
    "yae",
    "eo",
    "e",
    "yeo",
    "ye",
    "o",
    "wa",
    "wae",
    "oe",
    "yo",
    "u",
    "wo",
    "we",
    "wi",
    "yu",
    "eu",
    "ui",
    "i",
]
_FINALS = [
    "-",
    "k",
    "k",
    "k",
    "n",
    "n",
    "n",
    "t",
    "l",
    "k",
    "m",
    "l",
    "l",
    "l",
    "p",
    "l",
    "m",
    "p",
    "p",
    "t",
    "t",
    "ng",
    "t",
    "t",
    "k",
    "t",
    "p",
    "t",
]

ROWS: dict[str, str] = {**_LATIN, **_CYRILLIC, **_GREEK, **_ARABIC, **_HEBREW, **_KANA}
_TSU, _LONG = "っ", "ー"


def transliterate(text: str, holds: Callable[[str], bool]) -> tuple[str, bool]:
    """``text`` with every letter that is not held replaced; False if one had no row."""
    composed = unicodedata.normalize("NFC", text)
    upper = composed.isupper()
    found: list[str] = []
    complete = True
    place = 0
    while place < len(composed):
        char = composed[place]
        if holds(char):
            found.append(char)
            place += 1
            continue
        plain, length = _row(composed, place)
        if plain is None or not all(holds(one) for one in plain):
            complete = False
            plain = f"U+{ord(char):04X}"
        found.append(plain.upper() if upper and char.isalpha() else plain)
        place += length
    return "".join(found), complete


def _row(text: str, place: int) -> tuple[str | None, int]:
    """What stands for the letters at ``place``, and how many they are."""
    char = text[place]
    kana = _as_hiragana(text[place : place + 2])
    if kana[:1] == _TSU:
        following, length = _row(text, place + 1) if place + 1 < len(text) else ("", 0)
        if not following or not "a" <= following[0] <= "z":
            return "tsu", 1
        return ("t" if following.startswith("ch") else following[0]) + following, 1 + length
    if kana[:1] == _LONG:
        return "", 1
    for one, length in ((kana, 2), (text[place : place + 2].lower(), 2), (kana[:1], 1)):
        if len(one) == length and one in ROWS:
            return _cased(ROWS[one], char), length
    plain = ROWS.get(char.lower())
    if plain is not None:
        return _cased(plain, char), 1
    if "가" <= char <= "힣":
        return _syllable(ord(char) - 0xAC00), 1
    if unicodedata.combining(char):
        return "", 1
    return _decomposed(char), 1


def _as_hiragana(text: str) -> str:
    return "".join(chr(ord(one) - 0x60) if "ァ" <= one <= "ヴ" else one for one in text)


def _cased(plain: str, char: str) -> str:
    return plain.capitalize() if char.isupper() else plain


def _syllable(index: int) -> str:
    initial, rest = divmod(index, 21 * 28)
    vowel, final = divmod(rest, 28)
    return (_INITIALS[initial] + _VOWELS[vowel] + _FINALS[final]).replace("-", "")


def _decomposed(char: str) -> str | None:
    """The letter without its accents; None if something else is left."""
    parts = unicodedata.normalize("NFKD", char)
    if parts == char:
        return None
    found = []
    for one in parts:
        if unicodedata.combining(one):
            continue
        if not one.isascii():
            row = ROWS.get(one.lower())
            if row is None:
                return None
            one = _cased(row, one)
        found.append(one)
    return "".join(found)
