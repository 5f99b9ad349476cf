"""One pass over an MRRT file: what is said in it, on which line, and what is wrong with its form.

What would run or fetch something is a fault, for whoever sent it should know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from ris.domain.mrrt import FORBIDDEN, LEFT_OUT, Fault
from ris.domain.report_templates import WRITTEN

ONCE = ("html", "head", "body", "title")  # of each there is one
_BLOCKS = frozenset(
    {
        *("p", "div", "li", "ul", "ol", "tr", "table", "section", "header", "dl", "dt", "dd"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "article", "fieldset"),
    }
)
_MATCHED = frozenset({"section", "select", "option", "textarea", "script", "label", "title"})
_SPACES = re.compile(r"[ \t\r\f\v\n\u00a0]+")


@dataclass(slots=True)
class SaidField:
    """A field as the file says it."""

    line: int
    kind: str
    attributes: dict[str, str]
    mark: str
    options: list[tuple[str, str, bool]] = field(default_factory=list)  # id, text, selected
    text: str = ""  # of a textarea


@dataclass(slots=True)
class SaidSection:
    line: int
    name: str
    identifier: str
    text: list[str] = field(default_factory=list)


class TemplateFile(HTMLParser):
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
        self.sections: list[SaidSection] = []
        self.depth = 0  # of sections
        self.fields: list[SaidField] = []
        self.identifiers: dict[str, int] = {}
        self.labels: list[tuple[int, str, str]] = []  # line, for, text
        self._open: list[tuple[str, int]] = []
        self._label: tuple[int, str] | None = None
        self._label_text = ""
        self._header: int | None = None  # the depth of sections it belongs to
        self._header_text = ""
        self._select: SaidField | None = None
        self._option: dict[str, str] | None = None
        self._option_text = ""
        self._textarea: SaidField | None = None
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
        if tag in ONCE:
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
            self.sections.append(SaidSection(self.line, name, said.get("id", "").strip()))
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
        each = SaidField(self.line, kind, said, mark)
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
