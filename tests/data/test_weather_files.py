"""Files of weather services give rain and temperature in mm and degC."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gwforecast as gw
from gwforecast import SchemaError

TIMES = pd.date_range("2015-12-20", periods=420)
RAIN = np.round((np.arange(420) % 7) * 1.5, 1)
WARM = np.round(10 + 8 * np.sin(np.arange(420) / 58), 1)


def lines(form: str, *head: str) -> str:
    """Return a row of each day: rain r, mean, minimum and maximum temperature t, n and x."""
    body = [
        form.format(
            d=d, r=r, t=t, n=t - 3, x=t + 3, r10=round(r * 10), t10=round(t * 10),
            x10=round(t * 10 + 30), k=t + 273.15, m=r / 1000, inch=r / 25.4, f=t * 9 / 5 + 32,
            doy=d.day_of_year, tr="T" if r == 0 else r,
        )
        for d, r, t in zip(TIMES, RAIN, WARM, strict=True)
        if "{doy}" not in form or d.day_of_year < 366
    ]  # fmt: skip
    return "\n".join([*head, *body]) + "\n"


def months(element: str, values: np.ndarray) -> str:
    """Return an element in lines of months, as GHCN-Daily has them."""
    days = pd.Series(values, TIMES)
    return "".join(
        f"USW00014739{month:%Y%m}{element}"
        + "".join(f"{int(part.get(f'{month:%Y-%m}-{d:02d}', -9999)):5d}  W" for d in range(1, 32))
        + "\n"
        for month, part in days.groupby(days.index.to_period("M"))
    )


DAYMET = "year,yday,dayl (s),prcp (mm/day),srad (W/m^2),swe (kg/m^2),tmax (deg C),tmin (deg C)"
SERVICES: dict[str, str] = {
    "KNMI": lines("  260,{d:%Y%m%d},{t10},{r10}", "# KNMI", "# STN,YYYYMMDD,   TG,   RH"),
    "DWD": lines(" 3987;{d:%Y%m%d};   10;  11.2;{r:6.1f};   6;  -999;{t:6.1f};eor",
                 "STATIONS_ID;MESS_DATUM;QN_3;  FX; RSK;RSKF; SDK; TMK;eor"),
    "DWD precipitation": lines("  3987;{d:%Y%m%d};    9;{r:6.1f};   6;   0;-999;eor",
                               "STATIONS_ID;MESS_DATUM;QN_6;  RS;RSF;SH_TAG;NSH_TAG;eor"),
    "MeteoSwiss": lines("BAS;{d:%d.%m.%Y} 00:00;{t};{r};;2.1",
                        "station_abbr;reference_timestamp;tre200d0;rka150d0;htoautd0;erefaod0"),
    "MeteoSwiss orders": lines("BAS;{d:%Y%m%d};{t};{r}", "MeteoSchweiz", "",
                               "stn;time;tre200d0;rre150d0"),
    "GHCN-Daily": lines('"USW1","{d:%Y-%m-%d}","40.7","NY, NY US","{r10:5.0f}",",,W","{t10:5.0f}",","',
                        '"STATION","DATE","LATITUDE","NAME","PRCP","PRCP_ATTRIBUTES","TAVG",'
                        '"TAVG_ATTRIBUTES"'),
    "ECA&D": lines("   44,100123,{d:%Y%m%d},{r10:5.0f},    0",
                   "FILE FORMAT (MISSING VALUE CODE IS -9999):", "",
                   "STAID, SOUID,    DATE,   RR, Q_RR"),
    "Meteostat": lines("{d:%Y-%m-%d},{t},{n},{x},{r},,,11.2,,1013.2,",
                       "date,tavg,tmin,tmax,prcp,snow,wdir,wspd,wpgt,pres,tsun"),
    "Meteo-France": lines("44020001;NANTES;47.1;-1.6;27;{d:%Y%m%d};{r};1;{t};1",
                          "NUM_POSTE;NOM_USUEL;LAT;LON;ALTI;AAAAMMJJ;RR;QRR;TM;QTM"),
    "GeoSphere Austria": lines("{d:%Y-%m-%d}T00:00+00:00,5925,{r},{t}", "time,station,rr,tl_mittel"),
    "Environment Canada": lines('"45","OTTAWA","6106000","{d:%Y-%m-%d}","{d.year}","{t}","","{r}",""',
                                '"Latitude (y)","Station Name","Climate ID","Date/Time","Year",'
                                '"Mean Temp (°C)","Mean Temp Flag","Total Precip (mm)","Flag"'),
    "BOM": lines("IDCJAC0009,040004,{d.year},{d.month:02d},{d.day:02d},{r},1,Y",
                 "Product code,Bureau of Meteorology station number,Year,Month,Day,"
                 "Rainfall amount (millimetres),Period over which rainfall was measured (days),Quality"),
    "SILO": lines("-27.5,151.5,{d:%Y-%m-%d},{r},25,{x},25,{n},25,100001",
                  "latitude,longitude,YYYY-MM-DD,daily_rain,daily_rain_source,max_temp,"
                  "max_temp_source,min_temp,min_temp_source,metadata"),
    "SILO station text": lines("{d:%Y%m%d} {d.day} {d:%d-%m-%Y}  {x:5.1f} 25 {n:5.1f} 25 {r:5.1f} 25",
                               "Date     Day Date2      T.Max Smx T.Min Smn Rain  Srn",
                               "(yyyymmdd) () (ddmmyyyy) (oC) () (oC) () (mm) ()"),
    "Daymet": lines("{d.year},{doy},34567.0,{r},200.1,0.0,{x},{n}", "Latitude: 36.0  Longitude: -84",
                    "Elevation: 300 meters", DAYMET),
    "PRISM": lines("{d:%Y-%m-%d},{inch:.4f},{f:.2f}", "PRISM Time Series Data", "",
                   "Date,ppt (inches),tmean (degrees F)"),
    "gridMET": lines("{d:%Y-%m-%d},{r},{k:.2f}", "yyyy-mm-dd,pr(mm),tas(K)"),
    "CHIRPS": lines("{d:%m/%d/%Y},{r}", "Date, Rainfall (mm)"),
    "NASA POWER": lines("{d.year},{d.month},{d.day},{r},{t}", "-BEGIN HEADER-",
                        "The value for missing model data: -999", "-END HEADER-",
                        "YEAR,MO,DY,PRECTOTCORR,T2M"),
    "ERA5 at a point": lines("{d:%Y-%m-%d},{k:.2f},{m:.5f},47.5", "valid_time,t2m,tp,latitude"),
    "Open-Meteo": lines("{d:%Y-%m-%d},{t},{r}", "latitude,longitude,timezone", "52.5,13.4,GMT", "",
                        "time,temperature_2m_mean (°C),precipitation_sum (mm)"),
    "Visual Crossing": lines('"T",{d:%Y-%m-%d},{x},{n},{t},80,{r},50,rain,0',
                             "name,datetime,tempmax,tempmin,temp,humidity,precip,precipprob,"
                             "preciptype,snow"),
    "NOAA GSOD": lines('"72202","{d:%Y-%m-%d}","25.8","MIAMI, FL US"," {f:.1f}","24"," {inch:.2f}",'
                       '"G","999.9","000000"',
                       '"STATION","DATE","LATITUDE","NAME","TEMP","TEMP_ATTRIBUTES","PRCP",'
                       '"PRCP_ATTRIBUTES","SNDP","FRSHTT"'),
    "GHCN-Daily by year": lines("US1,{d:%Y%m%d},PRCP,{r10},,,W,2400\nUS1,{d:%Y%m%d},TAVG,{t10},H,,S,"
                                ).replace("US1", "USW00014739"),
    "JMA": lines("{d.year}/{d.month}/{d.day},{t},8,1,{r},0,8,1",
                 "ダウンロードした時刻：2024/01/01", "", ",東京,東京,東京,東京,東京,東京,東京",
                 "年月日,平均気温(℃),平均気温(℃),平均気温(℃),降水量の合計(mm),降水量の合計(mm),"
                 "降水量の合計(mm),降水量の合計(mm)", ",,,,,,,",
                 ",,品質情報,均質番号,,現象なし情報,品質情報,均質番号"),
    "Met Éireann": lines("{d:%d-%b-%Y},0,{x},0,{n},0,{r},1012.2", "Station Name: OAK PARK", "",
                         "rain: - Precipitation Amount (mm)", "",
                         "date,ind,maxtp,ind,mintp,ind,rain,cbl"),
    "CIMIS": lines("5,Shafter,{d:%m/%d/%Y},0.15, ,{inch:.3f}, ,{f:.1f},Y,",
                   "Stn Id,Stn Name,Date,ETo (in),qc,Precip (in),qc,Avg Air Temp (F),qc,"),
    "AEMET": lines("{d:%Y-%m-%d};3195;{t};{tr};{n};{x}", "fecha;indicativo;tmed;prec;tmin;tmax"
                   ).replace(";T;", ";Ip;"),
    "SMHI": lines("{d:%Y-%m-%d} 06:00:01;{d:%Y-%m-%d} 07:00:00;{d:%Y-%m-%d};{r};G;;Kvalitet",
                  "Parameternamn;Beskrivning;Enhet", "Nederbördsmängd;summa 1 dygn;millimeter", "",
                  "Från Datum Tid (UTC);Till Datum Tid (UTC);Representativt dygn;Nederbördsmängd;"
                  "Kvalitet;;Tidsutsnitt:"),
    "CHMI": lines("0-1,SRA,{d:%Y-%m-%d}T00:00:00Z,{r},,0\n0-1,T,{d:%Y-%m-%d}T00:00:00Z,{t},,0",
                  "STATION,ELEMENT,DT,VALUE,FLAG,QUALITY"),
    "SNOTEL": lines("{d:%Y-%m-%d},{inch:.3f},{f:.1f}", "#----", "# SNOTEL 302", "#",
                    "Date,Lake #2 (302) Precipitation Increment (in),"
                    "Lake #2 (302) Air Temperature Average (degF)"),
    "GHCN-Daily by station": months("PRCP", RAIN * 10) + months("TMAX", WARM * 10 + 30),
    "IMGW-PIB": lines('"249180010","PSZCZYNA","{d.year}","{d:%m}","{d:%d}",{x},,{n},,{t},,{n},,{r},'
                      '"9","W",0,"9"'),
    "IMGW-PIB rain": lines('249180020,"PSARY",{d.year},{d:%m},{d:%d},{r},"9","W",0,"9",0,"9",,"9",,"9"'),
    "NRFA": lines("{d:%Y-%m-%d},{r},", "file,timestamp,2024-01-03T09:12:11", "database,id,nrfa",
                  "station,name,Thames at Kingston", "dataType,name,Catchment Daily Rainfall",
                  "dataType,parameter,Rainfall", "dataType,units,mm", "data,first,2015-12-20",
                  "data,last,2017-02-11"),
    "MIDAS Open": lines("{d:%Y-%m-%d} 00:00:00,5214,RAIN,1,{r},0,6,,{d:%Y-%m-%d} 06:46:14",
                        "Conventions,G,BADC-CSV,1", "missing_value,G,NA", "data",
                        "ob_date,id,id_type,version_num,prcp_amt,ob_day_cnt_q,prcp_amt_q,"
                        "prcp_amt_j,meto_stmp_time") + "end data\n",
    "Environment Agency, rain": lines(
        "http://environment.data.gov.uk/hydrology/id/measures/1-rainfall-t-86400-mm-qualified,"
        "{d:%Y-%m-%d}T09:00:00,{d:%Y-%m-%d},{r},Complete,Good,",
        "measure,dateTime,date,value,completeness,quality,qcode"),
    "Earth Engine, ERA5-Land": lines(
        '{d:%Y%m%d},{d:%Y-%m-%d},{k:.2f},{m:.5f},-0.00200,"{{""type"":""Point""}}"',
        "system:index,time,temperature_2m,total_precipitation_sum,potential_evaporation_sum,.geo"),
    "SMN Mexico": lines("{d:%d/%m/%Y}  {r}  Nulo  {x:.1f}  {n:.1f}", "ESTACION  : 9004", "",
                        "FECHA       PRECIP  EVAP    TMAX    TMIN",
                        "             (MM)   (MM)    (°C)    (°C)"),
    "FMI": lines('"Helsinki","{d.year}","{d.month}","{d.day}","00:00","{r}","{t}"',
                 '"Havaintoasema","Vuosi","Kuukausi","Päivä","Aika [Paikallinen aika]",'
                 '"Sademäärä [mm]","Keskilämpötila [°C]"').replace('"0.0"', '"-1"'),
    "MET Norway": lines("Blindern;SN18700;{d:%d.%m.%Y};{r};{t}",
                        "Navn;Stasjon;Tid(norsk normaltid);Døgnnedbør (mm);Middeltemperatur (døgn)"
                        ) + "Data er gyldig per 01.02.2021 (CC BY 4.0), MET;;;;\n",
    "IDEAM (Colombia)": lines("21205012,EL DORADO,4.7,-74.1,2547,{d:%Y-%m-%d} 00:00,PRECIPITACION,{r},1200",
                              "CodigoEstacion,NombreEstacion,Latitud,Longitud,Altitud,Fecha,"
                              "IdParametro,Valor,NivelAprobacion"),
    "names and units in two rows": lines("{d:%Y-%m-%d};{r};{t}", "DateTime;Nedbør;Middeltemperatur",
                                         "_;mm;°C"),
    "traces of rain": lines("{d:%Y-%m-%d},{tr}", "date,precip (mm)"),
}  # fmt: skip


@pytest.fixture
def levels(tmp_path: Path) -> Path:
    """Daily levels of two wells."""
    rows = [f"{d:%Y-%m-%d},{5 + k / 1000},{6 + k / 1000}" for k, d in enumerate(TIMES[30:400])]
    (tmp_path / "levels.csv").write_text("\n".join(["date,W1,W2", *rows]) + "\n")
    return tmp_path / "levels.csv"


def written(levels: Path, text: str, name: str = "weather.txt") -> Path:
    path = levels.parent / name
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_gives_its_weather(service: str, levels: Path) -> None:
    made = gw.read_observations(levels, written(levels, SERVICES[service]))
    right = {"rain": RAIN, "temperature": WARM, "temperature_min": WARM - 3,
             "temperature_max": WARM + 3}  # fmt: skip
    kinds = [made[name].attrs["kind"] for name in made.data_vars if name != "level"]
    assert "rain" in kinds
    assert not {"other"} & set(kinds)
    at = made["time"].values.astype("M8[D]") == np.datetime64("2016-01-05")
    for name in made.data_vars:
        kind = made[name].attrs.get("kind")
        if kind in right:
            value = float(made[name].values[0, at].item())
            assert value == pytest.approx(right[kind][16], abs=0.06), name


def test_daily_arrays_of_open_meteo_are_weather(levels: Path) -> None:
    tree = {
        "latitude": 52.5, "daily_units": {"time": "iso8601", "rain_sum": "mm"},
        "daily": {"time": [f"{d:%Y-%m-%d}" for d in TIMES], "rain_sum": RAIN.tolist()},
    }  # fmt: skip
    made = gw.read_observations(levels, written(levels, json.dumps(tree), "w.json"))
    assert made["rain_sum"].attrs["units"] == "mm"
    assert made["rain_sum"].sel(time="2016-01-05").values[0] == RAIN[16]


def test_dates_as_keys_of_nasa_power_are_weather(levels: Path) -> None:
    rain = {f"{d:%Y%m%d}": float(r) for d, r in zip(TIMES, RAIN, strict=True)}
    warm = {f"{d:%Y%m%d}": float(t) for d, t in zip(TIMES, WARM, strict=True)}
    tree = {"properties": {"parameter": {"PRECTOTCORR": rain, "T2M": warm}}}
    made = gw.read_observations(levels, written(levels, json.dumps(tree), "w.json"))
    assert made["PRECTOTCORR"].attrs["kind"] == "rain"
    assert made["T2M"].sel(time="2016-01-05").values[0] == WARM[16]


def test_temperatures_that_can_only_be_fahrenheit_are_refused(levels: Path) -> None:
    path = written(levels, lines("{d:%Y-%m-%d},{r},{f:.1f}", "date,rain (mm),temp"))
    with pytest.raises(SchemaError, match=r"taken as degC.*64\.4 for 'temp'.*covariate_units="):
        gw.read_observations(levels, path)
    made = gw.read_observations(levels, path, covariate_units={"temp": "degF"})
    assert made["temp"].sel(time="2016-01-05").values[0] == pytest.approx(WARM[16], abs=0.06)


def test_estimates_of_the_met_office_are_read_without_their_mark(tmp_path: Path) -> None:
    months = pd.date_range("2010-01-01", periods=60, freq="MS")
    rows = [f"   {d.year}  {d.month:2d}   15.0    5.0    {10 + k}.0{'*' if k == 3 else ''}"
            + "  Provisional" * (k > 50) for k, d in enumerate(months)]  # fmt: skip
    head = ["Cambridge", "Missing data is marked by  ---.", "   yyyy  mm   tmax    tmin    rain",
            "              degC    degC      mm"]  # fmt: skip
    weather = tmp_path / "weather.txt"
    weather.write_text("\n".join([*head, *rows]) + "\n")
    (tmp_path / "l.csv").write_text(
        "\n".join(["date,level (mAOD)", *(f"{d:%Y-%m-%d},{k}.5" for k, d in enumerate(months))])
    )
    made = gw.read_observations(tmp_path / "l.csv", weather)
    assert made["rain"].values[0, 3] == 13.0
    assert made["rain"].attrs["units"] == "mm"
    assert "are read without it" in " ".join(gw.understood(made)["what"])


def test_each_service_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "input_formats.md").read_text("utf-8")
    named = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    assert set(SERVICES) <= set(named)


def test_the_last_day_of_a_leap_year_of_daymet_is_missing(levels: Path) -> None:
    made = gw.read_observations(levels, written(levels, SERVICES["Daymet"]))
    rain = made["prcp"].isel(well=0)
    assert np.isnan(float(rain.sel(time="2016-12-31")))
    assert int(rain.isnull().sum()) == 1
    assert "no row for 1 of 420 steps" in " ".join(gw.understood(made)["what"])


def test_numbers_of_ghcn_with_decimals_are_not_tenths(levels: Path) -> None:
    text = lines('"USW1","{d:%Y-%m-%d}","{r}",",W"', '"STATION","DATE","PRCP","PRCP_ATTRIBUTES"')
    made = gw.read_observations(levels, written(levels, text))
    assert float(made["PRCP"][0, 16]) == RAIN[16]
    assert "units" not in made["PRCP"].attrs


def test_columns_named_after_the_wells_are_one_covariate(levels: Path) -> None:
    text = lines("{d:%Y-%m-%d},{r},{x}", "date,W1,W2")
    made = gw.read_observations(levels, written(levels, text, "rain.csv"))
    assert set(made) == {"level", "rain"}
    assert made["rain"].values[:, 16].tolist() == [RAIN[16], WARM[16] + 3]
    both = lines("{d:%Y-%m-%d},{r},{x}", "date,rain W1 (in),rain W2 (in)")
    made = gw.read_observations(levels, written(levels, both))
    assert made["rain"].values[0, 16] == pytest.approx(RAIN[16] * 25.4)
    with pytest.raises(SchemaError, match=r"whose kind.*Call the file rain\.csv"):
        gw.read_observations(levels, written(levels, text, "data.csv"))


def test_parameters_below_each_other_are_covariates(levels: Path) -> None:
    rain = lines("{d:%Y-%m-%d},rain,{r}").splitlines()
    warm = lines("{d:%Y-%m-%d},temperature,{t}").splitlines()
    path = written(levels, "\n".join(["date,parameter,value", *rain, *warm]) + "\n")
    made = gw.read_observations(levels, path)
    assert float(made["rain"][0, 16]) == RAIN[16]
    assert float(made["temperature"][0, 16]) == WARM[16]


def test_weather_without_names_is_refused(levels: Path) -> None:
    with pytest.raises(SchemaError, match=r"need names.*first line, e\.g\. date,rain"):
        gw.read_observations(levels, written(levels, lines("{d:%Y-%m-%d},{r},{t}")))


def hours(levels: Path) -> Path:
    """Write rain of 1 mm stamped at each hour of the first day, and at 00:00 of the next."""
    times = pd.date_range("2016-01-01", periods=24 * 380, freq="h")
    rain = np.where((times > "2016-02-01") & (times <= "2016-02-02"), 1.0, 0.0)
    rows = [f"{t:%Y-%m-%d %H:%M},{r}" for t, r in zip(times, rain, strict=True)]
    return written(levels, "\n".join(["time,rain (mm)", *rows]) + "\n")


def test_hours_begin_or_end_at_their_stamps(levels: Path) -> None:
    path = hours(levels)
    begin = gw.read_observations(levels, path, step="D")
    assert begin["rain"].sel(time=["2016-02-01", "2016-02-02"]).values[0].tolist() == [23, 1]
    assert "the steps of 1 hour are their beginning; say covariate_stamp='end'" in " ".join(
        gw.understood(begin)["what"]
    )
    end = gw.read_observations(levels, path, step="D", covariate_stamp="end")
    assert end["rain"].sel(time=["2016-02-01", "2016-02-02"]).values[0].tolist() == [24, 0]
    daily = written(levels, SERVICES["CHIRPS"])
    with pytest.raises(ValueError, match="for covariates that are not"):
        gw.read_observations(levels, daily, covariate_stamp="end")


def test_hours_of_knmi_end_at_their_stamps(levels: Path) -> None:
    rows = [
        f"  260,{d:%Y%m%d},{hour},{10 if d == TIMES[40] else 0}"
        for d in TIMES
        for hour in range(1, 25)
    ]
    path = written(levels, "\n".join(["# STN,YYYYMMDD,   HH,   RH", *rows]) + "\n")
    made = gw.read_observations(levels, path, step="D")
    assert made["RH"].sel(time=TIMES[40:42]).values[0].tolist() == [pytest.approx(24), 0]
    assert "covariate_stamp='begin'" in " ".join(gw.understood(made)["what"])


def test_rain_beside_fahrenheit_needs_its_unit(levels: Path) -> None:
    path = written(levels, lines("{d:%Y-%m-%d},{inch:.2f},{f:.1f}", "date,PRCP,TMAX"))
    with pytest.raises(SchemaError, match=r"may be in inches.*--covariate-unit PRCP=in"):
        gw.read_observations(levels, path, covariate_units={"TMAX": "degF"})
    units = {"TMAX": "degF", "PRCP": "in"}
    made = gw.read_observations(levels, path, covariate_units=units)
    assert made["PRCP"].values[0, 16] == pytest.approx(RAIN[16], abs=0.2)


def test_a_code_of_nines_in_a_river_stage_is_refused(levels: Path) -> None:
    rows = [
        f"{d:%d-%m-%Y};12:00:00;{999999999 if k == 50 else 800 + k}" for k, d in enumerate(TIMES)
    ]
    path = written(levels, "\n".join(["DATUM;TIJD;Rivierstand [cm]", *rows]) + "\n")
    with pytest.raises(SchemaError, match="999999999, which looks like a code"):
        gw.read_observations(levels, path)


def test_days_stamped_at_noon_are_days_like_those_of_the_levels(levels: Path) -> None:
    rows = [f"{d:%Y-%m-%d} 12:00,{800 + k}" for k, d in enumerate(TIMES)]
    river = written(levels, "\n".join(["time,river stage (cm)", *rows]) + "\n", "river.csv")
    rain = written(levels, lines("{d:%Y-%m-%d},{r}", "date,rain (mm)"), "rain.csv")
    for files in (river, [river, rain]):
        made = gw.read_observations(levels, files)
        assert float(made["river stage"].sel(time="2016-01-05").values[0]) == 816
        assert made.sizes["time"] == len(TIMES)
        assert "taken as days" in " ".join(gw.understood(made)["what"])


def test_rain_given_twice_a_day_is_added_beside_a_temperature_of_each_third_hour(
    levels: Path,
) -> None:
    rows = [
        f'"{d:%d.%m.%Y} {hour:02d}:00";"{t}";"745.3";"760.1";"86";"'
        f'{("No precipitation" if r == 0 else r / 2) if hour in (9, 21) else ""}"'
        for d, r, t in zip(TIMES, RAIN, WARM, strict=True)
        for hour in range(0, 24, 3)
    ]
    head = "# Weather station X\n#\nLocal time in X;T;Po;P;U;RRR"
    made = gw.read_observations(levels, written(levels, "\n".join([head, *rows]) + "\n"), step="D")
    assert float(made["RRR"].sel(time="2016-01-05").values[0]) == pytest.approx(RAIN[16])
    assert made["Po"].attrs["kind"] == "pressure"
    assert "P" not in made


def test_hours_called_utc_and_clocks_without_a_time_are_read(levels: Path) -> None:
    rows = [f"{d:%Y/%m/%d};{h:02d}00 UTC;{r / 24:.4f};" for d, r in zip(TIMES, RAIN, strict=True)
            for h in range(24)]  # fmt: skip
    head = "ESTACAO:;BRASILIA\nData;Hora UTC;PRECIPITAÇÃO TOTAL, HORÁRIO (mm);"
    made = gw.read_observations(levels, written(levels, "\n".join([head, *rows]) + "\n"), step="D")
    rain = made["PRECIPITAÇÃO TOTAL, HORÁRIO"]
    assert float(rain.sel(time="2016-01-05").values[0]) == pytest.approx(RAIN[16], abs=0.01)
    rows = [f"{d:%Y-%m-%d};--:--;   {2000 + k}.000" for k, d in enumerate(TIMES)]
    head = "# River:  RHINE\n# Unit of measure:   m3/s\n# DATA\nYYYY-MM-DD;hh:mm; Value"
    made = gw.read_observations(levels, written(levels, "\n".join([head, *rows]) + "\n"))
    assert float(made["Value"].sel(time="2016-01-05").values[0]) == 2016


def test_empty_cells_of_rain_without_any_zero_are_explained(levels: Path) -> None:
    text = (
        lines("{d:%Y-%m-%d},{r}", "date,rain (mm)")
        .replace(",1.5\n", ",\n")
        .replace(",3.0\n", ",\n")
    )
    paths = written(levels, text.replace(",0.0\n", ",\n")), written(levels, text, "z.txt")
    said = [" ".join(gw.check(gw.read_observations(levels, path)).message) for path in paths]
    assert "None of its values is 0" in said[0]
    assert "--fill rain=zero" in said[0]
    assert "missing rain is not zero" in said[1]


@pytest.mark.parametrize(
    ("header", "value", "day"),
    [("rain (mm/h)", 0.1, 2.4), ("pr (kg m-2 s-1)", 0.1 / 3600, 2.4), ("rain (mm)", 0.1, 2.4),
     ("global (J/cm2)", 10, 240e4 / 86400), ("global (W/m2)", 10, 10), ("pet (mm/h)", 0.1, 2.4)],
)  # fmt: skip
def test_rates_of_hours_are_averaged_and_amounts_are_summed(
    header: str, value: float, day: float, levels: Path
) -> None:
    times = pd.date_range("2016-01-01", periods=24 * 380, freq="h")
    text = "\n".join([f"time,{header}", *(f"{t:%Y-%m-%d %H:%M},{value:.9f}" for t in times)])
    made = gw.read_observations(levels, written(levels, text + "\n"), step="D")
    name = header.split(" ")[0]
    assert float(made[name].sel(time="2016-02-01").values[0]) == pytest.approx(day, rel=1e-4)


def test_tenths_written_as_fractions_are_tenths(levels: Path) -> None:
    path = written(levels, lines("{d:%Y-%m-%d};{r10};{t10}", "date;Pluie (1/10 mm);Temp (1/10 °C)"))
    made = gw.read_observations(levels, path)
    assert made["Pluie"].values[0, 16] == pytest.approx(RAIN[16])
    assert made["Temp"].values[0, 16] == pytest.approx(WARM[16])
