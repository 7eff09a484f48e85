"""Files of agencies, portals and loggers give the levels that were written."""

from pathlib import Path

import numpy as np
import openpyxl
import pytest

import gwforecast as gw
from gwforecast import SchemaError
from gwforecast.data.terms.units import parse_length

from .layouts import DAYS, DEPTHS, LAYOUTS, LEVELS, TWO, Layout, pressure_mon, write
from .world import WORLD


@pytest.mark.parametrize("layout", [*LAYOUTS, *WORLD], ids=lambda layout: layout.name)
def test_a_layout_gives_its_levels(layout: Layout, tmp_path: Path) -> None:
    path = write(layout, tmp_path)
    settings = dict(layout.settings)
    if "barometer" in settings:
        settings["barometer"] = tmp_path / "baro.csv"
    made = gw.read_observations(path, **settings)
    assert tuple(made["well"].values) == layout.wells
    expected = (TWO if len(layout.wells) == 2 else LEVELS[None]) if layout.level is None else (
        np.atleast_2d(layout.level))  # fmt: skip
    values = made["level"].values
    if expected.size:
        known = np.isfinite(values)
        np.testing.assert_allclose(values[known], expected[known], atol=layout.atol)
        assert known.sum() >= 29 * len(values)
    else:
        at_day = np.nansum(np.where(np.isfinite(values), values, 0), axis=0)
        np.testing.assert_allclose(at_day[np.isfinite(values).any(axis=0)], LEVELS, atol=0.011)
    assert made["time"].values[0].astype("M8[D]") == DAYS[0].to_numpy().astype("M8[D]")
    assert made["level"].attrs.get("vertical_datum") in (layout.datum, None)
    if layout.datum:
        assert made["level"].attrs["vertical_datum"] == layout.datum
    said = gw.understood(made)
    assert layout.said in " ".join(said["what"])
    assert {"files", "unit", "read as", "axis"} <= set(said["about"])


def test_there_are_many_layouts() -> None:
    assert len(LAYOUTS) >= 25


def test_a_pressure_says_what_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "p.mon"
    path.write_bytes(pressure_mon())
    with pytest.raises(SchemaError, match=r"pressure is none.*'Pressure \[cmH2O\]'.*barometer="):
        gw.read_observations(path)


def test_rain_of_fews_is_a_covariate_of_all_wells(tmp_path: Path) -> None:
    layout = next(layout for layout in LAYOUTS if layout.name == "Delft-FEWS")
    path = write(layout, tmp_path)
    made = gw.read_observations(path, path)
    assert made["P.obs"].attrs["kind"] == "rain"
    assert np.isnan(made["P.obs"].values[0, 3])
    np.testing.assert_array_equal(made["P.obs"].values[0], made["P.obs"].values[1])


def test_each_layout_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "input_formats.md").read_text("utf-8")
    named = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    assert {layout.name for layout in [*LAYOUTS, *WORLD]} <= set(named)


def test_dates_in_columns(tmp_path: Path) -> None:
    quarters = ["Jan-10", "Apr-10", "Jul-10", "Oct-10", "Jan-11"]
    rows = [f"W{k},GJ,23.1,70.2," + ",".join(f"{k}.{n}" for n in range(5)) for k in range(3)]
    path = tmp_path / "x.csv"
    path.write_text("\n".join(["WELL,STATE,LAT,LON," + ",".join(quarters), *rows]) + "\n")
    made = gw.read_observations(path)["level"]
    assert made["well"].values.tolist() == ["W0", "W1", "W2"]
    assert str(made["time"].values[-1])[:10] == "2011-01-01"
    assert made.values[2].tolist() == [2.0, 2.1, 2.2, 2.3, 2.4]


def test_values_without_a_name_that_are_negative_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("\n".join(["Date,Value", *(f"{d:%Y-%m-%d},{-v}" for d, v in zip(
        DAYS, LEVELS, strict=True))]))  # fmt: skip
    with pytest.raises(SchemaError, match=r"all negative may be depths.*reference_level=.*datum="):
        gw.read_observations(path)
    assert float(gw.read_observations(path, datum="NAP")["level"][0, 0]) == -12.0
    assert float(gw.read_observations(path, reference_level=20)["level"][0, 0]) == 8.0


@pytest.mark.parametrize(
    ("text", "name", "sense"),
    [("m mpy", "m", "above"), ("m msl", "m", "above"), ("mm", "mm", None),
     ("m p.p.t.", "m", "below"), ("T.P.m", "m", "above"), ("mBf", "m", "above"),
     ("ft3", None, None), ("м", "m", None)],
)  # fmt: skip
def test_units_of_levels(text: str, name: str | None, sense: str | None) -> None:
    made = parse_length(text)
    assert (made.name if made else None, made.sense if made else None) == (name, sense)


def test_a_header_that_is_not_where_it_is_given_is_named(tmp_path: Path) -> None:
    rows = [f"{d:%d.%m.%Y};{v}" for d, v in zip(DAYS, LEVELS, strict=True)]
    head = ["Bericht;2020", *[""] * 6, "Datum;Grundwasserstand [m NHN]"]
    path = tmp_path / "x.csv"
    path.write_text("\n".join([*head, *rows]) + "\n")
    said = r"Line 8 looks like the header: 'Datum;Grundwasserstand \[m NHN\]'\. Give header_row=8"
    for given in ({"header_row": 1}, {"header_row": 5}, {"skip_rows": 3}, {"header_row": 20}):
        with pytest.raises(SchemaError, match=said):
            gw.read_observations(path, **given)
    assert gw.read_observations(path, header_row=8)["level"][0, 0].item() == LEVELS[0]
    path.write_text("\n".join([*head, "Kalenderwoche 1;12,5", "Kalenderwoche 2;12,6"]) + "\n")
    with pytest.raises(SchemaError, match=r"in line 9.*date_format=") as refusal:
        gw.read_observations(path)
    assert "looks like" not in str(refusal.value)


def test_a_row_of_a_sheet_that_looks_like_the_header_is_named(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [["Report", 2020], [], ["Date", "Water level (m)"]]:
        book.active.append(row)
    for d, v in zip(DAYS, LEVELS, strict=True):
        book.active.append([d.to_pydatetime(), float(v)])
    book.save(tmp_path / "x.xlsx")
    with pytest.raises(SchemaError, match=r"Row 3 of sheet 'Sheet' looks like.*header_row=3"):
        gw.read_observations(tmp_path / "x.xlsx", header_row=1)
    assert gw.read_observations(tmp_path / "x.xlsx")["level"][0, 0].item() == LEVELS[0]


def of_columns(folder: Path, header: str, form: str) -> Path:
    path = folder / "x.csv"
    body = [
        form.format(d=d, v=v, p=p, w=v + 1) for d, v, p in zip(DAYS, LEVELS, DEPTHS, strict=True)
    ]
    path.write_text("\n".join([header, *body]) + "\n")
    return path


@pytest.mark.parametrize(
    ("header", "form", "wells"),
    [
        ("date,year,month,W1,W2", "{d:%Y-%m-%d},{d.year},{d.month},{v},{w}", ["W1", "W2"]),
        ("date,W1,W2,P,T,Q", "{d:%Y-%m-%d},{v},{w},1,2,300", ["W1", "W2"]),
        ("date,A,P", "{d:%Y-%m-%d},{v},{w}", ["A", "P"]),
        ("date,H,P,E0", "{d:%Y-%m-%d},{v},1,2", ["H"]),
        ("date,W1,EC,pH,O2", "{d:%Y-%m-%d},{v},700,7.1,9", ["W1"]),
        ("date,W1,Rhein Pegel Nord,Isar", "{d:%Y-%m-%d},{v},5.5,4.4", ["W1"]),
        ("date,mbgl,masl", "{d:%Y-%m-%d},{p},{v}", ["x"]),
        ("week,level", "{d:%G-W%V},{v}", ["x"]),
    ],
)  # fmt: skip
def test_only_columns_of_levels_are_wells(
    header: str, form: str, wells: list[str], tmp_path: Path
) -> None:
    made = gw.read_observations(of_columns(tmp_path, header, form))["level"]
    assert made["well"].values.tolist() == wells
    assert made[0, 0].item() == LEVELS[0]


@pytest.mark.parametrize(
    "header",
    ["GW_u_GOK", "Prof. nappe (m)", "Nivel estático (m)", "WL_mbgl", "mbtoc", "SWL (m)",
     "Hloubka hladiny (m)", "Głębokość", "埋深", "Derinlik (m)", "Globina", "DTGW_m", "Dip (m)",
     "Grunnvannstand under terreng (m)", "Pohjaveden pinta maanpinnasta (m)", "地下水位(GL-m)",
     "Livello falda da p.c. (m)", "Niveau / sol (m)", "Wasserstand ab OK Rohr (m)",
     "Hladina pod odměrným bodem [m]", "Talajvízszint terep alatt (m)", "Dip depth (mbd)"],
)  # fmt: skip
def test_headers_of_depths_in_many_languages(header: str, tmp_path: Path) -> None:
    path = of_columns(tmp_path, f"date,{header}", "{d:%Y-%m-%d},{p}")
    with pytest.raises(SchemaError, match="needs the height it is measured from"):
        gw.read_observations(path)
    made = gw.read_observations(path, reference_level=20)["level"]
    assert made[0, 0].item() == pytest.approx(LEVELS[0])


@pytest.mark.parametrize(
    ("header", "form", "said"),
    [
        ("date,min,mean,max", "{d:%Y-%m-%d},{p},{v},{w}", "'mean', 'min', 'max'.*level_column="),
        ("date,level", "{d:%Y-%m-%d},{v} ft", r"unit into the header, e\.g\. 'level \[ft\]'"),
        ("date,value,std", "{d:%Y-%m-%d},{v},0.02", "'value', 'std'.*level_column="),
        ("date,Level manual,Level logger", "{d:%Y-%m-%d},{v},{w}", "level_column="),
        ("date,level,level", "{d:%Y-%m-%d},{v},{w}", "names of their own.*row above"),
    ],
)
def test_doubtful_columns_are_refused_by_name(
    header: str, form: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(SchemaError, match=said):
        gw.read_observations(of_columns(tmp_path, header, form))


def test_pipes_and_areas_tell_wells_apart(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = [f"{d:%Y-%m-%d},B1,{k},{v + k:.2f}" for k in (1, 2)
            for d, v in zip(DAYS, LEVELS, strict=True)]  # fmt: skip
    path.write_text("\n".join(["date,bore,pipe,level", *rows]) + "\n")
    made = gw.read_observations(path)["level"]
    assert made["well"].values.tolist() == ["B1_1", "B1_2"]
    assert made[1, 0].item() == LEVELS[0] + 2


def test_inches_behind_a_comma(tmp_path: Path) -> None:
    path = of_columns(tmp_path, 'date,"Water Level, in"', "{d:%Y-%m-%d},{v}")
    assert gw.read_observations(path)["level"][0, 0].item() == pytest.approx(LEVELS[0] * 0.0254)
