"""Reports of wells and of many wells: complete, self-contained, as HTML and as PDF."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gwforecast as gw
from gwforecast.reports.results import network_report, well_report, write_reports


@pytest.fixture(scope="module")
def evaluation() -> gw.Evaluation:
    observations = gw.load_sample().sel(well=["fen", "terrace"])
    return gw.evaluate(observations, models=["linear", "climatology"])


@pytest.fixture(scope="module")
def written(evaluation: gw.Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    write_reports(evaluation, folder)
    return folder


def test_a_page_has_all_its_parts_and_needs_nothing_else(written: Path) -> None:
    page = (written / "reports" / "fen.html").read_text("utf-8")
    for heading in (
        "Level and prediction", "Scores, test period", "Coverage of intervals by year",
        "Residuals of the validation and test periods", "Contributions of covariates",
        "Findings in the data", "Periods",
    ):  # fmt: skip
        assert f"<h2>{heading}</h2>" in page
    assert page.count("data:image/png;base64,") == 3
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "Skill is 1 - RMSE / RMSE of climatology on the same rows." in page


def test_the_pdf_has_pages_of_a4(written: Path) -> None:
    content = (written / "reports" / "fen.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    boxes = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", content)
    assert 2 <= len(boxes) <= 4
    assert {tuple(map(float, box)) for box in boxes} == {(595.44, 841.68)}


def test_the_page_of_all_wells_links_sorts_and_maps(written: Path) -> None:
    page = (written / "report.html").read_text("utf-8")
    assert 'href="reports/fen.html"' in page
    assert 'class="sorts"' in page
    assert page.count("data:image/png;base64,") == 2
    assert re.search(r'data-value="0\.\d+"', page)


def test_the_same_run_gives_the_same_page(evaluation: gw.Evaluation) -> None:
    assert network_report(evaluation).html() == network_report(evaluation).html()


def test_a_backtest_has_a_report(tmp_path: Path) -> None:
    result = gw.backtest(
        gw.load_sample().sel(well=["fen"]), models=["linear", "climatology"], horizon=20, stride=90
    )
    paths = write_reports(result, tmp_path)
    page = paths["reports/fen.html"].read_text("utf-8")
    assert "<h2>Hindcasts</h2>" in page
    for heading in (
        "Examples", "RMSE, m, by lead time", "CRPS, m, by lead time",
        "Skill against climatology, by lead time", "Reliability", "Calibration",
        "Coverage of the 95 % interval", "Coverage of the 95 % interval, by year",
        "How the forecasts were issued", "Findings in the data", "Periods",
    ):  # fmt: skip
        assert f"<h2>{heading}</h2>" in page
    assert "1 - CRPS / CRPS of climatology on the same pairs" in page
    assert "weather after the issue time: observed" in page


def test_an_unknown_well_is_refused(evaluation: gw.Evaluation) -> None:
    with pytest.raises(ValueError, match="of a well of the result: fen, terrace"):
        well_report(evaluation, well="x")


def test_an_answer_has_a_report(tmp_path: Path) -> None:
    filled = gw.fill(gw.load_sample().sel(well=["fen"]), models=["linear"])
    page = filled.report(tmp_path / "fen.html").read_text("utf-8")
    assert "Groundwater level at fen" in page
    assert page.count("<img") == len(filled.figures())
    assert all(str(name).replace("_", " ") in page for name in filled.summary().columns)
    assert filled.report(tmp_path / "fen.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(ValueError, match=r"a well of the result: fen\. Received 'x'"):
        filled.report(tmp_path / "x.html", well="x")
