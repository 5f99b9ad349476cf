"""An MRRT file becomes a template, or a list of its faults with their lines.

Nothing of a file is kept as markup: text, names, ranges and codes are taken out of it, and the file
is forgotten. What would run or fetch something is a fault, for whoever sent it should know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser

from ris.domain.errors import RisError
from ris.domain.mrrt import (
    ACTIONS,
    FIELD_TYPES,
    FORBIDDEN,
    LARGEST,
    LEFT_OUT,
    MERGES,
    MODALITIES,
    MUST_SAY,
    SHOULD_SAY,
    TYPE,
    Fault,
    Reading,
    section_of,
)
from ris.domain.mrrt_island import Island, read_island
from ris.domain.report_templates import (
    MOST_FIELDS,
    WRITTEN,
    Choice,
    Field,
    FieldKind,
    MergeSource,
    Part,
    TemplateContent,
    checked,
    number_of,
)
from ris.domain.report_texts import LONGEST_NAME, token

_ONCE = ("html", "head", "body", "title")
_BLOCKS = frozenset(
    {
        *("p", "div", "li", "ul", "ol", "tr", "table", "section", "header", "dl", "dt", "dd"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "article", "fieldset"),
    }
)
_MATCHED = frozenset({"section", "select", "option", "textarea", "script", "label", "title"})
_SPACES = re.compile(r"[ \t\r\f\v\n\u00a0]+")
_W3C_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2}(T.*)?)?)?")


@dataclass(slots=True)
class _Said:
    """A field as the file says it."""

    line: int
    kind: str
    attributes: dict[str, str]
    mark: str
    options: list[tuple[str, str, bool]] = field(default_factory=list)  # id, text, selected
    text: str = ""  # of a textarea


@dataclass(slots=True)
class _Section:
    line: int
    name: str
    identifier: str
    text: list[str] = field(default_factory=list)


class _File(HTMLParser):
    """One pass over the file: what is said, where, and what is wrong with its form."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[Fault] = []
        self.notes: list[Fault] = []
        self.counts: dict[str, int] = {}
        self.doctype = False
        self.title = ""
        self.about: dict[str, str] = {}
        self.about_lines: dict[str, int] = {}
        self.charsets: list[tuple[int, str]] = []
        self.island = ""
        self.island_line = 0
        self.islands = 0
        self.sections: list[_Section] = []
        self.depth = 0  # of sections
        self.fields: list[_Said] = []
        self.identifiers: dict[str, int] = {}
        self.labels: list[tuple[int, str, str]] = []  # line, for, text
        self._open: list[tuple[str, int]] = []
        self._label: tuple[int, str] | None = None
        self._label_text = ""
        self._header: int | None = None  # the depth of sections it belongs to
        self._header_text = ""
        self._select: _Said | None = None
        self._option: dict[str, str] | None = None
        self._option_text = ""
        self._textarea: _Said | None = None
        self.keys: dict[int, str] = {}  # sections that say themselves where they belong
        self._hint = 0  # inside of what is shown while filling in only

    # --- the parser's calls

    @property
    def line(self) -> int:
        return self.getpos()[0]

    def fault(self, text: str, line: int = 0) -> None:
        self.faults.append(Fault(line or self.line, text))

    def note(self, text: str, line: int = 0) -> None:
        self.notes.append(Fault(line or self.line, text))

    def handle_decl(self, decl: str) -> None:
        if decl.casefold().split() == ["doctype", "html"]:
            self.doctype = True
        else:
            self.fault("the document type is not <!DOCTYPE html>")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {key: value or "" for key, value in attrs}
        self._check(tag, said)
        if tag in _ONCE:
            self.counts[tag] = self.counts.get(tag, 0) + 1
            if self.counts[tag] > 1:
                self.fault(f"there is a second <{tag}>")
        if tag in _MATCHED:
            self._open.append((tag, self.line))
        if "id" in said and tag in {"section", "input", "select", "textarea", "option"}:
            self._identify(said["id"].strip())
        match tag:
            case "meta":
                self._meta(said)
            case "script":
                self._script(said)
            case "section":
                self._begin_section(said)
            case "header":
                self._header, self._header_text = self.depth, ""
            case "label":
                self._label, self._label_text = (self.line, said.get("for", "").strip()), ""
            case "input" | "select" | "textarea":
                self._field(tag, said)
            case "option":
                self._option, self._option_text = said, ""
            case "br":
                self._write("\n")
            case "td" | "th":
                self._write(" ")
            case "mark":
                self._hint += 1
            case _ if tag in _BLOCKS:
                self._write("\f")

    def handle_endtag(self, tag: str) -> None:
        if tag in _MATCHED:
            if not self._open or self._open[-1][0] != tag:
                self.fault(f"</{tag}> closes nothing that is open")
                return
            self._open.pop()
        match tag:
            case "section":
                self._write("\f")
                self.depth -= 1
            case "header":
                self._end_header()
            case "label" if self._label is not None:
                self.labels.append((*self._label, _SPACES.sub(" ", self._label_text).strip()))
                self._label = None
            case "select":
                self._select = None
            case "option" if self._option is not None:
                self._end_option(self._option)
                self._option = None
            case "textarea":
                self._textarea = None
            case "mark":
                self._hint = max(self._hint - 1, 0)
            case _ if tag in _BLOCKS:
                self._write("\f")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """``<p/>`` is no empty element in HTML5, but in XHTML, and peers write it."""
        self.handle_starttag(tag, attrs)
        if tag in _MATCHED or tag in _BLOCKS:
            self.handle_endtag(tag)

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] == "script":
            self.island += data
        elif self._open and self._open[-1][0] == "title":
            self.title += data
        elif self._option is not None:
            self._option_text += data
        elif self._textarea is not None:
            self._textarea.text += data
        elif self._header is not None:
            self._header_text += data
        else:
            if self._label is not None:
                self._label_text += data
            self._write(_SPACES.sub(" ", data))

    def close(self) -> None:
        super().close()
        for tag, line in self._open:
            self.fault(f"<{tag}> is not closed", line)

    # --- what they mean

    def _check(self, tag: str, said: dict[str, str]) -> None:
        if tag in FORBIDDEN:
            self.fault(f"<{tag}> has no place in a template: it runs, fetches or sends something")
        for name, value in said.items():
            if name.startswith("on") or "javascript:" in value.casefold().replace(" ", ""):
                self.fault(f"the attribute {name} of <{tag}> would run a script")
        if tag in LEFT_OUT:
            self.note(f"<{tag}> is left out: text, fields and codes are taken over")

    def _identify(self, identifier: str) -> None:
        if identifier in self.identifiers:
            first = self.identifiers[identifier]
            self.fault(f"the id {identifier} is used a second time, first on line {first}")
        self.identifiers.setdefault(identifier, self.line)

    def _meta(self, said: dict[str, str]) -> None:
        if "charset" in said:
            self.charsets.append((self.line, said["charset"].strip()))
        elif said.get("http-equiv", "").casefold() == "content-type":
            _, _, charset = said.get("content", "").partition("charset=")
            self.charsets.append((self.line, charset.strip()))
        name = said.get("name", "").casefold()
        if name.startswith("dcterms."):
            key = name.removeprefix("dcterms.")
            value = " ".join(said.get("content", "").split())
            if key in self.about and key != "contributor":
                self.fault(f"dcterms.{key} is said twice")
            earlier = self.about.get(key, "") if key == "contributor" else ""
            self.about[key] = f"{earlier}; {value}" if earlier else value
            self.about_lines[key] = self.line

    def _script(self, said: dict[str, str]) -> None:
        if said.get("type", "").strip().casefold() != "text/xml":
            self.fault("a <script> other than the text/xml of the profile would run")
            return
        if "src" in said:
            self.fault("the XML of the template stands elsewhere (src): nothing is fetched")
        self.islands += 1
        if self.islands > 1:
            self.fault('there is a second <script type="text/xml">')
        self.island_line = self.line
        self.island = ""

    def _begin_section(self, said: dict[str, str]) -> None:
        self._write("\f")
        self.depth += 1
        name = " ".join(said.get("data-section-name", "").split()).rstrip(":").strip()
        if not name:
            self.fault("a <section> needs a data-section-name")
        if self.depth == 1:
            self.sections.append(_Section(self.line, name, said.get("id", "").strip()))
            key = said.get("data-ris-section", "")
            if key in WRITTEN:
                self.keys[len(self.sections) - 1] = key

    def _end_header(self) -> None:
        """The first level names its section; below it a header is a line of the text."""
        depth, words = self._header, _SPACES.sub(" ", self._header_text).strip()
        self._header = None
        if depth is not None and depth > 1 and words:
            self._write(f"\f{words}\f")

    def _field(self, tag: str, said: dict[str, str]) -> None:
        if self.depth == 0:
            self.fault("a field stands outside of every section")
        kind = {"select": "select", "textarea": "textarea"}.get(
            tag, said.get("type", "text").strip().casefold() or "text"
        )
        mark = f"\x00{len(self.fields)}\x01"
        each = _Said(self.line, kind, said, mark)
        self.fields.append(each)
        if tag == "select":
            self._select = each
        elif tag == "textarea":
            self._textarea = each
        self._write(mark)

    def _end_option(self, said: dict[str, str]) -> None:
        text = _SPACES.sub(" ", self._option_text).strip()
        if self._select is None:
            self.fault("an <option> stands outside of a <select>")
        elif said.get("value", text).strip():  # an empty value is the prompt
            self._select.options.append((said.get("id", "").strip(), text, "selected" in said))

    def _write(self, text: str) -> None:
        if self.depth == 0:
            if text.strip() and "body" in self.counts:
                self.note("text outside of the sections is left out")
            return
        if self._hint and "\x00" not in text:
            return
        self.sections[-1].text.append(text)


def read(payload: bytes) -> Reading:
    """What the file is, with every fault that was found in it."""
    if len(payload) > LARGEST:
        return Reading(faults=(Fault(1, f"the file is larger than {LARGEST // 1000} kB"),))
    try:
        text = payload.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = payload[: error.start].count(b"\n") + 1
        return Reading(faults=(Fault(line, "the file is not UTF-8"),))
    if "\x00" in text or "\x01" in text:
        return Reading(faults=(Fault(1, "the file holds characters that no text has"),))
    said = _File()
    said.feed(text)
    said.close()
    _check_form(said)
    if len(said.fields) > MOST_FIELDS:
        # Not looked at any further: naming them takes time with the square of their number.
        said.fault(
            f"the template has {len(said.fields)} fields, at most {MOST_FIELDS} can be asked", 1
        )
        return Reading(faults=tuple(sorted(set(said.faults))))
    island = Island()
    if said.islands == 1:
        island, faults = read_island(said.island, said.island_line)
        said.faults += faults
        for key, line in island.lines.items():
            if key not in said.identifiers:
                said.fault(f"ORIGTXT {key} is the id of nothing in the file", line)
    return _made(said, island)


def _check_form(said: _File) -> None:
    if not said.doctype:
        said.fault("there is no <!DOCTYPE html>", 1)
    for tag in _ONCE:
        if tag not in said.counts:
            said.fault(f"there is no <{tag}>", 1)
    if said.counts.get("title") == 1 and not said.title.strip():
        said.fault("the <title> is empty", 1)
    if not said.charsets:
        said.fault("no <meta> says the character set", 1)
    for line, charset in said.charsets[1:]:
        said.fault(f"the character set is said a second time ({charset})", line)
    if said.charsets and said.charsets[0][1].casefold() not in {"utf-8", "utf8"}:
        line, charset = said.charsets[0]
        said.fault(f"the character set is {charset or 'empty'}; the profile has UTF-8", line)
    for key in MUST_SAY:
        if not said.about.get(key):
            said.fault(f"dcterms.{key} is missing", said.about_lines.get(key, 1))
    for key in SHOULD_SAY:
        if not said.about.get(key):
            said.note(f"dcterms.{key} is missing", 1)
    if said.about.get("type", TYPE) != TYPE:
        said.fault(f"dcterms.type is {said.about['type']}, not {TYPE}", said.about_lines["type"])
    _check_date(said)
    if said.islands == 0:
        said.fault('there is no <script type="text/xml">', 1)
    if not said.sections and said.counts.get("body"):
        said.fault("the template has no <section>", 1)


def _check_date(said: _File) -> None:
    value = said.about.get("date", "")
    if not value:
        return
    try:
        if _W3C_DATE.fullmatch(value) is None:
            raise ValueError
        parts = [int(part) for part in value[:10].split("-")]
        date(*([*parts, 1, 1][:3]))
    except ValueError:
        said.fault(f"dcterms.date is no date: {value}", said.about_lines["date"])


# --- fields and text ----------------------------------------------------------------------------


def _made(said: _File, island: Island) -> Reading:
    labels = {identifier: text for _, identifier, text in said.labels if identifier and text}
    known = {each.attributes.get("id", "").strip() for each in said.fields}
    for line, identifier, _ in said.labels:
        if identifier and identifier not in known:
            said.fault(f"the label is for {identifier}, which is no field", line)
    names: dict[str, str] = {}  # mark → name
    fields = []
    taken: set[str] = set()
    for number, each in enumerate(said.fields, 1):
        name = _name(each, labels, taken, number)
        taken.add(name.casefold())
        names[each.mark] = name
        made = _field(each, name, island, said)
        if made is not None:
            fields.append(made)
    parts = []
    for index, section in enumerate(said.sections):
        codes = island.entries.get(section.identifier, [])
        key = said.keys.get(index) or section_of(
            section.name, tuple(code.code for code in codes if code.scheme in {"LOINC", "LN"})
        )
        parts.append(
            Part(
                section=key,
                text=_text(section, names),
                title=section.name,
                concept=codes[0] if codes else None,
                identifier=section.identifier,
            )
        )
    content = TemplateContent(
        parts=tuple(parts),
        fields=tuple(fields),
        about={key: value for key, value in said.about.items() if value}
        | {key: value for key, value in island.about.items() if value},
        terms=tuple(island.terms),
        schemes=dict(island.schemes),
    )
    if not said.faults:
        try:
            content = checked(content)
        except RisError as error:
            said.fault(error.message, 1)
    faults = tuple(sorted(set(said.faults)))
    found = [MODALITIES.get(each.concept.code, "") for each in island.terms]
    return Reading(
        faults=faults,
        notes=tuple(sorted(set(said.notes))),
        content=content if not faults else None,
        name=said.about.get("title", "") or " ".join(said.title.split()),
        language=said.about.get("language", "en"),
        modalities=tuple(dict.fromkeys(each for each in found if each)),
    )


def _plain(text: str) -> str:
    return " ".join(text.replace("[", "(").replace("]", ")").split())


def _name(each: _Said, labels: dict[str, str], taken: set[str], number: int) -> str:
    """What the field is called: its label, title, name or id; made unique."""
    said = each.attributes
    label = labels.get(said.get("id", "").strip(), "")
    for words in (label, said.get("title", ""), said.get("name", ""), said.get("id", "")):
        name = _plain(words).rstrip(":").strip()[: LONGEST_NAME - 4].strip()
        if any(letter.isalpha() for letter in name):
            break
    else:
        name = f"Field {number}"
    unique, again = name, 2
    while unique.casefold() in taken:
        unique, again = f"{name} {again}", again + 1
    return unique


def _field(each: _Said, name: str, island: Island, said: _File) -> Field | None:
    attributes = each.attributes
    action = attributes.get("data-field-completion-action", "").strip().upper()
    if action not in ACTIONS:
        said.fault(f"{name}: {action} is no completion action (NONE, ALERT, PROHIBIT)", each.line)
    identifier = attributes.get("id", "").strip()
    codes = island.entries.get(identifier, [])
    common = Field(
        name=name,
        required=action == "PROHIBIT" or "required" in attributes,
        concept=codes[0] if codes else None,
        identifier=identifier,
    )
    if each.kind == "select":
        return _select(each, common, island, said)
    if each.kind == "textarea":
        return replace(common, default=_plain(each.text))
    if each.kind not in FIELD_TYPES:
        said.fault(f"{name}: the profile has no field of the type {each.kind}", each.line)
        return None
    if each.kind == "checkbox":
        text = _plain(attributes.get("value", "")) or name
        return replace(
            common,
            kind=FieldKind.CHOICES,
            choices=(Choice(text=text),),
            default=text if "checked" in attributes else "",
        )
    if each.kind == "number":
        return _number(each, common, said)
    default = _plain(attributes.get("value", ""))
    if each.kind == "date":
        return replace(common, kind=FieldKind.DATE, default=default)
    if each.kind == "time":
        return replace(common, kind=FieldKind.TIME, default=default)
    if attributes.get("data-field-merge-flag", "").strip().casefold() == "true":
        return _merge(each, common, said)
    return replace(common, default=default)


def _merge(each: _Said, common: Field, said: _File) -> Field:
    wanted = each.attributes.get("data-ris-merge", "").strip()
    source = next((one for one in MergeSource if one.value == wanted), None)
    for words in (common.name, each.attributes.get("name", ""), common.identifier):
        source = source or MERGES.get(words.casefold().replace("_", " ").replace("-", " ").strip())
    if source is None:
        said.note(
            f"{common.name} is to be filled in by the system, which does not know it: it is asked",
            each.line,
        )
        return replace(common, required=True)
    return replace(common, kind=FieldKind.MERGE, source=source)


def _number(each: _Said, common: Field, said: _File) -> Field:
    found: dict[str, Decimal | None] = {}
    for key in ("min", "max", "value"):
        raw = each.attributes.get(key, "").strip()
        found[key] = number_of(raw) if raw else None
        if raw and found[key] is None:
            said.fault(f"{common.name}: {key} is no number: {raw}", each.line)
    low, high = found["min"], found["max"]
    if low is not None and high is not None and low > high:
        said.fault(f"{common.name}: min is above max", each.line)
    return replace(
        common,
        kind=FieldKind.NUMBER,
        minimum=low,
        maximum=high,
        unit=_plain(each.attributes.get("data-field-units", "")),
        default=each.attributes.get("value", "").strip(),
    )


def _select(each: _Said, common: Field, island: Island, said: _File) -> Field | None:
    choices = []
    seen = set()
    picked = []
    for identifier, text, selected in each.options:
        words = _plain(text)
        if not words or words in seen:
            said.fault(
                f"{common.name}: {'a choice has no text' if not words else words + ' twice'}",
                each.line,
            )
            continue
        seen.add(words)
        codes = island.entries.get(identifier, []) if identifier else []
        choices.append(Choice(text=words, concept=codes[0] if codes else None))
        if selected:
            picked.append(words)
    several = "multiple" in each.attributes
    if len(choices) < (1 if several else 2):
        said.fault(f"{common.name}: a selection list needs something to choose from", each.line)
        return None
    if len(picked) > 1 and not several:
        said.fault(f"{common.name}: two choices are selected of one", each.line)
    return replace(
        common,
        kind=FieldKind.CHOICES if several else FieldKind.CHOICE,
        choices=tuple(choices),
        default="\n".join(picked),
    )


def _text(section: _Section, names: dict[str, str]) -> str:
    """The section as lines of text, its fields as brackets."""
    text = "".join(section.text).replace("[", "(").replace("]", ")")
    for mark, name in names.items():
        text = text.replace(mark, token(name))
    blocks = [re.sub(r" *\n *", "\n", block).strip(" \n") for block in text.split("\f")]
    lines = "\n".join(re.sub(r" {2,}", " ", block) for block in blocks if block)
    return re.sub(r"\n{3,}", "\n\n", lines).strip()
