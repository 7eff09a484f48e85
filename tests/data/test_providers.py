"""Tables as services give them, small ones made by hand from the published lists of fields.

USGS: api.waterdata.usgs.gov/ogcapi/v0/collections/daily/schema. Environment Agency:
environment.data.gov.uk/hydrology/doc/reference. BRO: publiek.broservices.nl/gm/gld/v1, seriesAsCsv.
NGWMN and hydropandas: the objects of dataretrieval 1.4 and hydropandas 0.20.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import gwforecast as gw
from gwforecast import SchemaError

USGS_HEADER = (
    "time_series_id,monitoring_location_id,parameter_code,statistic_id,time,value,"
    "unit_of_measure,approval_status,qualifier,last_modified"
)
EA_MEASURE = "http://environment.data.gov.uk/hydrology/id/measures/"
STATION = "ca3d0164-ee1d-444e-bc6c-04d600498b61"
BRO_HEADER = (
    "Tijdstip,Voorlopige Waarde [m],Voorlopige Opmerking,Beoordeelde Waarde [m],"
    "Beoordeelde Opmerking,Controle Waarde [m],Controle Opmerking,Onbekend Waarde [m],"
    "Onbekend Opmerking"
)


def usgs(code: str = "62611", unit: str = "ft", statistic: str = "00003", day: int = 1) -> str:
    return (
        f"f0a1,USGS-40,{code},{statistic},2020-01-{day:02d},100.0,{unit},Approved,"
        "\"['ESTIMATED']\",2021-02-03T04:05:06+00:00"
    )


def ea(
    value: str, *, day: int = 1, kind: str = "logged-i-subdaily-mAOD", quality: str = "Good"
) -> str:
    measure = f"{EA_MEASURE}{STATION}-gw-{kind}-qualified"
    return f"{measure},2020-01-{day:02d}T00:00:00,2020-01-{day:02d},{value},,{quality},7{day}a"


def read(
    folder: Path, header: str, *rows: str, name: str = "table", **settings: object
) -> xr.Dataset:
    path = folder / f"{name}.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return gw.read_observations(path, **settings)  # type: ignore[arg-type]


def test_a_level_of_usgs_has_the_datum_and_units_of_its_code(tmp_path: Path) -> None:
    level = read(tmp_path, USGS_HEADER, usgs(), usgs(day=2))["level"]
    assert level["well"].item() == "USGS-40"
    np.testing.assert_allclose(level.values, [[30.48, 30.48]])
    assert level.attrs["vertical_datum"] == "NAVD88"


def test_a_depth_of_usgs_needs_the_height_it_is_measured_from(tmp_path: Path) -> None:
    rows = [usgs("72019", day=day) for day in (1, 2)]
    with pytest.raises(SchemaError, match="height it is measured from"):
        read(tmp_path, USGS_HEADER, *rows)
    level = read(tmp_path, USGS_HEADER, *rows, reference_level=40.0, datum="NAVD88")["level"]
    np.testing.assert_allclose(level.values, 40 - 30.48)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([usgs(), usgs("62610", day=2)], "one parameter.*62611.*62610"),
        ([usgs("72019"), usgs("62611", day=2)], "one parameter"),
        ([usgs(), usgs(statistic="00001")], "one statistic.*00001.*00003"),
        ([usgs("00060", "ft^3/s")], "groundwater levels.*'00060'"),
        ([usgs(unit="m")], "in ft. Received 'm' in row 0"),
    ],
)
def test_a_contradictory_usgs_table_is_refused(
    rows: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SchemaError, match=message):
        read(tmp_path, USGS_HEADER, *rows)


def test_a_frame_of_dataretrieval_is_read_as_its_file_is(tmp_path: Path) -> None:
    of_file = read(tmp_path, USGS_HEADER, usgs(), usgs(day=2))
    frame = pd.read_csv(tmp_path / "table.csv", dtype={"parameter_code": str, "statistic_id": str})
    frame["time"] = pd.to_datetime(frame["time"])
    of_frame = gw.observations_from_frames(frame)
    xr.testing.assert_identical(of_frame.drop_attrs(deep=False), of_file.drop_attrs(deep=False))


def test_the_columns_of_old_usgs_tables_are_in_feet() -> None:
    index = pd.date_range("2020-01-01", periods=2, tz="UTC", name="datetime")
    frame = pd.DataFrame({"site_no": "40", "62611_Mean": 10.0, "62611_Mean_cd": "A"}, index=index)
    level = gw.observations_from_frames(frame)["level"]
    np.testing.assert_allclose(level.values, 3.048)
    assert level.attrs["vertical_datum"] == "NAVD88"


def test_ngwmn_states_the_datum_of_the_site_or_is_refused() -> None:
    index = pd.date_range("2020-01-01", periods=2)
    frame = pd.DataFrame({"water_level_above_site_datum_ft": 10.0}, index=index)
    with pytest.raises(SchemaError, match="need its name"):
        gw.observations_from_frames(frame)
    assert gw.observations_from_frames(frame, datum="NGVD29")["level"].attrs["vertical_datum"]
    both = frame.assign(water_level_above_navd88_ft=11.0)
    with pytest.raises(SchemaError, match=r"One column must be the level\. Received 2"):
        gw.observations_from_frames(both)
    chosen = gw.observations_from_frames(both, level_column="water_level_above_navd88_ft")
    assert chosen["level"].attrs["vertical_datum"] == "NAVD88"
    with pytest.raises(SchemaError, match=r"one vertical datum.*'NGVD29'.*'NAVD88'"):
        gw.observations_from_frames(
            both, level_column="water_level_above_navd88_ft", datum="NGVD29"
        )


EA_HEADER = "measure,dateTime,date,value,completeness,quality,qcode"


def test_readings_of_the_environment_agency(tmp_path: Path) -> None:
    rows = [ea("55.1"), ea("", day=2, quality="Missing"), ea("55.3", day=3, quality="Unchecked")]
    level = read(tmp_path, EA_HEADER, *rows)["level"]
    assert level["well"].item() == STATION
    np.testing.assert_array_equal(level.values, [[55.1, np.nan, 55.3]])
    assert level.attrs["vertical_datum"] == "ODN"


def test_dips_and_logger_of_a_station_are_two_wells(tmp_path: Path) -> None:
    rows = [ea("55.1"), ea("55.2", day=2), ea("55.1", kind="dipped-i-mAOD")]
    wells = read(tmp_path, EA_HEADER, *rows)["well"].values
    assert list(wells) == [
        f"{STATION}-gw-logged-i-subdaily-mAOD-qualified",
        f"{STATION}-gw-dipped-i-mAOD-qualified",
    ]


@pytest.mark.parametrize("kind", ["logged-i-subdaily-mBDAT", "dipped-i-m"])
def test_readings_above_no_datum_are_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="levels in mAOD"):
        read(tmp_path, EA_HEADER, ea("55.1", kind=kind))


def test_river_levels_are_not_taken_for_groundwater(tmp_path: Path) -> None:
    row = f"{EA_MEASURE}{STATION}-level-i-900-m-qualified,2020-01-01T00:00:00,2020-01-01,1,,Good,"
    with pytest.raises(SchemaError, match=r"must hold a level.*stage"):
        read(tmp_path, EA_HEADER, row)


def test_suspect_readings_are_reported_and_kept(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="1 of 2 whose quality is 'Suspect'.*2020-01-02"):
        level = read(tmp_path, EA_HEADER, ea("55.1"), ea("99", day=2, quality="Suspect"))["level"]
    assert level.values[0, 1] == 99


@pytest.mark.parametrize("iso", [True, False])
def test_a_series_of_the_bro(iso: bool, tmp_path: Path) -> None:
    stamps = ["2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"]
    if not iso:
        stamps = [str(pd.Timestamp(stamp).value // 10**6) for stamp in stamps]
    rows = [f"{stamps[0]},,,1.25,,,,,", f"{stamps[1]},,,1.27,bijna droog,,,,"]
    level = read(tmp_path, BRO_HEADER, *rows, name="GLD000000012345")["level"]
    assert level["well"].item() == "GLD000000012345"
    np.testing.assert_array_equal(level.values, [[1.25, 1.27]])
    np.testing.assert_array_equal(level["time"].values.astype("M8[D]").astype(str)[0], "2020-01-01")
    assert level.attrs["vertical_datum"] == "NAP"


def test_two_states_of_assessment_are_refused(tmp_path: Path) -> None:
    rows = ["2020-01-01T00:00:00Z,1.24,,1.25,,,,,", "2020-01-02T00:00:00Z,1.26,,,,,,,"]
    with pytest.raises(SchemaError, match=r"Received 2 that could be.*Voorlopige.*Beoordeelde"):
        read(tmp_path, BRO_HEADER, *rows)
    chosen = read(tmp_path, BRO_HEADER, *rows, level_column="Voorlopige Waarde [m]")
    np.testing.assert_array_equal(chosen["level"].values, [[1.24, 1.26]])


def test_a_series_of_the_bro_without_values_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="must hold values"):
        read(tmp_path, BRO_HEADER, "2020-01-01T00:00:00Z,,,,,,,,")


class GroundwaterObs(pd.DataFrame):
    """A frame with attributes, as hydropandas has it."""

    _metadata = ("name", "unit")


@pytest.mark.parametrize(("unit", "datum"), [("m NAP", "NAP"), ("m", None)])
def test_an_object_of_hydropandas_states_its_datum(unit: str, datum: str | None) -> None:
    index = pd.date_range("2020-01-01", periods=2)
    obs = GroundwaterObs({"values": [1.0, 1.1], "qualifier": ["goedgekeurd"] * 2}, index=index)
    obs.name, obs.unit = "GMW01_1", unit
    level = gw.observations_from_frames(obs)["level"]
    assert level["well"].item() == "GMW01_1"
    assert level.attrs.get("vertical_datum") == datum


def test_headers_state_units_and_datum() -> None:
    index = pd.date_range("2020-01-01", periods=2)
    level = gw.observations_from_frames(pd.DataFrame({"level [ft NAVD88]": 10.0}, index=index))
    assert level["level"].attrs["vertical_datum"] == "NAVD88"
    np.testing.assert_allclose(level["level"].values, 3.048)
    with pytest.raises(SchemaError, match="height it is measured from"):
        gw.observations_from_frames(pd.DataFrame({"level [m bgl]": 10.0}, index=index))


def test_layouts_of_kit_need_no_options(tmp_path: Path) -> None:
    header, rows = "Date,GWL", ["14.04.1997 00:00:00,48.52", "21.04.1997 00:00:00,48.535"]
    single = read(tmp_path, header, *rows, name="BB_1_GW-Data")["level"]
    assert single["time"].values.astype("M8[D]").astype(str).tolist() == [
        "1997-04-14",
        "1997-04-21",
    ]
    rows = ["DE_1,1997-04-14,48.52,0", "DE_1,1997-04-21,48.53,1", "DE_2,1997-04-14,3.0,0"]
    network = read(tmp_path, "MW_ID,Date,GWL,GWL_flag", *rows, name="gems")["level"]
    assert list(network["well"].values) == ["DE_1", "DE_2"]


def test_rejected_values_of_any_column_of_quality_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "GMW1.csv"
    path.write_text("time,values,qualifier\n2020-01-01,1.0,goedgekeurd\n2020-01-02,9.0,afgekeurd\n")
    with pytest.warns(UserWarning, match=r"1 of 2 whose quality is 'afgekeurd'.*2020-01-02.*kept"):
        assert gw.read_observations(path)["level"].values[0, 1] == 9
    path.write_text('""\n')
    with pytest.raises(SchemaError, match="empty file"):
        gw.read_observations(path)


def test_the_height_of_a_point_in_xml_is_no_level(tmp_path: Path) -> None:
    rows = "".join(
        f"<peilmeting><datum>2020-01-{d:02d}</datum><peil_mtaw>22.{d}</peil_mtaw></peilmeting>"
        for d in range(1, 20)
    )
    point = "<meetpunt><van>2019-12-01</van><hoogte>24.8</hoogte></meetpunt>"
    (tmp_path / "f.xml").write_text(
        f"<?xml version='1.0'?><dov><filter>{point}{rows}</filter></dov>"
    )
    made = gw.read_observations(tmp_path / "f.xml")
    assert made["level"].attrs["vertical_datum"] == "TAW"
    assert made.sizes["time"] == 19
    assert "1 dated numbers called 'hoogte'" in " ".join(gw.understood(made)["what"])


def test_seconds_since_1940_of_hilltop_are_times(tmp_path: Path) -> None:
    rows = "".join(f"<E><T>{2619302400 + 86400 * k}</T><I1>{18 + k}</I1></E>" for k in range(9))
    (tmp_path / "h.xml").write_text(
        "<?xml version='1.0'?><Hilltop><Measurement SiteName='W 1'>"
        "<DataSource Name='Groundwater Level'>"
        "<ItemInfo><ItemName>Groundwater Level</ItemName><Units>m</Units></ItemInfo></DataSource>"
        f"<Data DateFormat='mowsecs'>{rows}</Data></Measurement></Hilltop>"
    )
    made = gw.read_observations(tmp_path / "h.xml")
    assert str(made["time"].values[0])[:10] == "2023-01-01"
    assert made["level"].values[0].tolist() == list(range(18, 27))


def months_of_days(stem: str, *, filled: bool) -> list[str]:
    rows = []
    for month in pd.date_range("2018-01-01", "2018-12-01", freq="MS"):
        days = [
            f"{50 + month.month + day / 100:.2f}" if filled or day <= month.days_in_month else ""
            for day in range(1, 32)
        ]
        rows.append(",".join([f"P7,{month:%d/%m/%Y}", *days]))
    return ["Pozo,Data," + ",".join(f"{stem}{day:02d}" for day in range(1, 32)), *rows]


def test_a_row_a_month_and_a_column_a_day_is_one_well(tmp_path: Path) -> None:
    made = read(tmp_path, *months_of_days("Cota", filled=False))
    assert made["well"].values.tolist() == ["P7"]
    assert made["level"].sel(time="2018-02-28").values[0] == pytest.approx(52.28)
    assert made.sizes["time"] == 365
    assert "a column for each day" in " ".join(gw.understood(made)["what"])


def test_wells_called_1_to_31_are_no_days(tmp_path: Path) -> None:
    rows = [line.partition(",")[2] for line in months_of_days("", filled=True)]
    made = read(tmp_path, *rows, day_first=True)
    assert made.sizes["well"] == 31


def test_brackets_that_hold_no_unit_belong_to_the_name(tmp_path: Path) -> None:
    rows = [f"2020-01-{day:02d},50.{day},51.{day}" for day in range(1, 29)]
    assert list(read(tmp_path, "Date,BH1,BH3 (pump)", *rows)["well"].values) == [
        "BH1",
        "BH3 (pump)",
    ]


def test_static_and_dynamic_level_are_no_wells(tmp_path: Path) -> None:
    rows = [f"P01,2020-01-{day:02d},10.{day},21.{day}" for day in range(1, 29)]
    with pytest.raises(SchemaError, match="2 that could be"):
        read(tmp_path, "Poço,Data,NE (m),ND (m)", *rows)


def test_millimetres_below_zero_are_no_codes_where_others_are_near(tmp_path: Path) -> None:
    rows = [f"2020-01-{day:02d},{-9990 - day}" for day in range(1, 29)]
    made = read(tmp_path, "date,level [mm NAP]", *rows)
    assert made["level"].values[0, 8] == pytest.approx(-9.999)
    with pytest.raises(SchemaError, match="looks like a code"):
        read(
            tmp_path, "date,level [mm NAP]", *[r.replace(",-999", ",-1") for r in rows[:8]], rows[8]
        )


def test_a_share_of_the_normal_is_no_level(tmp_path: Path) -> None:
    rows = [f"2020-01-{day:02d},{50 + day}" for day in range(1, 29)]
    with pytest.raises(SchemaError, match="needs a column of numbers that is the level"):
        read(tmp_path, "date,groundwater_percent_of_normal", *rows)


@pytest.mark.parametrize("wells", [("A", "B"), ("A",)])
def test_a_height_that_never_changes_beside_depths_is_that_of_the_ground(
    tmp_path: Path, wells: tuple[str, ...]
) -> None:
    rows = [f"{w},2020-01-{day:02d},{9 + day / 10},1000" for w in wells for day in range(1, 29)]
    with pytest.raises(SchemaError, match=r"'DTW_ft'.*304\.8 m stands beside it"):
        read(tmp_path, "SiteID,Date,DTW_ft,Elevation_ft", *rows)
    made = read(tmp_path, "SiteID,Date,DTW_ft,Elevation_ft", *rows, reference_level=304.8)
    assert made["level"].values[0, 0] == pytest.approx(304.8 - 9.1 * 0.3048)


def test_levels_that_were_not_at_rest_are_reported_by_their_status(tmp_path: Path) -> None:
    path = tmp_path / "lev.txt"
    head = (
        "agency_cd\tsite_no\tlev_dt\tlev_va\tlev_status_cd\tlev_age_cd\n5s\t15s\t10d\t12s\t1s\t1s"
    )
    rows = [
        f"USGS\t01\t2020-01-0{day}\t{'' if code == 'D' else 30 + day}\t{code}\tA"
        for day, code in enumerate(["1", "P", "R", "P", "", "D", "Q"], start=1)
    ]
    path.write_text("\n".join(["# U.S. Geological Survey", head, *rows, ""]))
    said = r"4 of 7 measured .*'pumping' \(2\), 'recently pumped' \(1\), 'q' \(1\), first at "
    with pytest.warns(UserWarning, match=said + r"2020-01-02 in .*lev_status_cd'; they are kept"):
        made = gw.read_observations(path, reference_level=100.0)
    assert made["level"].notnull().sum() == 6
    frame = pd.read_csv(path, sep="\t", comment="#", dtype={"site_no": str}).drop(0)
    frame = frame.assign(lev_va=frame["lev_va"].astype(float))
    with pytest.warns(UserWarning, match=said):
        again = gw.observations_from_frames(frame, reference_level=100.0)
    np.testing.assert_array_equal(again["level"].values, made["level"].values)
