"""FHIR XML: written in the order of R4 with nothing lost, read with nothing dangerous."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ET
from decimal import Decimal
from typing import Any

import pytest

from integration.fhir import json, xml
from integration.fhir.outcome import refusal
from ris.domain.errors import RisError

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
DIV = (
    '<div xmlns="http://www.w3.org/1999/xhtml"><p title=\'a "b"\'>1 &lt; 2&#160;&amp; '
    "<br/>3 <b >x</b></p></div>"
)

PATIENT: dict[str, Any] = {
    "active": True,
    "resourceType": "Patient",
    "birthDate": "1961-11",
    "_birthDate": {"id": "b", "extension": [{"valueInteger": 5, "url": "urn:x"}]},
    "name": [
        {
            "given": ["Åsa", None, "Maria"],
            "_given": [None, {"extension": [{"url": "urn:absent", "valueCode": "masked"}]}, None],
            "id": "n1",
            "family": 'Lind & "Quist" <\n>',
        },
        {"text": "鈴木"},
    ],
    "id": "p1",
    "text": {"div": DIV, "status": "generated"},
    "contained": [{"resourceType": "Organization", "name": "Ward", "id": "o"}],
    "managingOrganization": {"reference": "#o"},
    "_gender": {"extension": [{"url": "urn:absent", "valueCode": "unknown"}]},
}

PATIENT_XML = (
    f'{HEAD}<Patient xmlns="http://hl7.org/fhir"><id value="p1"/>'
    f'<text><status value="generated"/>{DIV}</text>'
    '<contained><Organization><id value="o"/><name value="Ward"/></Organization></contained>'
    '<active value="true"/>'
    '<name id="n1"><family value="Lind &amp; &quot;Quist&quot; &lt;&#10;&gt;"/>'
    '<given value="Åsa"/><given><extension url="urn:absent"><valueCode value="masked"/></extension>'
    '</given><given value="Maria"/></name><name><text value="鈴木"/></name>'
    '<gender><extension url="urn:absent"><valueCode value="unknown"/></extension></gender>'
    '<birthDate id="b" value="1961-11"><extension url="urn:x"><valueInteger value="5"/>'
    "</extension></birthDate>"
    '<managingOrganization><reference value="#o"/></managingOrganization></Patient>'
)


def test_a_resource_is_written_in_the_order_of_the_definition() -> None:
    assert xml.write(PATIENT).decode() == PATIENT_XML


def test_a_resource_is_read_as_it_was_written() -> None:
    assert xml.read(PATIENT_XML.encode()) == PATIENT


def observation(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **elements}


@pytest.mark.parametrize(
    "number", ["1.50", "100.00", "1", "-0.0", "1234567890123456789012345.6789", "1E+3", "0.0000001"]
)
def test_decimals_keep_their_digits(number: str) -> None:
    raw = json.write(observation(valueQuantity={"value": Decimal(number)}))
    assert f'"value":{number}'.encode() in raw

    written = xml.write(json.read(raw))

    assert f'<value value="{number}"/>'.encode() in written
    assert json.write(xml.read(written)) == raw


def test_entries_of_a_bundle_hold_their_resources() -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": "urn:x", "resource": PATIENT}, {"resource": observation()}],
    }

    assert xml.read(xml.write(bundle)) == bundle


@pytest.mark.parametrize(
    "elements",
    [
        {"valueBoolean": False},
        {"valueInteger": -7},
        {"valueString": " a\tb\r\n"},
        {"valueTime": "09:00:00"},
        {"valueSampledData": {"origin": {"value": 0}, "period": 1, "dimensions": 1}},
        {"bodySite": {"extension": [{"url": "urn:x", "valueBase64Binary": "AA=="}]}},
        {"component": [{"id": "c", "code": {"text": "a"}, "valueQuantity": {"value": 1}}]},
        {"_issued": {"id": "i", "extension": [{"url": "u", "valueUri": "urn:x"}]}},
    ],
    ids=lambda elements: next(iter(elements)),
)
def test_every_kind_of_element_comes_back(elements: dict[str, Any]) -> None:
    resource = observation(**elements)

    assert xml.read(xml.write(resource)) == resource


def test_a_list_of_extensions_alone_comes_back() -> None:
    name = {"_given": [{"extension": [{"url": "urn:absent", "valueCode": "masked"}]}]}
    resource = {"resourceType": "Patient", "name": [name]}

    assert xml.read(xml.write(resource)) == resource


def test_what_xml_cannot_hold_is_replaced() -> None:
    written = xml.write({"resourceType": "Patient", "name": [{"text": "a\ufffe\x01b"}]})

    text = ET.fromstring(written).find(".//{http://hl7.org/fhir}text")
    assert text is not None
    assert text.get("value") == "a\ufffd\ufffdb"


@pytest.mark.parametrize("div", ["no markup & all", "<div>a</div>", "<div>", '</text><x y="z"/>'])
def test_narrative_that_is_none_cannot_break_the_document(div: str) -> None:
    written = xml.write({"resourceType": "Patient", "text": {"status": "generated", "div": div}})

    found = ET.fromstring(written).find(".//{http://www.w3.org/1999/xhtml}div")
    assert found is not None
    assert "".join(found.itertext()) == div


# --- reading what others write


def patient(inner: str, head: str = "", attributes: str = "") -> bytes:
    return f'{head}<Patient xmlns="http://hl7.org/fhir"{attributes}>{inner}</Patient>'.encode()


def test_layout_comments_prefixes_and_schema_hints_say_nothing() -> None:
    raw = (
        b"\xef\xbb\xbf<?xml version='1.0' encoding='utf-8' ?>\n<!-- from the EHR -->"
        b'<f:Patient xmlns:f="http://hl7.org/fhir" '
        b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        b'xsi:schemaLocation="http://hl7.org/fhir ../patient.xsd">\n'
        b'  <f:active value="true"/><!-- still here -->\n  <f:birthDate value="1961"></f:birthDate>'
        b"\n</f:Patient>\n"
    )

    assert xml.read(raw) == {"resourceType": "Patient", "active": True, "birthDate": "1961"}


def test_narrative_with_a_prefix_of_the_document_is_written_anew() -> None:
    raw = (
        b'<Patient xmlns="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"><text>'
        b'<status value="generated"/><h:div><h:p title="a &amp; b">1 &lt; 2</h:p><h:br/></h:div>'
        b"</text></Patient>"
    )

    assert xml.read(raw)["text"]["div"] == (
        '<div xmlns="http://www.w3.org/1999/xhtml"><p title="a &amp; b">1 &lt; 2</p><br></br></div>'
    )


BOMB = (
    '<!DOCTYPE Patient [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
)  # fmt: skip
FILE = '<!DOCTYPE Patient [<!ENTITY a SYSTEM "file:///etc/passwd">]>'

REFUSED: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b" ", "empty", ""),
    "what is no XML": (b'{"resourceType":"Patient"}', "not XML", ""),
    "an open end": (b'<Patient xmlns="http://hl7.org/fhir">', "not XML", ""),
    "a document type": (patient("", "<!DOCTYPE Patient>"), "document types", ""),
    "entities in entities": (patient('<id value="&b;"/>', BOMB), "document types", ""),
    "an entity of a file": (patient('<id value="&a;"/>', FILE), "document types", ""),
    "an entity of HTML": (patient("<text>&nbsp;</text>"), "not XML", ""),
    "a processing instruction": (
        patient("", '<?xml-stylesheet href="http://x.example"?>'),
        "processing instructions",
        "",
    ),
    "an instruction within": (patient("<?php x?>"), "processing instructions", ""),
    "another encoding": (patient("", '<?xml version="1.0" encoding="UTF-16"?>'), "UTF-8", ""),
    "other bytes": (patient('<id value="a"/>').replace(b'"a"', b'"\xff"'), "not XML", ""),
    "no namespace": (b"<Patient/>", "no resource of", ""),
    "a root of another namespace": (b'<Patient xmlns="urn:hl7-org:v3"/>', "no resource of", ""),
    "a root that is no resource": (b'<HumanName xmlns="http://hl7.org/fhir"/>', "no resource", ""),
    "an element of another namespace": (
        patient('<x:y xmlns:x="urn:other" value="1"/>'), "not allowed", "Patient"),
    "an element that does not exist": (
        patient('<colour value="red"/>'), "no such element", "Patient.colour"),
    "an extension of a primitive as an element": (
        patient('<_birthDate id="a"/>'), "no such element", "Patient._birthDate"),
    "elements out of order": (
        patient('<birthDate value="1961"/><active value="true"/>'), "order", "Patient.active"),
    "an element that stands twice": (
        patient('<active value="true"/><active value="true"/>'), "twice", "Patient.active"),
    "an attribute that does not exist": (
        patient('<active value="true" class="x"/>'), "no attribute", "Patient.active"),
    "an attribute of an object": (
        patient('<name value="Berg"/>'), "no attribute", "Patient.name[0]"),
    "an attribute of the resource": (patient("", attributes=' id="a"'), "no attribute", "Patient"),
    "text between elements": (
        patient("<name>Berg</name>"), "no text", "Patient.name[0]"),
    "an element without a value": (patient("<active/>"), "neither", "Patient.active"),
    "an object in a primitive": (
        patient('<active value="true"><name/></active>'), "extensions", "Patient.active"),
    "an id of an element as an element": (
        patient('<name><id value="a"/></name>'), "no such element", "Patient.name[0].id"),
    "a url of an extension as an element": (
        patient('<extension><url value="urn:x"/></extension>'),
        "no such element", "Patient.extension[0].url"),
    "two resources in one place": (
        patient("<contained><Organization/><Organization/></contained>"),
        "one resource", "Patient.contained[0]"),
    "something contained that is no resource": (
        patient("<contained><HumanName/></contained>"), "no resource", "Patient.contained[0]"),
    "narrative outside XHTML": (
        patient('<text><status value="empty"/><div>a</div></text>'),
        "namespace", "Patient.text.div"),
    "another namespace in narrative": (
        patient('<text><div xmlns="http://www.w3.org/1999/xhtml"><y xmlns="urn:x"/></div></text>'),
        "XHTML only", ""),
    "very deep nesting": (
        patient('<extension url="u">' * 70 + "</extension>" * 70), "levels deep", ""),
    "very deep narrative": (
        patient('<text><div xmlns="http://www.w3.org/1999/xhtml">' + "<p>" * 70 + "</p>" * 70
                + "</div></text>"), "levels deep", ""),
    "very many values": (patient('<active value="true"/>' * 6000), "more values", ""),
    "U+0001": (patient('<id value="&#1;"/>'), "not XML", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_the_reader_refuses(name: str) -> None:
    raw, words, expression = REFUSED[name]

    with pytest.raises(RisError) as caught:
        xml.read(raw)

    found = refusal(caught.value)
    issue = found.body["issue"][0]
    assert (found.status, issue["code"]) == (400, "structure")
    assert words in issue["diagnostics"]
    assert "".join(issue.get("expression", [])) == expression


def test_all_faults_of_a_document_are_told() -> None:
    raw = patient('<active class="x" value="true"/><colour value="red"/><name>Berg</name>')

    with pytest.raises(RisError) as caught:
        xml.read(raw)

    expressions = [each.get("expression") for each in refusal(caught.value).body["issue"]]
    assert expressions == [["Patient.active"], ["Patient.colour"], ["Patient.name[0]"]]


def test_what_is_no_value_of_its_type_is_left_for_the_gate() -> None:
    raw = patient('<active value="yes"/><multipleBirthInteger value="two"/>')

    assert xml.read(raw) == {
        "resourceType": "Patient",
        "active": "yes",
        "multipleBirthInteger": "two",
    }


def test_no_mutation_of_a_document_is_an_error_of_ours() -> None:
    chance = random.Random(4711)
    pieces = [b"<", b">", b"/", b'"', b"&", b"<a/>", b"\x00", b"\xff", b"<!--", b"]]>", b"<?a?>",
              b' xmlns=""', b'<div xmlns="http://www.w3.org/1999/xhtml">', b"</div>"]  # fmt: skip
    sound = PATIENT_XML.encode()
    read = refused = 0
    for _ in range(3000):
        raw = bytearray(sound)
        for _ in range(chance.randint(1, 2)):
            at = chance.randrange(len(raw))
            raw[at : at + chance.randint(0, 12)] = chance.choice(pieces)
        try:
            found = xml.read(bytes(raw))
        except RisError:
            refused += 1
        else:
            assert found["resourceType"]
            read += 1
    assert (read + refused, read > 20) == (3000, True)
