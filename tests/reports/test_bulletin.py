"""The bulletin in a real browser: whole, inert, printable, and readable on a phone."""

from __future__ import annotations

import html.parser
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.reports.bulletin import bulletin

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE: list[str] = json.loads((Path(__file__).parents[1] / "hostile.json").read_text("utf-8"))


def network(names: list[str]) -> tuple[xr.Dataset, xr.Dataset]:
    """Return a product and the observations of some wells."""
    time = pd.date_range("2005-01-03", "2018-06-25", freq="W-MON")
    rng = np.random.default_rng(0)
    wave = np.sin(2 * np.pi * np.arange(time.size) / 52.18)
    level = wave + rng.normal(scale=0.1, size=(len(names), time.size)) + 10.0
    wells = np.array(names, object)
    observations = xr.Dataset(
        {
            "level": (("well", "time"), level, {"units": "m", "vertical_datum": "<b>NAP</b>"}),
            "rain": (("well", "time"), rng.gamma(1.0, 9.0, size=level.shape), {"units": "mm"}),
            "longitude": ("well", rng.uniform(4, 7, len(names))),
            "latitude": ("well", rng.uniform(51, 53, len(names))),
        },
        {"well": wells, "time": time},
    )
    ahead = level[:, -1, None, None] + np.linspace(-1, 1, 7) * np.linspace(0.1, 1, 13)[:, None]
    made = schema.label_forecast(
        ahead[:, None, :, 0], wells=names, frequency="W-MON", issue_times=time.values[-1:]
    )
    dims = ("well", "issue_time", "lead_time", "quantile")
    attrs = {"units": "m", "vertical_datum": "<b>NAP</b>"}
    text = {
        name: ("well", np.array([value] * len(names), object))
        for name, value in {
            "status": "ok", "reason": "<script>document.title='owned'</script>", "model": "blend",
            "forcing": "climatology", "bundle": "",
        }.items()
    }  # fmt: skip
    times = {
        name: ("well", np.full(len(names), time.values[-1]))
        for name in ("last_observation", "last_covariate", "trained_through")
    }
    product = made.assign_coords(quantile=list(QUANTILES)).assign(
        {"level": (dims, ahead[:, None], attrs), **text, **times}
    )
    return product, observations


class Found(html.parser.HTMLParser):
    """Tags and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs


def test_hostile_names_are_text() -> None:
    product, observations = network(HOSTILE)
    page = bulletin(product, observations=observations, title=HOSTILE[0], most_cards=5)
    found = Found(page)
    assert not found.tags & {"script", "iframe", "object", "embed", "form", "base", "link", "math"}
    names = {name for name, _ in found.attributes}
    assert not {name for name in names if name.startswith("on")}
    targets = [value for name, value in found.attributes if name in ("src", "href")]
    assert all(v is not None and v.startswith(("#well-", "data:image/png")) for v in targets)
    assert bulletin(product, observations=observations, title=HOSTILE[0], most_cards=5) == page


def test_a_page_of_many_wells_shows_those_first_that_are_not_as_they_should_be() -> None:
    product, observations = network([f"well {number}" for number in range(30)])
    product["status"][29] = "stale"
    page = bulletin(product, observations=observations, most_cards=2)
    assert "28 others" in page
    assert page.index('id="well-1-name">well 29') < page.index('id="well-2-name">well 0')
    assert page.count("<img") == 2
    assert bulletin(product).count("<img") == 0  # without observations there are no pictures


def browse(page: Path, *options: str) -> str:
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if BROWSER is None:
        pytest.skip("needs chromium")
    product, observations = network([*HOSTILE, "a sound well"])
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(bulletin(product, observations=observations, most_cards=3), "utf-8")
    return path


def test_nothing_runs_and_nothing_is_fetched(page: Path) -> None:
    dom = browse(page, "--dump-dom", "--enable-logging=stderr", "--v=0")
    assert "<title>Groundwater levels, 2018-06-25</title>" in dom
    assert "violates" not in dom  # the policy forbids nothing that the page itself has
    broken = page.with_name("broken.html")
    text = page.read_text("utf-8")
    broken.write_text(
        text.replace("</body>", "<script>document.title='owned'</script></body>"), "utf-8"
    )
    spoilt = browse(broken, "--dump-dom", "--enable-logging=stderr", "--v=0")
    assert "<title>owned" not in spoilt
    assert "violates the following Content Security Policy" in spoilt


def test_it_prints_and_fits_a_phone(page: Path) -> None:
    pdf = page.with_suffix(".pdf")
    browse(page, f"--print-to-pdf={pdf}")
    assert pdf.read_bytes().startswith(b"%PDF")
    # the page tells its own width by a probe that the policy of the probe allows
    probe = page.with_name("probe.html")
    script = "document.title=document.documentElement.scrollWidth"
    text = page.read_text("utf-8")
    start = text.index("<meta http-equiv")
    end = text.index("\n", start)
    text = text[:start] + text[end:].replace("</body>", f"<script>{script}</script></body>")
    probe.write_text(text, "utf-8")
    dom = browse(probe, "--dump-dom", "--window-size=500,900")
    assert int(dom.split("<title>")[1].split("</title>")[0]) <= 500
