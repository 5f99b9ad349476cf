"""Whatever comes: an answer or a refusal of ours, and what is taken is not changed."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ris.domain.errors import RisError
from worklist import dicom_json
from worklist.elements import Texts, read
from worklist.prescan import prescan
from worklist.sop_classes import EXPLICIT_VR_LITTLE_ENDIAN
from worklist.web import json_model, xml_model
from worklist.web.encoding import encode
from worklist.web.exchange import Incoming
from worklist.web.negotiation import form_for, ranges
from worklist.web.parameters import pairs_of, search_parameters

# --- datasets that are right

LINE = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\\=^"),
    min_size=1,
    max_size=12,
).filter(lambda text: text == text.strip())
NAMES = st.dictionaries(
    st.sampled_from(["Alphabetic", "Ideographic", "Phonetic"]), LINE, min_size=1
)
ATTRIBUTES = st.one_of(
    st.builds(lambda values: {"vr": "LO", "Value": values}, st.lists(LINE, min_size=1, max_size=3)),
    st.builds(
        lambda values: {"vr": "PN", "Value": values}, st.lists(NAMES, min_size=1, max_size=2)
    ),
    st.builds(
        lambda values: {"vr": "US", "Value": values},
        st.lists(st.integers(0, 65535), min_size=1, max_size=3),
    ),
    st.just({"vr": "SH"}),
    st.just({"vr": "OB", "InlineBinary": "AQID/w=="}),
)
PRIVATE = st.integers(0x1000, 0x10FF).map(lambda number: f"0009{number:04X}")
DATASETS = st.recursive(
    st.dictionaries(PRIVATE, ATTRIBUTES, max_size=4),
    lambda inner: st.dictionaries(
        PRIVATE,
        ATTRIBUTES
        | st.builds(
            lambda items: {"vr": "SQ", "Value": items}, st.lists(inner, min_size=1, max_size=2)
        ),
        max_size=4,
    ),
    max_leaves=6,
)


@given(DATASETS)
@settings(max_examples=100, deadline=None)
def test_a_dataset_is_the_same_behind_every_encoding(data: dict[str, Any]) -> None:
    encoded = encode(data)

    found = dicom_json.to_json(Texts.of(read(encoded, EXPLICIT_VR_LITTLE_ENDIAN)))
    assert found == data
    assert json_model.read(json_model.write([found])) == data
    assert xml_model.read(xml_model.write(found)) == data
    prescan(encoded, EXPLICIT_VR_LITTLE_ENDIAN, depth=16)


# --- anything at all

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["vr", "Value", "InlineBinary", "BulkDataURI", "00100010", "00400100",
                         "00091001", "Alphabetic"]) | st.text(max_size=8),
        inner | st.sampled_from(["SQ", "PN", "LO", "US", "AT", "OB", "FD", "DS"]),
        max_size=4,
    ),
    max_leaves=15,
)  # fmt: skip


@given(ANYTHING)
@settings(max_examples=200, deadline=None)
def test_any_json_is_taken_or_refused(value: Any) -> None:
    raw = json.dumps(value).encode()

    try:
        encoded = encode(json_model.read(raw))
    except RisError:
        return
    read(encoded, EXPLICIT_VR_LITTLE_ENDIAN)


PIECES = st.lists(
    st.sampled_from([
        "<NativeDicomModel>", "</NativeDicomModel>", '<DicomAttribute tag="00100010" vr="PN">',
        '<DicomAttribute tag="00400100" vr="SQ">', '<DicomAttribute tag="001021C0" vr="US">',
        "</DicomAttribute>", '<Item number="1">', "</Item>", '<Value number="1">', "</Value>",
        '<PersonName number="2">', "</PersonName>", "<Alphabetic>", "</Alphabetic>",
        "<FamilyName>", "</FamilyName>", "<InlineBinary>", "</InlineBinary>", "<BulkData/>", "1",
        "x", "&amp;", "&#0;", "<!-- -->", "<![CDATA[a]]>", "<?pi x?>", "<!DOCTYPE a>",
    ]),
    max_size=14,
).map("".join)  # fmt: skip


@given(PIECES | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
@settings(max_examples=300, deadline=None)
def test_any_xml_is_taken_or_refused(text: str) -> None:
    try:
        encoded = encode(xml_model.read(f"<NativeDicomModel>{text}</NativeDicomModel>".encode()))
    except RisError:
        return
    read(encoded, EXPLICIT_VR_LITTLE_ENDIAN)


@given(st.binary(max_size=80), st.sampled_from(["multipart/related; boundary=b", "x", ""]))
@settings(max_examples=200, deadline=None)
def test_any_body_is_taken_or_refused(body: bytes, content_type: str) -> None:
    incoming = Incoming("http://x/dicom-web/a/1.2", {"Content-Type": content_type}, body)

    try:
        incoming.request("CT1")
    except RisError:
        return


QUERIES = st.lists(
    st.sampled_from(["PatientName", "00400100.Modality", "StudyInstanceUID", "includefield", "all",
                     "limit", "offset", "fuzzymatching", "true", "&", "=", "%", "%FF", ",", ".",
                     "%5C", "*", "1", "00100010", "é", "%1B", "PregnancyStatus"])
    | st.text(max_size=4),
    max_size=12,
).map("".join)  # fmt: skip


@given(QUERIES)
@settings(max_examples=300, deadline=None)
def test_any_query_is_taken_or_refused(query: str) -> None:
    try:
        encoded = encode(search_parameters(pairs_of(query)).identifier)
    except RisError:
        return
    read(encoded, EXPLICIT_VR_LITTLE_ENDIAN)


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_accept_header_is_taken_or_refused(text: str) -> None:
    assert all(0 <= one.quality <= 1 for one in ranges(text))
    try:
        form_for(text)
    except RisError:
        return
