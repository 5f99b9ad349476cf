"""Printed labels, read back by a barcode reader as the printer would print them."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from ris.domain.arrivals import LabelSize
from ris.domain.errors import InvalidValueError
from ris.printing import fonts, labels
from ris.printing.labels import Label, print_labels, print_wristband
from tests import programs

ANNA = Label(
    name="MÜLLER-ŁUKASZEWICZ, Anna Maria",
    birth_date="3 May 1970",
    sex="F",
    number="H100161",
    accession="A26000123",
    exam="CT of abdomen and pelvis with contrast",
    at="Today 14:30, CT room",
    ticket="17",
)


def label_pdf(label: Label, size: LabelSize, *, copies: int = 1, first: int = 1) -> bytes:
    stream = io.BytesIO()
    print_labels([label], size, stream, copies=copies, first=first)
    return stream.getvalue()


def pages(pdf: bytes, folder: Path) -> list[Image.Image]:
    """The pages as a printer of 300 dots per inch would print them."""
    programs.demand("poppler")
    (folder / "labels.pdf").write_bytes(pdf)
    subprocess.run(
        ["pdftoppm", "-r", "300", "-gray", "-png", "labels.pdf", "page"], cwd=folder, check=True
    )
    return [Image.open(path) for path in sorted(folder.glob("page*.png"))]


def codes(image: Image.Image) -> list[tuple[str, str]]:
    return sorted((str(each.format), each.text) for each in zxingcpp.read_barcodes(image))


def words(pdf: bytes, folder: Path) -> str:
    programs.demand("poppler")
    (folder / "words.pdf").write_bytes(pdf)
    done = subprocess.run(
        ["pdftotext", "-layout", "words.pdf", "-"], cwd=folder, check=True, capture_output=True
    )
    return " ".join(done.stdout.decode().split())


@pytest.mark.parametrize(
    "size", [LabelSize.SMALL, LabelSize.MEDIUM, LabelSize.LARGE, LabelSize.WIDE]
)
def test_both_numbers_are_read_back_from_every_label(size: LabelSize, tmp_path: Path) -> None:
    (page,) = pages(label_pdf(ANNA, size), tmp_path)

    read = codes(page)

    assert [text for _, text in read] == ["A26000123", "H100161", "RIS:A26000123:H100161"]


def test_wristband_says_who_it_is_and_nothing_of_the_exam(tmp_path: Path) -> None:
    stream = io.BytesIO()
    print_wristband(ANNA, stream)
    (page,) = pages(stream.getvalue(), tmp_path)

    text = words(stream.getvalue(), tmp_path)

    assert [code for _, code in codes(page)] == ["H100161", "RIS:A26000123:H100161"]
    assert "MÜLLER-ŁUKASZEWICZ, Anna Maria" in text
    assert "3 May 1970" in text
    assert "abdomen" not in text


def test_sheet_begins_at_the_place_that_is_free(tmp_path: Path) -> None:
    (page,) = pages(label_pdf(ANNA, LabelSize.A4_24, copies=2, first=23), tmp_path)

    height = page.height
    above, below = page.crop((0, 0, page.width, height * 6 // 8)), page

    assert codes(above) == []
    assert len(codes(below)) == 6


def test_long_name_is_set_smaller_and_wrapped_and_never_cut(tmp_path: Path) -> None:
    name = "WOLFESCHLEGELSTEINHAUSEN-BERGERDORFF, Hubert Blaine Maximilian Sebastian"
    label = Label(
        name=name, birth_date="29 Feb 2024", sex="M", number="0012345678", accession="A26000124"
    )

    text = words(label_pdf(label, LabelSize.MEDIUM), tmp_path)

    assert "".join(name.split()) in "".join(text.split())
    assert "0012345678" in text


def test_name_of_one_very_long_word_goes_over_the_end_of_the_line(tmp_path: Path) -> None:
    label = Label(name="Ki" * 40, birth_date="1970", sex="F", number="1", accession="A26000124")

    text = words(label_pdf(label, LabelSize.MEDIUM), tmp_path)

    assert "Ki" * 40 in "".join(text.split())


def test_exam_is_left_out_whole_where_there_is_no_room(tmp_path: Path) -> None:
    text = words(label_pdf(ANNA, LabelSize.SMALL), tmp_path)

    assert "H100161" in text
    assert "A26000123" in text
    assert "CT of" not in text


@pytest.mark.parametrize(
    "change",
    [
        {"name": " ".join(["W" * 20] * 6)},
        {"number": "N" * 64},
    ],
)
def test_who_it_is_is_refused_rather_than_cut(change: dict[str, str]) -> None:
    long = Label(
        **{"name": "Berg", "birth_date": "1970", "sex": "", "number": "1", "accession": "2"}
        | change
    )

    with pytest.raises(InvalidValueError, match="choose a larger one") as refused:
        label_pdf(long, LabelSize.SMALL)

    assert refused.value.path == "size"


@pytest.mark.parametrize(
    "name", ["山田 太郎", "אברהם כהן", "محمد العلي", "Νικόλαος Παπάς", "김 철수"]
)
def test_names_of_every_script_have_their_letters(name: str) -> None:
    assert not fonts.missing([name])
    assert label_pdf(Label(name=name, birth_date="", sex="", number="1"), LabelSize.MEDIUM)


def test_number_without_bars_stands_in_the_square_code(tmp_path: Path) -> None:
    label = Label(name="Berg", birth_date="", sex="", number="Nº7", accession="A26000125")
    (page,) = pages(label_pdf(label, LabelSize.MEDIUM), tmp_path)

    assert [text for _, text in codes(page)] == ["A26000125", "RIS:A26000125:Nº7"]


def test_same_label_gives_the_same_bytes() -> None:
    assert label_pdf(ANNA, LabelSize.MEDIUM) == label_pdf(ANNA, LabelSize.MEDIUM)
    assert labels.qr_text(ANNA) == "RIS:A26000123:H100161"
