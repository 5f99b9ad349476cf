"""In which form to answer."""

from __future__ import annotations

import pytest

from worklist.web.negotiation import Form, form_for, ranges, require_utf8
from worklist.web.refusal import HttpError


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form.JSON),
        ("*/*", Form.JSON),
        ("application/*", Form.JSON),
        ("application/dicom+json", Form.JSON),
        ("application/dicom+json; charset=utf-8", Form.JSON),
        ("application/dicom+json; transfer-syntax=1.2.840.10008.1.2.1", Form.JSON),
        ("application/json", Form.PLAIN_JSON),
        ("text/html, application/json;q=0.9, */*;q=0.8", Form.PLAIN_JSON),
        ("application/dicom+xml", Form.XML),
        ('multipart/related; type="application/dicom+xml"', Form.MULTIPART_XML),
        ("multipart/related; type=application/dicom+xml", Form.MULTIPART_XML),
        ('multipart/related;type="application/dicom+json"; boundary=x', Form.MULTIPART_JSON),
        ("multipart/related", Form.MULTIPART_XML),
        ("multipart/*", Form.MULTIPART_XML),
        ("application/dicom+xml;q=0.4, application/dicom+json;q=0.5", Form.JSON),
        ("application/dicom+xml;q=0.6, application/dicom+json;q=0.5", Form.XML),
        ("*/*;q=0.1, application/dicom+json;q=0", Form.XML),
        ("application/dicom+json;q=2, application/dicom+xml;q=0.1", Form.XML),
        ("nonsense, application/dicom+xml", Form.XML),
        ("APPLICATION/DICOM+XML", Form.XML),
    ],
)
def test_the_form_that_is_welcome_most_is_chosen(accept: str, form: Form) -> None:
    assert form_for(accept) is form


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "application/dicom",
        "application/dicom+json;q=0",
        "application/dicom+json; charset=iso-8859-1",
        'multipart/related; type="image/jpeg"',
        "*/*;q=0",
    ],
)
def test_what_is_not_offered_is_not_acceptable(accept: str) -> None:
    with pytest.raises(HttpError) as caught:
        form_for(accept)

    assert caught.value.status == 406
    assert caught.value.message.startswith("cannot answer in that form; offered: application/dicom")


@pytest.mark.parametrize(
    ("header", "parameter"),
    [
        ("", ""),
        ("utf-8", ""),
        ("*", ""),
        ("iso-8859-1, utf-8;q=0.1", ""),
        ("iso-8859-1", "UTF-8"),
        ("", '"ISO_IR 192"'),
        ("iso-8859-1, *;q=0.5", ""),
    ],
)
def test_utf_8_is_answered_where_it_is_welcome(header: str, parameter: str) -> None:
    require_utf8(header, parameter)


@pytest.mark.parametrize(
    ("header", "parameter"),
    [("iso-8859-1", ""), ("utf-8;q=0", ""), ("utf-8", "ISO_IR 100"), ("*;q=0", ""), (",", "")],
)
def test_another_character_set_is_refused(header: str, parameter: str) -> None:
    with pytest.raises(HttpError) as caught:
        require_utf8(header, parameter)

    assert caught.value.status == 400


def test_quoted_commas_and_semicolons_divide_nothing() -> None:
    found = ranges('multipart/related; type="a,b;c"; q=0.5, text/plain')

    assert [(one.name, one.quality, dict(one.parameters)) for one in found] == [
        ("multipart/related", 0.5, {"type": "a,b;c"}),
        ("text/plain", 1.0, {}),
    ]
