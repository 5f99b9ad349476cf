"""The XML island of an MRRT file: what the template is for, and the codes of its parts.

Read by expat without a document type, so that no entity is ever expanded and nothing is fetched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from ris.domain.mrrt import Fault
from ris.domain.report_fields import Concept
from ris.domain.report_templates import Term


@dataclass(slots=True)
class Island:
    """``entries``: ORIGTXT → its codes; ``lines`` where each was said."""

    terms: list[Term] = field(default_factory=list)
    schemes: dict[str, str] = field(default_factory=dict)
    entries: dict[str, list[Concept]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)


class _RefusedError(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(slots=True)
class _Reader:
    offset: int  # lines of the file before the island
    island: Island = field(default_factory=Island)
    faults: list[Fault] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    attributes_seen: int = 0
    coded_seen: int = 0
    entry: str | None = None
    term: str | None = None
    codes: int = 0
    terms: int = 0
    schemes: int = 0
    plain: dict[str, str] = field(default_factory=dict)  # code_value and its kin, as elements
    words: str = ""
    line: int = 0
    used: list[tuple[str, int]] = field(default_factory=list)

    def fault(self, text: str) -> None:
        self.faults.append(Fault(self.line, text))

    def start(self, tag: str, said: dict[str, str]) -> None:
        self.words = ""
        match tag:
            case "template_attributes":
                self.attributes_seen += 1
                if self.attributes_seen > 1:
                    self.fault("there is a second <template_attributes>")
            case "coded_content":
                self.coded_seen += 1
                if self.coded_seen > 1:
                    self.fault("there is a second <coded_content>")
            case "coding_schemes":
                self.schemes = 0
            case "coding_scheme":
                self._scheme(said)
            case "entry":
                self._entry(said)
            case "term":
                self.term = said.get("type", "").strip()
                self.codes, self.plain = 0, {}
                self.terms += 1
            case "code":
                self._code(said)
            case _:
                pass
        self.path.append(tag)

    def _scheme(self, said: dict[str, str]) -> None:
        self.schemes += 1
        name, designator = said.get("name", "").strip(), said.get("designator", "").strip()
        if not name or not designator:
            self.fault("a <coding_scheme> needs a name and a designator")
        else:
            self.island.schemes[name.upper()] = designator

    def _entry(self, said: dict[str, str]) -> None:
        self.entry = said.get("ORIGTXT", "").strip()
        self.terms = 0
        if not self.entry:
            self.fault("an <entry> needs ORIGTXT, the id of what it codes")
        elif self.entry in self.island.entries:
            self.fault(f"ORIGTXT {self.entry} is coded twice")
        else:
            self.island.entries[self.entry] = []
            self.island.lines[self.entry] = self.line

    def _code(self, said: dict[str, str]) -> None:
        if "term" not in self.path:
            self.fault("a <code> stands outside of a <term>")
            return
        self.codes += 1
        missing = [key for key in ("meaning", "value", "scheme") if not said.get(key, "").strip()]
        if missing:
            self.fault(f"a <code> lacks {' and '.join(missing)}")
            return
        self._note(said["value"], said["scheme"], said["meaning"])

    def _note(self, value: str, scheme: str, meaning: str) -> None:
        concept = Concept(
            code=value.strip(), scheme=scheme.strip().upper(), meaning=" ".join(meaning.split())
        )
        self.used.append((concept.scheme, self.line))
        if self.entry:
            self.island.entries[self.entry].append(concept)
        elif self.term:
            self.island.terms.append(Term(type=self.term, concept=concept))
        else:
            self.fault("a <term> of the template needs a type: modality, body part")

    def end(self, tag: str) -> None:
        self.path.pop()
        match tag:
            case "term":
                self._end_of_term()
            case "entry":
                if self.entry and not self.terms:
                    self.fault(f"the <entry> for {self.entry} has no <term>")
                self.entry = None
            case "coding_schemes":
                if not self.schemes:
                    self.fault("<coding_schemes> names no <coding_scheme>")
            case "code_value" | "code_meaning" | "coding_scheme_designator":
                self.plain[tag] = self.words.strip()
            case "status" | "top-level-flag" | "top_level_flag":
                self.island.about[tag.replace("_", "-")] = self.words.strip()
            case _:
                pass
        self.words = ""

    def _end_of_term(self) -> None:
        if self.plain:  # as the first editions of the profile had it
            said = self.plain
            missing = [
                key
                for key in ("code_meaning", "code_value", "coding_scheme_designator")
                if not said.get(key)
            ]
            if missing:
                self.fault(f"a <term> lacks <{'> and <'.join(missing)}>")
            else:
                self.codes += 1
                designator = said["coding_scheme_designator"]
                names = {oid: name for name, oid in self.island.schemes.items()}
                self._note(
                    said["code_value"], names.get(designator, designator), said["code_meaning"]
                )
                self.used.pop()  # these name their scheme themselves
        elif self.codes == 0:
            self.fault("a <term> needs a <code>")
        if self.codes > 1:
            self.fault("a <term> has more than one <code>")
        self.term = None


def read_island(text: str, first_line: int) -> tuple[Island, list[Fault]]:
    """The island, and what is wrong with it; ``first_line`` is where it begins in the file."""
    reader = _Reader(first_line - 1)
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def where() -> None:
        reader.line = reader.offset + parser.CurrentLineNumber

    def start(tag: str, said: dict[str, str]) -> None:
        where()
        reader.start(tag, said)

    def end(tag: str) -> None:
        where()
        reader.end(tag)

    def characters(said: str) -> None:
        reader.words += said

    def refuse(*_: object) -> None:
        raise _RefusedError("a document type or an entity has no place in a template")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    # Several elements may stand side by side: the profile's first edition had coded_content after
    # template_attributes. The wrapper begins on the island's first line.
    try:
        parser.Parse(f"<island>{text}</island>", True)
    except expat.ExpatError as error:
        line = reader.offset + error.lineno
        reader.faults.append(
            Fault(line, f"the XML is not well formed: {expat.ErrorString(error.code)}")
        )
    except _RefusedError as error:
        where()
        reader.fault(error.text)
    else:
        reader.line = first_line
        if not reader.attributes_seen:
            reader.fault("the XML has no <template_attributes>")
        for scheme, line in reader.used:
            if scheme not in reader.island.schemes:
                reader.line = line
                reader.fault(f"the coding scheme {scheme} is not among <coding_schemes>")
    return reader.island, reader.faults
