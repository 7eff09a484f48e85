"""Files in the layouts of agencies, portals and loggers, made from their published descriptions.

Values are invented: a level of ``LEVELS`` m on the Mondays ``DAYS``, its depth below 20 m.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

DAYS = pd.date_range("2016-01-04", periods=30, freq="W-MON")
LEVELS = np.round(12 + np.sin(np.arange(30) / 5), 2)
DEPTHS = np.round(20 - LEVELS, 2)
FEET = 0.3048


@dataclass(frozen=True)
class Layout:
    """A file, how it is read, and what is right."""

    name: str
    file: str
    make: Callable[[], str | bytes]
    settings: dict[str, object] = field(default_factory=dict)
    wells: tuple[str, ...] = ()
    datum: str | None = None
    level: np.ndarray | None = None
    said: str = ""
    atol: float = 0.011


def comma(value: float) -> str:
    return f"{value:.2f}".replace(".", ",")


def rows(form: Callable[[pd.Timestamp, float, float], str], *head: str, foot: str = "") -> str:
    body = [form(day, level, depth) for day, level, depth in zip(DAYS, LEVELS, DEPTHS, strict=True)]
    return "\n".join([*head, *body, *([foot] if foot else [])]) + "\n"


def gkd() -> str:
    return rows(
        lambda d, v, _: f"{d:%Y-%m-%d};{comma(v)};Rohdaten",
        'Quelle:;"Landesamt, www.gkd.bayern.de"', "Zeitbezug:;MEZ", 'Messstellen-Name:;"AU 1"',
        "Messstellen-Nr.:;77", 'Ostwert:;600000;Nordwert:;5300000;"ETRS89"', "",
        'Datum;"Grundwasserstand [m ü. NN]";Prüfstatus',
    )  # fmt: skip


def dino_old() -> str:
    return rows(
        lambda d, v, _: f"B10A0001,001,{d:%d-%m-%Y},{round((25 - v) * 100)},"
        f"{round((24 - v) * 100)},{round(v * 100)},,,,,,",
        "Titel:,,,,,,,,,,,", "Gebruikersnaam:,,,,,,,,,,,", "Datum maaiveld:,01-01-2003,,,,,,,,,,",
        "", "Locatie,Filternummer,Externe aanduiding,X-coordinaat,Y-coordinaat,"
        "Maaiveld (cm t.o.v. NAP),Startdatum,Einddatum",
        "B10A0001,001,,100000,400000,2400,01-01-2003,01-07-2030", "", "",
        "Locatie,Filternummer,Peildatum,Stand (cm t.o.v. MP),Stand (cm t.o.v. MV),"
        "Stand (cm t.o.v. NAP),Bijzonderheid,Opmerking,,,,",
    )  # fmt: skip


def bro_new() -> str:
    return rows(
        lambda d, v, _: f"{d:%Y-%m-%d}T00:00:00Z,,,{v:.2f},,,,,",
        "Tijdstip,Voorlopige Waarde [m],Voorlopige Opmerking,Beoordeelde Waarde [m],"
        "Beoordeelde Opmerking,Controle Waarde [m],Controle Opmerking,Onbekend Waarde [m],"
        "Onbekend Opmerking",
    )  # fmt: skip


def ehyd() -> bytes:
    return rows(
        lambda d, v, _: f"{d:%d.%m.%Y} 00:00:00;   {comma(v)}",
        "Messstelle:                ;Dorf", "HZB-Nummer:                ;300001",
        "Sachgebiet:                ;GW", "Einheit:                   ;[m ü.A.]", "Werte:",
    ).encode("cp1252")  # fmt: skip


def kiwis() -> str:
    return rows(
        lambda d, v, _: f"{d:%Y-%m-%d}T00:00:00.000+01:00;{v:.2f};102;200",
        "#ts_id;4", "#station_name;F7", "#ts_unitsymbol;m+NAP", "#rows;30",
        "#Timestamp;Value;Interpolation Type;Quality Code",
    )  # fmt: skip


def wiski() -> bytes:
    return rows(
        lambda d, v, _: f"{d:%d.%m.%Y} 00:00:00\t{comma(v)}\t80",
        "Stationsname\tQuellbach 3", "Stationsnummer\t991", "Parameter\tGrundwasserstand",
        "Einheit\tm ü. NHN", "", "Datum\tWert\tQualität",
    ).encode("cp1252")  # fmt: skip


def hubeau() -> str:
    return rows(
        lambda d, v, p: f"07548X0009/F;{d:%Y-%m-%d};{v:.2f};{p:.2f};Mode;Brute;correcte",
        "code_bss;date_mesure;niveau_nappe_eau;profondeur_nappe;mode_obtention;statut;qualification",
    )  # fmt: skip


def ades() -> bytes:
    return rows(
        lambda d, v, p: f"00755X0006/S1|{d:%d/%m/%Y} 00:00:00|{comma(p)}|{comma(v)}|contrôlée",
        "Code national BSS|Date de la mesure|Profondeur relative/repère de mesure|Côte NGF|Statut",
    ).encode("latin-1")  # fmt: skip


def sgu() -> str:
    return rows(
        lambda d, v, p: f"5_3;Vallen;{d:%Y-%m-%d};{comma(v)};{round(p * 100)};lod;",
        "Område- och stationsnummer;Stationens namn;Datum för mätning;Grundvattennivå (m ö.h.);"
        "Grundvattennivå (cm under markyta);Metod för mätning;Nivåanmärkning",
    )  # fmt: skip


def usgs_rdb() -> str:
    return rows(
        lambda d, v, p: f"USGS\t400000000000001\tGW\t{d:%Y-%m-%d}\t\t{p / FEET:.3f}\t"
        f"{v / FEET:.3f}\tNAVD88\tA",
        "# U.S. Geological Survey", "# retrieved: 2024-02-01", "#",
        "agency_cd\tsite_no\tsite_tp_cd\tlev_dt\tlev_tm\tlev_va\tsl_lev_va\tsl_datum_cd\tlev_age_cd",
        "5s\t15s\t6s\t10d\t5d\t12s\t12s\t10s\t1s",
    )  # fmt: skip


def usgs_depths() -> str:
    return rows(
        lambda d, _, p: f"USGS\t400000000000001\t{d:%Y-%m-%d}\t12:00\t{p / FEET:.3f}\tA",
        "# U.S. Geological Survey", "agency_cd\tsite_no\tlev_dt\tlev_tm\tlev_va\tlev_age_cd",
        "5s\t15s\t10d\t5d\t12s\t1s",
    )  # fmt: skip


def usgs_daily() -> str:
    return rows(
        lambda d, v, _: f"USGS\t01\t{d:%Y-%m-%d}\t{v / FEET:.3f}\tA",
        "# daily values", "agency_cd\tsite_no\tdatetime\t555_62611_00003\t555_62611_00003_cd",
        "5s\t15s\t20d\t14n\t10s",
    )  # fmt: skip


def usgs_ogc() -> str:
    return rows(
        lambda d, v, _: f"f0a1,USGS-7,62611,00003,{d:%Y-%m-%d},{v / FEET:.3f},ft,Approved",
        "time_series_id,monitoring_location_id,parameter_code,statistic_id,time,value,"
        "unit_of_measure,approval_status",
    )  # fmt: skip


def ngwmn() -> str:
    return rows(
        lambda d, v, p: f'ZZ,7{d.week % 2:014d},{d:%Y-%m-%d}T12:00:00-06:00,"depth, LSD",Down,ft,'
        f"{p / FEET:.3f},ft,0.01,Agency,{p / FEET:.3f},{v / FEET:.3f},tape,,",
        "AgencyCd,SiteNo,Time,Original Parameter,Original Direction,Original Unit,Original Value,"
        "Accuracy Unit,Accuracy Value,Data Provided by,Depth to Water Below Land Surface in ft.,"
        "Water level in feet relative to NAVD88,Observation Method,Comment,",
    )  # fmt: skip


def environment_agency() -> str:
    measure = "http://environment.data.gov.uk/hydrology/id/measures/"
    return rows(
        lambda d, v, _: f"{measure}ab-gw-logged-i-subdaily-mAOD-qualified,{d:%Y-%m-%d}T00:00:00,"
        f"{d:%Y-%m-%d},{v:.2f},,Good,1",
        "measure,dateTime,date,value,completeness,quality,qcode",
    )  # fmt: skip


def california() -> str:
    return rows(
        lambda d, v, p: f"386,380000N1210000W001,{d:%m/%d/%Y} 00:00:00,{20 / FEET:.2f},"
        f"{19 / FEET:.2f},{v / FEET:.3f},{p / FEET:.3f},{(p - 1) / FEET:.3f},Good,Steel tape",
        "STN_ID,SITE_CODE,MSMT_DATE,WLM_RPE,WLM_GSE,WSE,RPE_WSE,GSE_WSE,WLM_QA_DESC,WLM_DESC",
    )  # fmt: skip


def pgown() -> str:
    return rows(
        lambda d, _, p: f"{d:%Y-%m-%d} 00:00,{p:.2f},Approved,OW002",
        "Time,Value,Approval,myLocation",
    )


def utah() -> str:
    return rows(
        lambda d, v, p: f"1001,{d:%m/%d/%Y},{p / FEET:.3f},{v / FEET:.3f},PI",
        "LocationID,ReadingDate,DTWBelowCasing,WaterElevation,MeasuredBy",
    )  # fmt: skip


def diver_csv() -> bytes:
    return rows(
        lambda d, v, _: f"{d:%Y/%m/%d} 00:00:00,{v * 100:.1f},11.2",
        "Data file for DataLogger.", "=====", "COMPANY    :", "[Logger settings]",
        "  Location                =P7", "[Data]", "30",
        "Date/time,Water level[cm],Temperature[°C]",
        foot="END OF DATA FILE OF DATALOGGER FOR WINDOWS",
    ).encode("cp1252")  # fmt: skip


def diver_mon(channel: str = "WATER LEVEL", unit: str = "cm") -> bytes:
    return rows(
        lambda d, v, _: f"{d:%Y/%m/%d} 00:00:00     {v * 100:8.1f}     11.20",
        "Data file for DataLogger.", "=" * 40, "COMPNY=", "LOCATION=P8", "",
        "  [Logger settings]", "    Serial number           =..00-B1234  214.",
        "    Location                =P8", "  [Channel 1]",
        f"    Identification          ={channel}", f"    Reference level         =0.0      {unit}",
        "  [Channel 2]", "    Identification          =TEMPERATURE",
        "    Reference level         =-20.00 °C", "[Data]", "30",
        foot="END OF DATA FILE OF DATALOGGER FOR WINDOWS",
    ).encode("cp1252")  # fmt: skip


def solinst_xle() -> str:
    logs = rows(
        lambda d, v, _: (
            f"<Log id='1'><Date>{d:%Y/%m/%d}</Date><Time>00:00:00</Time><ms>0</ms>"
            f"<ch1>{v:.2f}</ch1><ch2>11.2</ch2></Log>"
        ),
    )
    return (
        "<?xml version='1.0' encoding='UTF-8'?><Body_xle><Instrument_info_data_header>"
        "<Location>S4</Location></Instrument_info_data_header>"
        "<Ch1_data_header><Identification>LEVEL</Identification><Unit>m</Unit></Ch1_data_header>"
        "<Ch2_data_header><Identification>TEMPERATURE</Identification><Unit>Deg C</Unit>"
        f"</Ch2_data_header><Data>{logs}</Data></Body_xle>"
    )


def solinst_csv() -> str:
    return rows(
        lambda d, v, _: f"{d:%m/%d/%Y},00:00:00,0,{v / FEET:.3f},11.2",
        "Serial_number:", "1065861", "Project ID:", "test", "Location:", "S5", "LEVEL", "UNIT: ft",
        "Offset: 0.000000 ft", "TEMPERATURE", "UNIT: Deg C", "Date,Time,ms,LEVEL,TEMPERATURE",
    )  # fmt: skip


def hobo() -> str:
    return "\ufeff" + rows(
        lambda d, v, _: f"{d.week},{d:%m/%d/%y} 12:00:00 AM,{v:.2f},11.2,",
        '"Plot Title: H6"',
        '"#","Date Time, GMT-07:00","Water Level, meters (LGR S/N: 1, SEN S/N: 1)",'
        '"Temp, °C (LGR S/N: 1, SEN S/N: 1)","Coupler Detached (LGR S/N: 1)"',
    )


def in_situ() -> str:
    return rows(
        lambda d, _, p: f"{d:%Y-%m-%d} 00:00:00,0.0,5.1,11.2,1.02,{p / FEET:.3f}",
        "Report Date:,2/1/2024", "Log File Properties", "File Name,log.wsl", "",
        "Date and Time,Seconds,Pressure (PSI) (4512),Temperature (C) (4512),Depth (ft) (4512),"
        "Level Depth To Water (ft) (4512)",
    )  # fmt: skip


def fews() -> str:
    def series(place: str, parameter: str, unit: str, shift: float) -> str:
        events = "".join(
            f'<event date="{d:%Y-%m-%d}" time="00:00:00" '
            f'value="{-999.0 if k == 3 else round(v + shift, 2)}" flag="0"/>'
            for k, (d, v) in enumerate(zip(DAYS, LEVELS, strict=True))
        )
        return (
            f"<series><header><type>instantaneous</type><locationId>{place}</locationId>"
            f"<parameterId>{parameter}</parameterId><missVal>-999.0</missVal>"
            f"<units>{unit}</units></header>{events}</series>"
        )

    return (
        '<?xml version="1.0" encoding="UTF-8"?><TimeSeries '
        'xmlns="http://www.wldelft.nl/fews/PI" version="1.2"><timeZone>1.0</timeZone>'
        + series("GW1", "GW.meting", "m NAP", 0) + series("GW2", "GW.meting", "m NAP", 1)
        + series("W1", "P.obs", "mm", 0) + "</TimeSeries>"
    )  # fmt: skip


def acea() -> str:
    return rows(
        lambda d, _, p: f"{d:%d/%m/%Y},{p:.1f},{-p:.2f},{-p - 1:.2f},11.2,-23288.5,2.01",
        "Date,Rainfall_Hill,Depth_to_Groundwater_P1,Depth_to_Groundwater_P2,Temperature_Hill,"
        "Volume_Pump_1,Hydrometry_Mill",
    )  # fmt: skip


def plain_long() -> str:
    return rows(
        lambda d, v, _: f"{d:%d.%m.%Y};{'Nord' if d.week % 2 else 'Sued'};{comma(v)}",
        "Datum;Messstelle;Grundwasserstand [m ü. NN]",
    )


def plain_wide() -> str:
    return rows(
        lambda d, v, _: f"{d:%Y-%m-%d},{v / FEET:.3f},{(v + 1) / FEET:.3f}",
        "Date,MW-1 (feet),MW-2 (feet)",
    )


def unit_row() -> str:
    return rows(
        lambda d, v, _: f"{d:%Y-%m-%d}\t{v * 100:.0f}\t{v * 100 + 5:.0f}",
        "date\tB1\tB2",
        "\tcm\tcm",
    )


def spanish() -> str:
    return rows(
        lambda d, _, p: f"{d:%d/%m/%Y};PZ-4;{comma(p)};medida manual",
        "Fecha;Pozo;Profundidad (m);Observaciones",
    )


def italian() -> str:
    return rows(
        lambda d, v, _: f"{d:%d/%m/%Y};{comma(v)};{comma(20 - v)}",
        "Data;Livello falda (m s.l.m.);Soggiacenza (m)",
    )


def danish() -> str:
    return rows(
        lambda d, v, _: f"100.12;1;{d:%d-%m-%Y};{comma(v)}",
        "DGU nr;Indtag;Dato;Vandstand (m DVR90)",
    )


def utf16() -> bytes:
    return rows(
        lambda d, v, _: f"{d:%d.%m.%Y};{comma(v)}", "Datum;Grundwasserstand [m NHN]"
    ).encode("utf-16")


TWO = np.stack([LEVELS, LEVELS + 1])
LAYOUTS = [
    Layout("GKD Bavaria", "gkd.csv", gkd, {}, ("AU 1",), "NN", said="GKD Bavaria"),
    Layout("DINOloket", "dino.csv", dino_old, {}, ("B10A0001_001",), "NAP", said="DINOloket"),
    Layout("BRO series", "GLD1.csv", bro_new, {}, ("GLD1",), "NAP"),
    Layout("eHYD", "ehyd.csv", ehyd, {}, ("Dorf",), "Adria", said="eHYD"),
    Layout("KiWIS", "kiwis.csv", kiwis, {}, ("F7",), "NAP", said="KiWIS"),
    Layout("WISKI", "wiski.txt", wiski, {}, ("Quellbach 3",), "NHN"),
    Layout("Hub'Eau", "hubeau.csv", hubeau, {}, ("07548X0009/F",), "NGF", said="Hub'Eau"),
    Layout("ADES", "chroniques.txt", ades, {}, ("00755X0006/S1",), "NGF"),
    Layout("SGU", "sgu.csv", sgu, {}, ("5_3",), "MSL"),
    Layout("USGS RDB", "lev.rdb", usgs_rdb, {}, ("400000000000001",), "NAVD88", said="USGS RDB"),
    Layout("USGS RDB, depths", "lev.txt", usgs_depths,
           {"reference_level": 20, "at_step": "mean"}, ("400000000000001",)),
    Layout("USGS daily RDB", "dv.txt", usgs_daily, {}, ("01",), "NAVD88"),
    Layout("USGS OGC API", "dv.csv", usgs_ogc, {}, ("USGS-7",), "NAVD88"),
    Layout("NGWMN", "WATERLEVEL.csv", ngwmn, {"at_step": "mean"},
           (f"7{1:014d}", f"7{0:014d}"), "NAVD88", np.array([]), said="NGWMN"),
    Layout("Environment Agency", "ea.csv", environment_agency, {}, ("ab",), "ODN"),
    Layout("California DWR", "periodic.csv", california, {}, ("380000N1210000W001",), "NAVD88",
           said="California"),
    Layout("British Columbia", "OW002.csv", pgown, {"reference_level": 20}, ("OW002",),
           said="PGOWN"),
    Layout("Utah", "manual.csv", utah, {}, ("1001",), "NAVD88", said="Utah"),
    Layout("Diver CSV", "p7.csv", diver_csv, {}, ("P7",), said="Diver"),
    Layout("Diver MON", "p8.MON", diver_mon, {}, ("P8",), said="Diver .MON"),
    Layout("Diver MON, pressure", "p8.mon", lambda: diver_mon("PRESSURE", "cmH2O"),
           {"sensor_depth": 20.0, "reference_level": 20.0, "barometer": "baro.csv"}, ("P8",),
           level=LEVELS - 10.0),
    Layout("Solinst xle", "s4.xle", solinst_xle, {}, ("S4",), said="Solinst"),
    Layout("Solinst CSV", "s5.csv", solinst_csv, {}, ("S5",), said="Solinst"),
    Layout("HOBO", "h6.csv", hobo, {}, ("H6",), said="HOBO"),
    Layout("In-Situ", "insitu.csv", in_situ, {"reference_level": 20}, ("insitu",), said="In-Situ"),
    Layout("Delft-FEWS", "fews.xml", fews, {}, ("GW1", "GW2"), "NAP", TWO, said="PI-XML"),
    Layout("Acea", "aquifer.csv", acea, {"reference_level": 20}, ("P1", "P2"), None,
           np.stack([LEVELS, LEVELS - 1])),
    Layout("long table", "levels.csv", plain_long, {}, ("Nord", "Sued"), "NN", np.array([])),
    Layout("wide table in feet", "wells.csv", plain_wide, {}, ("MW-1", "MW-2"), None, TWO),
    Layout("row of units", "units.txt", unit_row, {}, ("B1", "B2"), None,
           np.stack([LEVELS, LEVELS + 0.05])),
    Layout("Spanish", "pozo.csv", spanish, {"reference_level": 20}, ("PZ-4",)),
    Layout("Italian", "falda.csv", italian, {}, ("falda",), "MSL"),
    Layout("Danish", "dgu.csv", danish, {}, ("100.12",), "DVR90"),
    Layout("UTF-16", "utf16.csv", utf16, {}, ("utf16",), "NHN"),
]  # fmt: skip


def write(layout: Layout, folder: Path) -> Path:
    """Write a file, and the barometer beside it."""
    made = layout.make()
    path = folder / layout.file
    path.write_bytes(made.encode() if isinstance(made, str) else made)
    if "barometer" in layout.settings:
        lines = [f"{d:%Y-%m-%d %H:%M},98.0665" for d in DAYS]
        (folder / "baro.csv").write_text("\n".join(["time,Air pressure [kPa]", *lines]) + "\n")
    return path
