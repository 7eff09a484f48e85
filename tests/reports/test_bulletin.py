"""The bulletin in a real browser: whole, inert, printable, and readable on a phone."""

from __future__ import annotations

import html.parser
import json
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gwforecast import schema
from gwforecast.calibration.intervals import QUANTILES
from gwforecast.reports.bulletin import Bulletin, FailedRun, bulletin
from gwforecast.reports.map import map_of
from gwforecast.verification.distribution import Thresholds, crossings

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
        self.scripts: list[str] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts[-1] += data
        elif self.cdata_elem is None:
            self.texts.append(data)

    @property
    def text(self) -> str:
        """Text of the page, with single spaces."""
        return " ".join(" ".join(self.texts).split())


def script() -> str:
    folder = resources.files("gwforecast.reports").joinpath("templates")
    return folder.joinpath("bulletin.js").read_text("utf-8")


def test_hostile_names_are_text() -> None:
    product, observations = network(HOSTILE)
    page = bulletin(product, observations=observations, title=HOSTILE[0], most_cards=5)
    found = Found(page)
    assert not found.tags & {"iframe", "object", "embed", "form", "base", "link", "math"}
    assert found.scripts == [script()]  # ours, and no other
    names = {name for name, _ in found.attributes}
    assert not {name for name in names if name.startswith("on")}
    targets = [value for name, value in found.attributes if name in ("src", "href")]
    allowed = ("#well-", "#mk-", "data:image/png")
    assert all(v is not None and v.startswith(allowed) for v in targets)
    assert bulletin(product, observations=observations, title=HOSTILE[0], most_cards=5) == page


def test_a_page_of_many_wells_shows_those_first_that_are_not_as_they_should_be() -> None:
    product, observations = network([f"well {number}" for number in range(30)])
    product["status"][29] = "stale"
    page = bulletin(product, observations=observations, most_cards=2)
    assert "28 others" in page
    assert page.index('id="well-1-name">well 29') < page.index('id="well-2-name">well 0')
    assert page.count("<img") == 2
    assert page.count("<source") == 2  # for a phone
    assert bulletin(product).count("<img") == 0  # without observations there are no pictures


def test_an_old_page_and_a_failed_run_are_stated_first() -> None:
    product, _ = network(["a", "b"])
    about = {"product": product, "contact": "desk@example.org", "max_age": pd.Timedelta("8D")}
    fresh = Found(Bulletin(**about, now=pd.Timestamp("2018-07-03")).page())
    assert ("data-until", "2018-07-03T00:00:00Z") in fresh.attributes  # by the reader's clock
    failed = FailedRun("2018-07-05 05:15", "inputs are missing", "wells/ is <gone>")
    now = pd.Timestamp("2018-07-05")
    old = Found(Bulletin(**about, now=now, failed_run=failed).page()).text
    assert "This page is old. Its forecast was made from measurements up to 2018-06-25" in old
    assert "10 days before the page was written" in old
    assert "The run of 2018-07-05 05:15 (UTC) failed: inputs are missing." in old
    assert "wells/ is <gone>" in old
    assert old.index("This page is old") < old.index("Overview")
    assert "Contact: desk@example.org" in old
    assert "This page is old" not in Found(bulletin(product)).text


def test_words_for_the_public_come_first() -> None:
    product, observations = network(["a", "b", "c", "d"])
    product["status"][:] = np.array(["ok", "degraded", "stale", "no_data"], object)
    product["level"][3] = np.nan
    page = Found(Bulletin(product=product, observations=observations).page()).text
    assert (
        "4 wells. Forecast: 1; forecast, with limits: 1; normal for the season: 1; no forecast: 1."
        in page
    )
    assert "Without a forecast by a model: 2" in page
    assert "c : the last measurements are too old; normal for the season." in page
    assert "d : there are no measurements; no forecast." in page
    assert page.index("Weather: past years") < page.index("weather after the issue time")


def test_a_level_that_the_weather_does_not_explain_is_named_with_date_and_size() -> None:
    product, observations = network(["mill", "quarry"])
    shape = observations["level"].shape
    noise = np.random.default_rng(0).normal(0, 0.05, shape)
    late = np.arange(shape[1]) >= shape[1] // 2
    level = noise - 0.4 * late * np.array([[0.0], [1.0]])
    observations["level"] = ("well", "time"), 20 + level
    page = Bulletin(product=product, observations=observations).page()
    month = pd.Timestamp(observations["time"].values[shape[1] // 2])
    assert page.count("Change that the weather does not explain") == 1
    # the regression takes a part of the shift for season and weather
    found = re.search(r"the level has fallen by (0\.\d+) m since \w+ (\d+)", page)
    assert found is not None
    assert float(found[1]) == pytest.approx(0.4, rel=0.15)
    assert int(found[2]) == month.year


def test_thresholds_are_in_page_and_map() -> None:
    product, observations = network(["a", "b"])
    last = float(observations["level"][0, -1])
    given = Thresholds(below={"a": last + 0.05}, above={"a": 30.0, "b": 30.0})
    page = Bulletin(product=product, observations=observations, thresholds=given)
    entries = {entry.name: entry for entry in page.entries}
    assert entries["a"].crossing
    assert not entries["b"].crossing
    assert entries["b"].thresholds == [("above 30.00 m: chance below 1 %", False)]
    unlikely = ("above 30.00 m: chance below 1 %", False)
    assert entries["a"].thresholds == [(f"below {last + 0.05:.2f} m: already now", True), unlikely]
    text = page.page()
    listed = text.partition('id="alerts"')[2].partition("</ul>")[0]
    assert "already now" in listed
    assert "below 1 %" not in listed  # an unlikely level of the same well is in the overview
    assert text.count('href="#mk-ring"') == 2  # at the well and in the legend
    table = crossings(product, given).query("side == 'below' or well == 'b'").set_index("well")
    assert table.loc["a", "by"] == product["valid_time"].values[0, 0]
    assert 0.5 < table.loc["a", "probability"] < 1
    assert crossings(product, Thresholds()).empty


@pytest.mark.parametrize(("x", "y", "metres"), [("longitude", "latitude", 111320.0), ("x", "y", 1)])
def test_the_map_is_to_scale_and_its_coordinates_are_right(x: str, y: str, metres: float) -> None:
    product, observations = network(["a", "b", "c"])
    places = {"longitude": [5.0, 6.0, 5.5], "latitude": [52.0, 52.0, 52.4]}
    if x == "x":
        places = {"x": [155_000.0, 180_000.0, 160_000.0], "y": [463_000.0, 463_000.0, 470_000.0]}
        observations = observations.drop_vars(["longitude", "latitude"])
    observations = observations.assign({name: ("well", v) for name, v in places.items()})
    drawn = map_of(Bulletin(product=product, observations=observations).entries, observations)
    assert drawn is not None
    assert [label["text"] for label in drawn.labels] == ["a", "b", "c"]  # also beside coordinates
    a, b, c = ((float(mark["x"]), float(mark["y"])) for mark in drawn.marks)
    assert a[1] == b[1] > c[1]  # north is up
    squeeze = np.cos(np.deg2rad(np.mean(places[y]))) if x == "longitude" else 1.0
    length = (places[x][1] - places[x][0]) * squeeze * metres
    assert drawn.scale is not None
    number, unit = str(drawn.scale["text"]).split()
    stated = float(number) * (1000 if unit == "km" else 1)
    assert stated / float(drawn.scale["length"]) == pytest.approx(length / (b[0] - a[0]), rel=0.01)
    across = [tick for tick in drawn.ticks if tick["side"] == "x"]
    assert len(across) >= 2
    for tick in across:
        value = float(str(tick["text"]).replace("\N{NARROW NO-BREAK SPACE}", "").split("°")[0])
        place = a[0] + (value - places[x][0]) / (places[x][1] - places[x][0]) * (b[0] - a[0])
        assert place == pytest.approx(float(tick["at"]), abs=0.3)


def test_details_of_many_wells_are_pages_of_their_own() -> None:
    names = [f"well {number:04d}" for number in range(60)]
    product, observations = network([*names, "../up"])
    made = Bulletin(product=product, observations=observations, pages="p_wells")
    page = made.page()
    assert "<img" not in page
    assert len(page) < 200_000
    links = {value for name, value in Found(page).attributes if name == "href" and "p_w" in value}
    assert links == {f"p_wells/{name}" for name in made.file_names.values()}
    assert not any(".." in link for link in links)
    one = made.well_page("../up")
    assert one.count("<img") == 1
    assert "Age of data" in Found(one).text


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
    widths = probe(page, "document.documentElement.scrollWidth", width=390)
    assert int(widths) <= 390
    outside = (
        "[].filter.call(document.querySelectorAll('.cards *, figure, picture'),"
        "e=>e.getBoundingClientRect().right>390).length"
    )
    assert int(probe(page, outside, width=390)) == 0
    drawn = "document.querySelector('picture img').getBoundingClientRect().width"
    assert float(probe(page, drawn, width=390)) > 350  # pictures fill the screen
    assert "narrow" in probe(page, narrow_or_wide(), width=390)
    assert "wide" in probe(page, narrow_or_wide(), width=1600)


def narrow_or_wide() -> str:
    return "(i=>i.currentSrc===i.src?'wide':'narrow')(document.querySelector('picture img'))"


def probe(page: Path, expression: str, *, width: int, before: str = "") -> str:
    """Return a value of the page at a width, by a script of the test; a window has 500 px least."""
    text = page.read_text("utf-8")
    start = text.index("<meta http-equiv")
    end = text.index("\n", start)
    asked = f"<script>{before};parent.postMessage(String({expression}),'*')</script></body>"
    page.with_name("inner.html").write_text(
        text[:start] + text[end:].replace("</body>", asked), "utf-8"
    )
    outer = page.with_name("outer.html")
    outer.write_text(
        "<title></title><script>onmessage=e=>document.title='got '+e.data</script>"
        f"<iframe src='inner.html' style='width:{width}px;height:3000px;border:0'></iframe>",
        "utf-8",
    )
    dom = browse(outer, "--dump-dom", f"--window-size={max(width, 500)},900")
    return dom.split("<title>got ")[1].split("</title>")[0]


def test_a_well_is_found_by_its_name(tmp_path: Path) -> None:
    if BROWSER is None:
        pytest.skip("needs chromium")
    product, observations = network([f"well {number:02d}" for number in range(30)])
    page = tmp_path / "page.html"
    page.write_text(bulletin(product, observations=observations, most_cards=0), "utf-8")
    typed = (
        "var s=document.getElementById('search');s.value='WELL 07';"
        "s.dispatchEvent(new Event('input'))"
    )
    seen = (
        "[[].filter.call(document.querySelectorAll('tr[data-name]'),"
        "r=>r.offsetHeight>0).map(r=>r.dataset.name),s.parentNode.hidden,"
        "document.querySelectorAll('use.faint').length].join('|')"
    )
    assert probe(page, seen, width=800, before=typed) == "well 07|false|29"
