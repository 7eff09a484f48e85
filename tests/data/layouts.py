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


def lines(form: str, *head: str, foot: str = "") -> str:
    """Return a row of each day in a form, below the lines of the head.

    ``d`` is the day, ``v`` the level, ``w`` that of a second well, ``p`` the depth below 20 m; with
    f in feet, with c with a decimal comma, with x in cm.
    """
    body = [
        form.format(
            d=d, v=v, p=p, w=v + 1, vf=v / FEET, pf=p / FEET, wf=(v + 1) / FEET, vc=comma(v),
            pc=comma(p), wc=comma(v + 1), vx=round(v * 100), px=round(p * 100), nw=-p - 1,
            two="Nord" if d.week % 2 else "Sued", odd=d.week % 2, doy=d.day_of_year,
            s=int(d.timestamp()), unix=int(d.timestamp() // 86_400), mjd=d.to_julian_date() - 2400000.5,
            matlab=d.toordinal() + 366,
            year=d.year + (d.day_of_year - 1) / (366 if d.is_leap_year else 365),
        )
        for d, v, p in zip(DAYS, LEVELS, DEPTHS, strict=True)
    ]  # fmt: skip
    return "\n".join([*head, *body, *([foot] if foot else [])]) + "\n"


LAYOUTS: list[Layout] = []


def layout(
    name: str, file: str, form: str, *head: str, wells: tuple[str, ...] | str = (),
    datum: str | None = None, code: str = "utf-8", foot: str = "", said: str = "",
    level: np.ndarray | None = None, to: list[Layout] = LAYOUTS, given: str | None = None,
    **settings: object,
) -> None:  # fmt: skip
    """Add a layout; by default the well has the name of the file. ``given`` is a datum."""
    settings |= {"datum": given} if given else {}
    named = (wells,) if isinstance(wells, str) else wells or (file.rpartition(".")[0],)
    text = lines(form, *head, foot=foot).encode(code)
    to.append(
        Layout(name, file, lambda: text, settings, named, datum or given, level, said, atol=0.02)
    )


MON = (
    "Data file for DataLogger.", "=" * 40, "COMPNY=", "LOCATION=P8", "",
    "  [Logger settings]", "    Serial number           =..00-B1234  214.",
    "    Location                =P8", "  [Channel 1]",
    "    Identification          =WATER LEVEL", "    Reference level         =0.0      cm",
    "  [Channel 2]", "    Identification          =TEMPERATURE",
    "    Reference level         =-20.00 °C", "[Data]", "30",
)  # fmt: skip
MON_ROW = "{d:%Y/%m/%d} 00:00:00     {vx:8.1f}     11.20"
END = "END OF DATA FILE OF DATALOGGER FOR WINDOWS"


def pressure_mon() -> bytes:
    """Return the file of a Diver that has measured a pressure."""
    head = [line.replace("WATER LEVEL", "PRESSURE").replace("0.0      cm", "0.0      cmH2O")
            for line in MON]  # fmt: skip
    return lines(MON_ROW, *head, foot=END).encode("cp1252")


def solinst_xle() -> str:
    logs = lines(
        "<Log id='1'><Date>{d:%Y/%m/%d}</Date><Time>00:00:00</Time><ms>0</ms>"
        "<ch1>{v:.2f}</ch1><ch2>11.2</ch2></Log>"
    )
    return (
        "<?xml version='1.0' encoding='UTF-8'?><Body_xle><Instrument_info_data_header>"
        "<Location>S4</Location></Instrument_info_data_header>"
        "<Ch1_data_header><Identification>LEVEL</Identification><Unit>m</Unit></Ch1_data_header>"
        "<Ch2_data_header><Identification>TEMPERATURE</Identification><Unit>Deg C</Unit>"
        f"</Ch2_data_header><Data>{logs}</Data></Body_xle>"
    )


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


TWO = np.stack([LEVELS, LEVELS + 1])
MEASURE = "http://environment.data.gov.uk/hydrology/id/measures/"
# fmt: off
layout(
    "GKD Bavaria", "gkd.csv", "{d:%Y-%m-%d};{vc};Rohdaten",
    'Quelle:;"Landesamt, www.gkd.bayern.de"', "Zeitbezug:;MEZ", 'Messstellen-Name:;"AU 1"',
    "Messstellen-Nr.:;77", 'Ostwert:;600000;Nordwert:;5300000;"ETRS89"', "",
    'Datum;"Grundwasserstand [m ü. NN]";Prüfstatus', wells="AU 1", datum="NN", said="GKD Bavaria",
)
layout(
    "DINOloket", "dino.csv", "B10A0001,001,{d:%d-%m-%Y},1300,1200,{vx},,,,,,",
    "Titel:,,,,,,,,,,,", "Gebruikersnaam:,,,,,,,,,,,", "Datum maaiveld:,01-01-2003,,,,,,,,,,", "",
    "Locatie,Filternummer,Externe aanduiding,X-coordinaat,Y-coordinaat,Maaiveld (cm t.o.v. NAP),"
    "Startdatum,Einddatum", "B10A0001,001,,100000,400000,2400,01-01-2003,01-07-2030", "", "",
    "Locatie,Filternummer,Peildatum,Stand (cm t.o.v. MP),Stand (cm t.o.v. MV),"
    "Stand (cm t.o.v. NAP),Bijzonderheid,Opmerking,,,,", wells="B10A0001_001", datum="NAP",
    said="DINOloket",
)
layout(
    "BRO series", "GLD1.csv", "{d:%Y-%m-%d}T00:00:00Z,,,{v:.2f},,,,,",
    "Tijdstip,Voorlopige Waarde [m],Voorlopige Opmerking,Beoordeelde Waarde [m],"
    "Beoordeelde Opmerking,Controle Waarde [m],Controle Opmerking,Onbekend Waarde [m],"
    "Onbekend Opmerking", datum="NAP",
)
layout(
    "eHYD", "ehyd.csv", "{d:%d.%m.%Y} 00:00:00;   {vc}", "Messstelle:                ;Dorf",
    "HZB-Nummer:                ;300001", "Sachgebiet:                ;GW",
    "Einheit:                   ;[m ü.A.]", "Werte:", code="cp1252", wells="Dorf", datum="Adria",
    said="eHYD",
)
layout(
    "KiWIS", "kiwis.csv", "{d:%Y-%m-%d}T00:00:00.000+01:00;{v:.2f};102;200", "#ts_id;4",
    "#station_name;F7", "#ts_unitsymbol;m+NAP", "#rows;30",
    "#Timestamp;Value;Interpolation Type;Quality Code", wells="F7", datum="NAP", said="KiWIS",
)
layout(
    "WISKI", "wiski.txt", "{d:%d.%m.%Y} 00:00:00\t{vc}\t80", "Stationsname\tQuellbach 3",
    "Stationsnummer\t991", "Parameter\tGrundwasserstand", "Einheit\tm ü. NHN", "",
    "Datum\tWert\tQualität", code="cp1252", wells="Quellbach 3", datum="NHN",
)
layout(
    "Hub'Eau", "hubeau.csv", "07548X0009/F;{d:%Y-%m-%d};{v:.2f};{p:.2f};Mode;Brute;correcte",
    "code_bss;date_mesure;niveau_nappe_eau;profondeur_nappe;mode_obtention;statut;qualification",
    wells="07548X0009/F", datum="NGF", said="Hub'Eau",
)
layout(
    "ADES", "chroniques.txt", "00755X0006/S1|{d:%d/%m/%Y} 00:00:00|{pc}|{vc}|contrôlée",
    "Code national BSS|Date de la mesure|Profondeur relative/repère de mesure|Côte NGF|Statut",
    code="latin-1", wells="00755X0006/S1", datum="NGF",
)
layout(
    "SGU", "sgu.csv", "5_3;Vallen;{d:%Y-%m-%d};{vc};{px};lod;",
    "Område- och stationsnummer;Stationens namn;Datum för mätning;Grundvattennivå (m ö.h.);"
    "Grundvattennivå (cm under markyta);Metod för mätning;Nivåanmärkning", wells="5_3", datum="MSL",
)
layout(
    "USGS RDB", "lev.rdb",
    "USGS\t400000000000001\tGW\t{d:%Y-%m-%d}\t\t{pf:.3f}\t{vf:.3f}\tNAVD88\tA",
    "# U.S. Geological Survey", "# retrieved: 2024-02-01", "#",
    "agency_cd\tsite_no\tsite_tp_cd\tlev_dt\tlev_tm\tlev_va\tsl_lev_va\tsl_datum_cd\tlev_age_cd",
    "5s\t15s\t6s\t10d\t5d\t12s\t12s\t10s\t1s", wells="400000000000001", datum="NAVD88",
    said="USGS RDB",
)
layout(
    "USGS RDB, depths", "lev.txt", "USGS\t400000000000001\t{d:%Y-%m-%d}\t12:00\t{pf:.3f}\tA",
    "# U.S. Geological Survey", "agency_cd\tsite_no\tlev_dt\tlev_tm\tlev_va\tlev_age_cd",
    "5s\t15s\t10d\t5d\t12s\t1s", wells="400000000000001", reference_level=20, at_step="mean",
)
layout(
    "USGS daily RDB", "dv.txt", "USGS\t01\t{d:%Y-%m-%d}\t{vf:.3f}\tA", "# daily values",
    "agency_cd\tsite_no\tdatetime\t555_62611_00003\t555_62611_00003_cd", "5s\t15s\t20d\t14n\t10s",
    wells="01", datum="NAVD88",
)
layout(
    "USGS OGC API", "dv.csv", "f0a1,USGS-7,62611,00003,{d:%Y-%m-%d},{vf:.3f},ft,Approved",
    "time_series_id,monitoring_location_id,parameter_code,statistic_id,time,value,"
    "unit_of_measure,approval_status", wells="USGS-7", datum="NAVD88",
)
layout(
    "NGWMN", "WATERLEVEL.csv",
    'ZZ,7{odd:014d},{d:%Y-%m-%d}T12:00:00-06:00,"depth, LSD",Down,ft,{pf:.3f},ft,0.01,Agency,'
    "{pf:.3f},{vf:.3f},tape,,",
    "AgencyCd,SiteNo,Time,Original Parameter,Original Direction,Original Unit,Original Value,"
    "Accuracy Unit,Accuracy Value,Data Provided by,Depth to Water Below Land Surface in ft.,"
    "Water level in feet relative to NAVD88,Observation Method,Comment,",
    wells=(f"7{1:014d}", f"7{0:014d}"), datum="NAVD88", level=np.array([]), said="NGWMN",
    at_step="mean",
)
layout(
    "Environment Agency", "ea.csv",
    MEASURE + "ab-gw-logged-i-subdaily-mAOD-qualified,{d:%Y-%m-%d}T00:00:00,{d:%Y-%m-%d},{v:.2f},,"
    "Good,1", "measure,dateTime,date,value,completeness,quality,qcode", wells="ab", datum="ODN",
)
layout(
    "California DWR", "periodic.csv",
    "386,380000N1210000W001,{d:%m/%d/%Y} 00:00:00,65.62,62.34,{vf:.3f},{pf:.3f},{pf:.3f},Good,Tape",
    "STN_ID,SITE_CODE,MSMT_DATE,WLM_RPE,WLM_GSE,WSE,RPE_WSE,GSE_WSE,WLM_QA_DESC,WLM_DESC",
    wells="380000N1210000W001", datum="NAVD88", said="California",
)
layout("British Columbia", "OW002.csv", "{d:%Y-%m-%d} 00:00,{p:.2f},Approved,OW002",
       "Time,Value,Approval,myLocation", said="PGOWN", reference_level=20)
layout("Utah", "manual.csv", "1001,{d:%m/%d/%Y},{pf:.3f},{vf:.3f},PI",
       "LocationID,ReadingDate,DTWBelowCasing,WaterElevation,MeasuredBy", wells="1001",
       datum="NAVD88", said="Utah")
layout(
    "Diver CSV", "p7.csv", "{d:%Y/%m/%d} 00:00:00,{vx:.1f},11.2", "Data file for DataLogger.",
    "=====", "COMPANY    :", "[Logger settings]", "  Location                =P7", "[Data]", "30",
    "Date/time,Water level[cm],Temperature[°C]", foot=END, code="cp1252", wells="P7", said="Diver",
)
layout("Diver MON", "p8.MON", MON_ROW, *MON, foot=END, code="cp1252", wells="P8",
       said="Diver .MON")
LAYOUTS.append(Layout(
    "Diver MON, pressure", "p8.mon", pressure_mon,
    {"sensor_depth": 20.0, "reference_level": 20.0, "barometer": "baro.csv"}, ("P8",),
    level=LEVELS - 10.0,
))
LAYOUTS.append(Layout("Solinst xle", "s4.xle", solinst_xle, {}, ("S4",), said="Solinst"))
layout(
    "Solinst CSV", "s5.csv", "{d:%m/%d/%Y},00:00:00,0,{vf:.3f},11.2", "Serial_number:", "1065861",
    "Project ID:", "test", "Location:", "S5", "LEVEL", "UNIT: ft", "Offset: 0.000000 ft",
    "TEMPERATURE", "UNIT: Deg C", "Date,Time,ms,LEVEL,TEMPERATURE", wells="S5", said="Solinst",
)
layout(
    "HOBO", "h6.csv", "{doy},{d:%m/%d/%y} 12:00:00 AM,{v:.2f},11.2,", '"Plot Title: H6"',
    '"#","Date Time, GMT-07:00","Water Level, meters (LGR S/N: 1, SEN S/N: 1)",'
    '"Temp, °C (LGR S/N: 1, SEN S/N: 1)","Coupler Detached (LGR S/N: 1)"', code="utf-8-sig",
    wells="H6", said="HOBO",
)
layout(
    "In-Situ", "insitu.csv", "{d:%Y-%m-%d} 00:00:00,0.0,5.1,11.2,1.02,{pf:.3f}",
    "Report Date:,2/1/2024", "Log File Properties", "File Name,log.wsl", "",
    "Date and Time,Seconds,Pressure (PSI) (4512),Temperature (C) (4512),Depth (ft) (4512),"
    "Level Depth To Water (ft) (4512)", said="In-Situ", reference_level=20,
)
LAYOUTS.append(Layout("Delft-FEWS", "fews.xml", fews, {}, ("GW1", "GW2"), "NAP", TWO, "PI-XML"))
layout(
    "Acea", "aquifer.csv", "{d:%d/%m/%Y},{p:.1f},-{p:.2f},{nw:.2f},11.2,-23288.5,2.01",
    "Date,Rainfall_Hill,Depth_to_Groundwater_P1,Depth_to_Groundwater_P2,Temperature_Hill,"
    "Volume_Pump_1,Hydrometry_Mill", wells=("P1", "P2"), level=np.stack([LEVELS, LEVELS - 1]),
    reference_level=20,
)
layout("long table", "levels.csv", "{d:%d.%m.%Y};{two};{vc}",
       "Datum;Messstelle;Grundwasserstand [m ü. NN]", wells=("Nord", "Sued"), datum="NN",
       level=np.array([]))
layout("wide table in feet", "wells.csv", "{d:%Y-%m-%d},{vf:.3f},{wf:.3f}",
       "Date,MW-1 (feet),MW-2 (feet)", wells=("MW-1", "MW-2"), level=TWO)
layout("row of units", "units.txt", "{d:%Y-%m-%d}\t{vx}\t{vx}", "date\tB1\tB2", "\tcm\tcm",
       wells=("B1", "B2"), level=np.stack([LEVELS, LEVELS]))
layout("Spanish", "pozo.csv", "{d:%d/%m/%Y};PZ-4;{pc};medida manual",
       "Fecha;Pozo;Profundidad (m);Observaciones", wells="PZ-4", reference_level=20)
layout("Italian", "falda.csv", "{d:%d/%m/%Y};{vc};{pc}",
       "Data;Livello falda (m s.l.m.);Soggiacenza (m)", datum="MSL")
layout("Danish", "dgu.csv", "100.12;1;{d:%d-%m-%Y};{vc}", "DGU nr;Indtag;Dato;Vandstand (m DVR90)",
       wells="100.12", datum="DVR90")
layout("UTF-16", "utf16.csv", "{d:%d.%m.%Y};{vc}", "Datum;Grundwasserstand [m NHN]",
       code="utf-16", datum="NHN")
# fmt: on


def write(layout: Layout, folder: Path) -> Path:
    """Write a file, and the barometer beside it."""
    made = layout.make()
    path = folder / layout.file
    path.write_bytes(made.encode() if isinstance(made, str) else made)
    if "barometer" in layout.settings:
        lines = [f"{d:%Y-%m-%d %H:%M},98.0665" for d in DAYS]
        (folder / "baro.csv").write_text("\n".join(["time,Air pressure [kPa]", *lines]) + "\n")
    return path
