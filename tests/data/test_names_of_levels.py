"""What names, units and heights say of a level, what they leave open, and years as numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gwforecast as gw
from gwforecast import SchemaError


def _weekly(folder: Path, header: str, form: str, name: str = "x.csv") -> Path:
    days = pd.date_range("2016-01-04", periods=30, freq="W-MON")
    rows = [form.format(d=d, v=8 + k / 100) for k, d in enumerate(days)]
    (folder / name).write_text("\n".join([header, *rows]) + "\n")
    return folder / name


@pytest.mark.parametrize(
    ("header", "assumed"),
    [
        ("date,level (m)", "height"), ("date,head", "units"), ("date,level [m NAP]", ""),
        ("date,Water level (m)", "height"), ("date,vattennivå (m)", "height"),
        ("date,W1", "units height"), ("date,Wasserstand", "units height"),
        ("date,Groundwater elevation (ft)", ""), ("date,GWL (m)", "height"),
        ("date,Level mASL", ""), ("date,Hladina m n.m.", ""), ("date,Rzędna m n.p.m.", ""),
    ],
)  # fmt: skip
def test_what_a_file_does_not_say_is_a_warning(header: str, assumed: str, tmp_path: Path) -> None:
    made = gw.read_observations(_weekly(tmp_path, header, "{d:%Y-%m-%d},{v}"))
    assert made["level"].attrs.get("assumed", "") == assumed
    found = gw.check(made)
    about = found[found["check"].str.startswith("assumed")]
    assert about["check"].tolist() == [f"assumed_{word}" for word in assumed.split()]
    assert (about["severity"] == "warning").all()


def test_settings_say_what_a_file_does_not(tmp_path: Path) -> None:
    path = _weekly(tmp_path, "date,W1", "{d:%Y-%m-%d},{v}")
    for given in ({"datum": "NAP"}, {"reference_level": 20}):
        made = gw.read_observations(path, units="m", **given)
        assert "assumed" not in made["level"].attrs


@pytest.mark.parametrize(
    "name",
    [
        "Nivel freático (m)", "Nivel (m)", "Nível da água (m)", "Livello statico",
        "Niveau de la nappe", "Su Seviyesi (m)", "Rest Water Level", "RWL", "Static level",
        "Poziom wody", "Stan wody", "Hladina (m)", "Úroveň hladiny", "Talajvízszint",
        "Στάθμη νερού (m)", "Уровень воды, м", "УГВ", "地下水位(m)", "지하수위(m)", "Mực nước (m)",
        "Muka air tanah", "ระดับน้ำบาดาล (ม.)", "مستوى المياه (م)", "מפלס", "जल स्तर",
        "Razina vode", "Ruhewasserspiegel", "Pejling",
    ],
)  # fmt: skip
def test_a_name_that_is_used_for_heights_and_depths_is_refused(name: str, tmp_path: Path) -> None:
    path = _weekly(tmp_path, f"fecha,{name}", "{d:%Y-%m-%d},{v}")
    with pytest.raises(SchemaError, match=r"used for both.*reference_level=.*datum="):
        gw.read_observations(path)
    assert gw.read_observations(path, datum="local")["level"].values[0, 0] == 8.0
    assert gw.read_observations(path, reference_level=20)["level"].values[0, 0] == 12.0


@pytest.mark.parametrize(
    "name",
    ["WTD", "GWD", "Tape down", "عمق المياه", "ความลึก", "עומק", "βάθος", "Hĺbka", "지하수심"],
)
def test_depths_of_any_language_need_their_height(name: str, tmp_path: Path) -> None:
    path = _weekly(tmp_path, f"date,{name} (m)", "{d:%Y-%m-%d},{v}")
    with pytest.raises(SchemaError, match=r"^A depth to water needs the height"):
        gw.read_observations(path)


@pytest.mark.parametrize(
    "name", ["WTE", "Reduced level", "Rzędna zwierciadła", "水面标高", "水位標高", "수위표고"]
)
def test_heights_of_any_language_are_read(name: str, tmp_path: Path) -> None:
    path = _weekly(tmp_path, f"date,{name} (m)", "{d:%Y-%m-%d},{v}")
    assert "assumed" not in gw.read_observations(path)["level"].attrs


def test_levels_far_below_the_ground_are_refused(tmp_path: Path) -> None:
    beside = _weekly(tmp_path, "date,Water level (m),Ground elevation (m)", "{d:%Y-%m-%d},{v},95.2")
    alone = _weekly(tmp_path, "date,Water level (m)", "{d:%Y-%m-%d},{v}", "alone.csv")
    (tmp_path / "a.csv").write_text("well,ground_elevation\nalone,95.2\n")
    for path, given in ((beside, {}), (alone, {"attributes": tmp_path / "a.csv"})):
        with pytest.raises(SchemaError, match=r"8 to 8\.29 m, where the ground.*95\.2 m"):
            gw.read_observations(path, **given)
        made = gw.read_observations(path, reference_level=95.2, **given)
        assert made["level"].values[0, 0] == pytest.approx(87.2)


def test_lists_of_several_wells_in_one_object_are_all_read(tmp_path: Path) -> None:
    rows = [{"date": f"2020-01-{k:02d}", "value": 5.0 + k} for k in range(1, 10)]
    more = [row | {"value": row["value"] + 1} for row in rows]
    (tmp_path / "x.json").write_text(json.dumps({"AU1": rows, "AU2": more}))
    made = gw.read_observations(tmp_path / "x.json")["level"]
    assert made["well"].values.tolist() == ["AU1", "AU2"]
    assert made.values[:, 0].tolist() == [6.0, 7.0]


def test_screens_in_a_column_of_letters_are_wells_of_their_own(tmp_path: Path) -> None:
    path = _weekly(tmp_path, "Borehole,Piezo,Date,Level (mAOD)",
                   "BH1,A,{d:%Y-%m-%d},{v}\nBH1,B,{d:%Y-%m-%d},9{v}")  # fmt: skip
    made = gw.read_observations(path)["level"]
    assert made["well"].values.tolist() == ["BH1_A", "BH1_B"]


@pytest.mark.parametrize(
    ("years", "first", "said"),
    [
        (["2003.0000", "2003.0833", "2003.1667"], "2003-01-01", "first days of months"),
        (["2003.0417", "2003.1250", "2003.2083"], "2003-01-01", "by their middle"),
        (["2003.5014", "2003.5041", "2003.5068"], "2003-07-03", "fractions of their days"),
    ],
)
def test_years_with_decimals(years: list[str], first: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("\n".join(["year,head", *(f"{y},{k}" for k, y in enumerate(years))]) + "\n")
    made = gw.read_observations(path)
    assert str(made["time"].values[0])[:10] == first
    assert said in " ".join(gw.understood(made)["what"])


def test_a_row_for_each_year_and_a_column_for_each_month(tmp_path: Path) -> None:
    months = "Jan,Feb,Mar,Apr,May,Jun,Jul,Aug,Sep,Oct,Nov,Dec"
    rows = [f"{2010 + y}," + ",".join(f"{10 + y + m / 100:.2f}" for m in range(12)) + ",999"
            for y in range(3)]  # fmt: skip
    path = tmp_path / "x.csv"
    path.write_text("\n".join([f"Year,{months},Annual", *rows]) + "\n")
    level = gw.read_observations(path)["level"]
    assert level["time"].size == 36
    np.testing.assert_allclose(level.values[0, [0, 11, 12]], [10.0, 10.11, 11.0])


def test_the_height_h_is_no_temperature(tmp_path: Path) -> None:
    path = _weekly(tmp_path, "date,T,EC,H", "{d:%Y-%m-%d},11.2,540,{v}")
    made = gw.read_observations(path)["level"]
    assert made.sizes["well"] == 1
    assert made.values[0, 0] == 8.0
