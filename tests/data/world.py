"""Files in the layouts of agencies and loggers of the world, made from published descriptions.

Values are invented: a level ``v`` of ``LEVELS`` m on the Mondays ``DAYS`` ``d``, its depth ``p``
below 20 m; ``vf`` and ``pf`` in feet, ``vc`` and ``pc`` with a decimal comma.
"""

from __future__ import annotations

import json
from functools import partial

from .layouts import DAYS, DEPTHS, FEET, LEVELS, Layout
from .layouts import layout as layout_of

DEPTH = {"reference_level": 20}
DAY_FIRST = {"day_first": True}
WORLD: list[Layout] = []
layout = partial(layout_of, to=WORLD)

# North America ------------------------------------------------------------------------------------

layout(
    "USGS field measurements (OGC API)", "field.csv",
    "f{d:%j},9d2,v1,USGS-4014,62611,S,Steel tape,{vf:.2f},ft,{d:%Y-%m-%d}T15:00:00+00:00,,"
    "North American Vertical Datum of 1988,Approved,USGS,2024",
    "id,field_measurements_series_id,field_visit_id,monitoring_location_id,parameter_code,"
    "observing_procedure_code,observing_procedure,value,unit_of_measure,time,qualifier,"
    "vertical_datum,approval_status,measuring_agency,last_modified",
    wells="USGS-4014", datum="NAVD88", at_step="mean",
)  # fmt: skip
layout(
    "USGS instantaneous RDB", "iv.rdb",
    "USGS\t4014\t{d:%Y-%m-%d} 00:00\tCST\t{pf:.2f}\tA",
    "# ----- WARNING", "#  1111  72019  Depth to water level, feet below land surface", "#",
    "agency_cd\tsite_no\tdatetime\ttz_cd\t1111_72019\t1111_72019_cd", "5s\t15s\t20d\t6s\t14n\t10s",
    wells="4014", **DEPTH,
)  # fmt: skip
layout("NGWMN daily values", "dv.csv",
       "USGS,123,{d:%Y-%m-%d}T00:00:00-06:00,{pf:.2f},ft,Approved",
       "AgencyCd,SiteNo,Time,Depth to Water Below Land Surface in ft.,Unit,Status", wells="123",
       **DEPTH)  # fmt: skip
layout("Texas TWDB recorder wells", "twdb.csv", "{d:%Y-%m-%d},{pf:.2f}",
       "datetime,water_level(ft below land surface)", **DEPTH)  # fmt: skip
layout(
    "Texas TWDB", "WaterLevelsMajor.txt",
    "1234567|Travis|14|{d.month}|{d.day}|{d.year}|{d:%m/%d/%Y}|{pf:.2f}|-1.2|{vf:.2f}|1|Steel Tape",
    "StateWellNumber|County|RiverBasin|MeasurementMonth|MeasurementDay|MeasurementYear|"
    "MeasurementDate|DepthFromLSD|ChangeInWaterLevel|WaterElevation|MeasurementNumber|"
    "MeasurementMethod", wells="1234567",
)  # fmt: skip
layout("DBHYDRO (South Florida)", "dbhydro.csv", "G-1234_G,{d:%d-%b-%Y},{vf:.2f},,{d:%d-%b-%Y}",
       "Station,Site,DBKEY,Data Type,Frequency,Statistic,Units,Strata",
       "G-1234_G,G-1234,AB123,WELL,DA,MEAN,ft NGVD29,0", "",
       "Station,Daily Date,Data Value,Qualifer,Revision Date",
       wells="G-1234_G", datum="NGVD29")  # fmt: skip
layout("Kansas WIZARD", "wizard.txt", '"372810101000001","{d:%d-%b-%Y}",{pf:.2f},2900.0,"S","KGS"',
       "USGS_ID,MEASUREMENT_DATE_AND_TIME,DEPTH_TO_WATER,LAND_SURFACE_ALTITUDE,MEASUREMENT_METHOD,"
       "AGENCY", wells="372810101000001", **DEPTH)  # fmt: skip
layout("Minnesota CGM", "mn.csv", "{d:%m/%d/%Y},{pf:.2f},{vf:.2f},Hand",
       "Date,Depth to Water (ft),Water Elevation (ft MSL),Method", datum="MSL")  # fmt: skip
layout("Alberta GOWN", "gown.csv", "{d:%Y-%m-%d},{v}", "Alberta Environment",
       "Well name: Milk River 0117", "", "Date,Water Level (masl)",
       wells="Milk River 0117", datum="MSL")  # fmt: skip
layout("Quebec RSESQ", "rsesq.csv", "{d:%Y/%m/%d},{v},11.2,Validée",
       "Réseau de suivi des eaux souterraines du Québec", "Piézomètre no : 02000001",
       "Date,Niveau d'eau (m),Température (°C),État", code="latin-1", wells="02000001",
       given="CGVD28")  # fmt: skip
layout("Aquarius", "aq.csv", "{d:%Y-%m-%d}T08:00:00Z,{d:%Y-%m-%d} 00:00:00,{vf:.2f},Approved,50,,",
       "# Time-series identifier: Groundwater Level.Telemetry@OW123", "# Location: Well 9",
       "# UTC offset: (UTC-08:00)", "# Value units: ft", "#",
       "ISO 8601 UTC,Timestamp (UTC-08:00),Value,Approval Level,Grade,Qualifiers",
       wells="Well 9")  # fmt: skip

# Europe -------------------------------------------------------------------------------------------

layout("EPA Ireland", "epa.csv", "{d:%Y-%m-%d} 00:00:00,{v},Good",
       "Timestamp,Value [m OD Malin],Quality", datum="Malin")  # fmt: skip
layout("ADES, new export", "ades.csv", "BSS000XUUM;07548X0009/F;{d:%d/%m/%Y};{pc};{vc};2;Donnée",
       "Identifiant national BSS;Ancien code BSS;Date de la mesure;"
       "Profondeur relative/repère de mesure;Cote NGF;Statut;Qualification",
       wells="BSS000XUUM", datum="NGF")  # fmt: skip
layout("Wallonia", "piez.csv", "{d:%d/%m/%Y};{pc};{vc}",
       "Date;Profondeur (m);Cote piézométrique (m DNG)", datum="DNG", **DAY_FIRST)  # fmt: skip
layout("ELWAS-WEB", "elwas.csv", "{d:%d.%m.%Y};{vc};{pc};", "LANUV ELWAS-WEB",
       "Messstelle: 010400024 DORF", "", "Datum;Wasserstand [m ü. NHN];Flurabstand [m];Bemerkung",
       code="cp1252", wells="010400024 DORF", datum="NHN")  # fmt: skip
layout("OpenHygrisC", "hygris.csv", '"10400024";"{d:%Y-%m-%d}";{pc};{vc};""',
       '"messstelle_id";"datum_messung";"abstich_m";"wasserstd_m";"bemerkung"',
       wells="10400024", datum="NHN")  # fmt: skip
layout("LUBW", "lubw.csv", "0103/115-3;{d:%d.%m.%Y};{vc};[müNN]",
       "GW-Nummer;Datum;Messwert;Einheit", wells="0103/115-3", datum="NN")  # fmt: skip
layout("ZRXP", "dorf.zrx", "{d:%Y%m%d}000000 {v} 200",
       "#ZRXPVERSION2300.100|*|ZRXPCREATORKiIOSystem.ZRXPV2R2|*|",
       "#SANR1234|*|SNAMEDorf 7|*|CNAMEGrundwasserstand|*|", "#TZUTC+1|*|RINVAL-777|*|CUNITm+NN|*|",
       "#LAYOUT(timestamp,value,status)|*|", wells="Dorf 7", datum="NN")  # fmt: skip
layout("BAFU hydrodaten", "bafu.csv",
       "Aefligen;1234;Grundwasserstand;Tagesmittel;m ü.M.;{d:%Y-%m-%d}T00:00:00+01:00;;{v};Frei",
       "Abteilung Hydrologie", "",
       "Stationsname;Stationsnummer;Parameter;Zeitreihe;Parametereinheit;Zeitstempel;"
       "Zeitpunkt_des_Auftretens;Wert;Freigabestatus", wells="Aefligen", datum="MSL")  # fmt: skip
layout("ARSO (Slovenia)", "arso.csv", "{d:%d.%m.%Y};{vc};{pc}",
       "Datum;Nivo podzemne vode (m n.m.);Globina (m)", datum="MSL")  # fmt: skip
layout("CHMI (Czechia)", "chmi.csv", "VB0001;{d:%d.%m.%Y};{vc}",
       "Objekt;Datum;Hladina podzemní vody [m n. m.]", code="cp1250", wells="VB0001",
       datum="MSL")  # fmt: skip
layout("PIG-PIB (Poland)", "pig.csv", "II/33/1;{d:%Y-%m-%d};{pc}",
       "Nr punktu;Data pomiaru;Głębokość zwierciadła wody [m p.p.t.]", code="cp1250",
       wells="II/33/1", **DEPTH)  # fmt: skip
layout("Hungary", "hu.csv", "{d:%Y.%m.%d}.;{vc}", "Dátum;Talajvízállás (mBf)", code="cp1250",
       datum="Baltic")  # fmt: skip
layout("GEUS Jupiter", "pejl.csv", "100.12;1;{d:%d-%m-%Y} 12:00;{pc};{vc};Ro",
       "DGU nr.;Indtag;Pejletidspunkt;Pejling, dybde til vand (m u. målepunkt);"
       "Vandspejlskote (m DVR90);Situation", wells="100.12", datum="DVR90",
       at_step="mean")  # fmt: skip
layout("SYKE (Finland)", "syke.csv", "0101;{d:%d.%m.%Y};{vc}",
       "Asema;Päivämäärä;Pohjaveden pinnankorkeus (m mpy)", wells="0101", datum="MSL")  # fmt: skip
layout("Spain", "es.csv", "09.412.001;{d:%d/%m/%Y};{pc};{vc}",
       "Código piezómetro;Fecha;Profundidad nivel (m);Cota nivel (msnm)", wells="09.412.001",
       datum="MSL", **DAY_FIRST)  # fmt: skip
layout("ARPA (Italy)", "arpa.csv", "PZ1;Comune;{d:%d/%m/%Y};{pc};{vc}",
       "Codice punto;Comune;Data misura;Soggiacenza [m];Livello statico [m s.l.m.]", wells="PZ1",
       datum="MSL", **DAY_FIRST)  # fmt: skip

# the rest of the world ----------------------------------------------------------------------------

layout("BOM National Groundwater Information System", "level.csv",
       "10000001,GW036001.1.1,{d:%Y-%m-%d}T00:00:00,RSWL (mAHD),{v},quality-A,const,WaterNSW",
       "hydroid,hydrocode,bore_date,obs_point_datum,result,quality_flag,interpolation,"
       "DATA_OWNER_NAME", wells="10000001", datum="AHD")  # fmt: skip
layout("BOM Water Data Online", "wdo.csv", "{d:%Y-%m-%d}T00:00:00.000+10:00,{v},10,A",
       "#Bureau of Meteorology", "#Station Name,WELL A", "#Parameter,Ground Water Level",
       "#Units,m AHD", "#Timestamp,Value,Quality Code,Interpolation Type", wells="WELL A",
       datum="AHD")  # fmt: skip
layout("WaterNSW", "nsw.csv", "00:00:00 {d:%d/%m/%Y},{p},130,{v},130",
       '"Time","110.00","","113",""',
       '"and","Depth to Water","","Groundwater Elevation AHD",""',
       '"Date","Mean","Qual","Mean","Qual"', datum="AHD", **DAY_FIRST)  # fmt: skip
layout("WaterConnect (South Australia)", "sa.csv", "662801234,{d:%d/%m/%Y},{p},{v},N",
       "Unit_Number,obs_date,SWL,RSWL,anomalous", wells="662801234", datum="AHD",
       **DAY_FIRST)  # fmt: skip
layout("Western Australia WIR", "wir.csv", "61610001,{d:%d/%m/%Y},Static water level (mAHD),{v},m",
       "Site Ref,Collect Date,Variable Name,Reading Value,Units", wells="61610001", datum="AHD",
       **DAY_FIRST)  # fmt: skip
layout("RIMAS (Brazil)", "rimas.csv", "3500012345;{d:%d/%m/%Y};{pc};",
       "Ponto;Data;Nível da água (m);Vazão", code="latin-1", wells="3500012345", **DEPTH,
       **DAY_FIRST)  # fmt: skip
layout("CGWB (India)", "cgwb.csv", "Gujarat,Kutch,W05,23.1,70.1,{d:%d-%m-%Y},{p}",
       "STATE,DISTRICT,SITE_ID,LAT,LON,DATE,WATER LEVEL (mbgl)", wells="W05", **DEPTH,
       **DAY_FIRST)  # fmt: skip
layout("Japan", "jp.csv", "{d:%Y/%m/%d},{v}", "観測所名,東", "記号,123", "日付,地下水位(T.P.m)",
       code="cp932", wells="東", datum="TP")  # fmt: skip
layout(
    "Korea",
    "kr.csv",
    "{d:%Y-%m-%d},{v},14.1",
    "관측일,지하수위(m),수온",
    code="euc_kr",
    given="MSL",
)
layout("China", "cn.csv", "{d:%Y/%m/%d},{p}", "日期,埋深(m)", code="gb18030", **DEPTH)
layout(
    "Russia", "ru.csv", "{d:%d.%m.%Y};{vc}", "Дата;Уровень воды (м)", code="cp1251", given="Baltic"
)

# loggers ------------------------------------------------------------------------------------------

layout("Keller", "keller.csv", "{d:%d.%m.%Y %H:%M:%S};1,0;0,96;{pc};11,2", "Gerätetyp;DCX-22",
       "Seriennummer;123", "", "Datum;P1 [bar];P2 [bar];Tiefe zu Wasser (E) [m];TOB1 [°C]",
       code="cp1252", **DEPTH)  # fmt: skip
layout("SEBA", "seba.csv", "{d:%d.%m.%Y};00:00:00;{vc}", "Stationsname;GWM 12",
       "Datum;Zeit;Wasserstand [m ü. NN]", code="cp1252", wells="GWM 12", datum="NN")  # fmt: skip
layout("OTT Hydras", "ott.txt", "0000123456;0001;{d:%d.%m.%Y};00:00:00;{vc};",
       wells="0000123456")  # fmt: skip
layout("HOBOconnect", "hobo2.csv", "1,{d:%m/%d/%Y} 00:00:00,1.0,52.2,{vf:.2f}",
       '#,Date-Time (CST),"Ch: 1 - Differential Pressure   (psi)","Ch: 2 - Temperature   (°F)",'
       '"Ch: 3 - Water Level   (ft)"')  # fmt: skip
layout("VuSitu", "vu.csv", "{d:%Y-%m-%d} 00:00:00,1.0,11.2,{pf:.2f}", "VuSitu Report",
       "Location Name = MW7", "", "Date Time,Pressure (psi) (4512),Temperature (C) (4512),"
       "Depth to Water (ft) (4512)", wells="MW7", **DEPTH)  # fmt: skip
layout("Campbell TOA5", "toa5.dat", '"{d:%Y-%m-%d} 00:00:00",{d.week},12.5,{vf:.2f}',
       '"TOA5","GW4","CR1000","1234","CR1000.Std.31","CPU:gw.CR1","123","Daily"',
       '"TIMESTAMP","RECORD","BattV_Min","Level_Avg"', '"TS","RN","Volts","ft"',
       '"","","Min","Avg"', wells="GW4")  # fmt: skip

# more of the world ---------------------------------------------------------------------------------

layout("Victoria WMIS", "vic.csv", "B100,{d:%d/%m/%Y},{p},{v}",
       "Bore ID,Date,Depth below natural surface (m),Reduced water level (mAHD)", wells="B100",
       datum="AHD", **DAY_FIRST)  # fmt: skip
layout("Victoria, depths", "vic.csv", "B100,{d:%Y-%m-%d},{p}", "Site ID,Datetime,DBNS (Metres)",
       wells="B100", **DEPTH)  # fmt: skip
layout("NGA (South Africa)", "nga.csv", "3318AB00012,{d:%Y/%m/%d},{p},Static,Dipped",
       "Identifier,Date and Time,Water Level (mbgl),Level Status,Method", wells="3318AB00012",
       **DEPTH)  # fmt: skip
layout("India-WRIS", "wris.csv", "{doy},Gujarat,Kutch,CGWB,KDH,23.1,70.2,{d:%d-%m-%Y %H:%M},{p}",
       "Sr. No.,State,District,Agency,Station Name,Latitude,Longitude,Data Acquisition Time,"
       "Groundwater Level (mbgl)", wells="KDH", **DEPTH, **DAY_FIRST)  # fmt: skip
layout("DGA (Chile)", "dga.csv", "02110010-1;POZO 1;{d:%d/%m/%Y};{pc}",
       "Código Pozo;Nombre;Fecha;Profundidad nivel estático (m)", wells="02110010-1", **DEPTH,
       **DAY_FIRST)  # fmt: skip
layout("CONAGUA (Mexico)", "mx.csv", "{d:%d/%m/%Y},AGS-12,{p},1890.5",
       "FECHA,CLAVE,NIVEL ESTATICO (m),ELEVACION BROCAL", wells="AGS-12", **DEPTH,
       **DAY_FIRST)  # fmt: skip
layout("PGMN (Ontario)", "pgmn.csv", "W0000123-1,{d:%Y-%m-%d} 00:00,{v}",
       "CASING_ID,READING_DTTM,WATER_LEVEL_MASL", wells="W0000123-1", datum="MSL")  # fmt: skip
layout("SWFWMD (Florida)", "swf.csv", "17512,ROMP 12,{d:%m/%d/%Y},{vf:.3f},ft NGVD29",
       "SITE_ID,SITE_NAME,DATE,VALUE,UNITS", wells="17512", datum="NGVD29")  # fmt: skip
layout("Environment Agency, flood monitoring", "ea.csv",
       "{d:%Y-%m-%d}T00:00:00Z,http://environment.data.gov.uk/flood-monitoring/id/measures/"
       "2928TH-groundwater-i-1_h-mAOD,{v}", "dateTime,measure,value", wells="2928TH",
       datum="ODN")  # fmt: skip
layout("Hub'Eau, hourly", "tr.csv",
       "07548X0009/F;{d:%Y-%m-%d}T00:00:00Z;{s}000;{v};{p};32.1;32.5",
       "code_bss;date_mesure;timestamp_mesure;niveau_eau_ngf;profondeur_nappe;altitude_station;"
       "altitude_repere", wells="07548X0009/F", datum="NGF")  # fmt: skip
layout("SNIRH (Portugal)", "snirh.csv", "{d:%d/%m/%Y} 00:00;{pc};", "Estação;606/1021",
       "DATA;Profundidade do nível da água (m);FLAG", code="latin-1", wells="606/1021", **DEPTH,
       **DAY_FIRST, foot="(*) Dados sujeitos a validação;;")  # fmt: skip
layout("ARPAV (Veneto)", "arpav.csv", "{d:%d/%m/%Y};{vc}", "Stazione;PZ 12",
       "Data;Quota falda [m s.l.m.]", wells="PZ 12", datum="MSL", **DAY_FIRST)  # fmt: skip
layout("SHMU (Slovakia)", "shmu.csv", "1234;{d:%d.%m.%Y};{vc}",
       "Číslo objektu;Dátum;Hladina [m n.m.]", code="cp1250", wells="1234",
       datum="MSL")  # fmt: skip
layout("DHMZ (Croatia)", "dhmz.csv", "{d:%d.%m.%Y.};{vc}",
       "Datum;Razina podzemne vode (m n.m.)", datum="MSL")  # fmt: skip
layout("Estonia", "ee.csv", "{d:%d.%m.%Y};123;{pc}", "Kuupäev;Kaev;Veetase maapinnast (m)",
       wells="123", **DEPTH)  # fmt: skip
layout("Romania", "ro.csv", "{d:%d.%m.%Y};F1;{pc}", "Data;Foraj;Adâncime nivel (m)", wells="F1",
       **DEPTH)  # fmt: skip
layout("Ukraine", "ua.csv", "{d:%d.%m.%Y};{pc}", "Дата;Глибина до води (м)", code="cp1251",
       **DEPTH)  # fmt: skip
layout("Indonesia", "id.csv", "{d:%d/%m/%Y},S1,{p}", "Tanggal,Sumur,Kedalaman muka air (m)",
       wells="S1", **DEPTH, **DAY_FIRST)  # fmt: skip
layout("WRA (Taiwan)", "tw.csv", "07010111,{d:%Y/%m/%d},{v}", "測站代碼,日期,地下水水位(公尺)",
       code="big5", wells="07010111", given="TWVD2001")  # fmt: skip
layout("GIMS (Korea)", "gims.csv", "가평,{d:%Y-%m-%d},{v},14.1,210",
       "관측소명,관측일자,지하수위(el.m),수온(℃),전기전도도(㎲/㎝)", wells="가평",
       datum="MSL")  # fmt: skip
layout("DOV (Flanders)", "dov.csv", "2-0114;1;{d:%d/%m/%Y};00:00;{v};goed;peillint",
       "gw_id;filternummer;datum;tijdstip;peil_mtaw;betrouwbaarheid;methode", wells="2-0114",
       datum="TAW", **DAY_FIRST)  # fmt: skip
layout("SGU, new service", "sgu.csv", "5_3,{d:%Y-%m-%d},{v},{px},{p}",
       "omrade-_och_stationsnummer,obsdatum,grundvattenniva_m_o.h.,grundvattenniva_cm_u._markyta,"
       "grundvattenniva_m_urok", wells="5_3", datum="MSL")  # fmt: skip
layout("NLWKN (Lower Saxony)", "nlwkn.csv", "DORF I;{d:%d.%m.%Y};{vc}",
       "Messstelle;Datum;Grundwasserstand [NHN+m]", wells="DORF I", datum="NHN")  # fmt: skip
layout("InfluxDB", "influx.csv", ",,0,{d:%Y-%m-%dT%H:%M:%SZ},{v},level,gw,P1",
       "#group,false,false,true,false,true,true,true",
       "#datatype,string,long,dateTime:RFC3339,double,string,string,string",
       "#default,_result,,,,,,", ",result,table,_time,_value,_field,_measurement,well",
       wells="P1")  # fmt: skip
layout("French depths", "x.csv", "{d:%d/%m/%Y};{pc}", "Date;Profondeur de la nappe (m/sol)",
       **DEPTH, **DAY_FIRST)  # fmt: skip
layout("RWS (Netherlands)", "rws.csv", "MP1;GRONDWSTAND;{d:%d-%m-%Y};00:00;cm;NAP;{vx}",
       "MEETPUNT_IDENTIFICATIE;GROOTHEID_CODE;WAARNEMINGDATUM;WAARNEMINGTIJD;EENHEID_CODE;"
       "HOEDANIGHEID_CODE;NUMERIEKEWAARDE", wells="MP1", datum="NAP", **DAY_FIRST)  # fmt: skip
layout("title that says unit and datum", "x.csv", "{d:%m/%d/%Y},{vf:.3f}",
       "Water levels in feet above NAVD88", "", "Date,MW-1", wells="MW-1",
       datum="NAVD88")  # fmt: skip
layout("decimal years", "x.csv", "{year:.4f},{v}", "year,level")
layout("MATLAB datenum", "x.csv", "{matlab},{v}", "datenum,level")
layout("modified Julian dates", "x.csv", "{mjd},{v}", "MJD,level")
layout("days since a date", "x.csv", "{unix},{v}", "time (days since 1970-01-01),level")
layout("unit and datum with a comma", "x.csv", "{d:%m/%d/%Y},{vf:.3f}",
       'Date,"Water-level elevation (feet, NAVD 1988)"', datum="NAVD88")  # fmt: skip
layout("unit and datum with underscores", "x.csv", "{d:%m/%d/%Y},{vf:.3f}", "Date,GWE_ft_navd88",
       datum="NAVD88")  # fmt: skip

layout("UVF", "gwm12.uvf", "{d:%y%m%d%H%M}{v:10.3f}", "$ib Funktion-Interpretation: Linie", "*Z",
       "Grundwasserst  m NN           2000 2000", "GWM 12         2516360.00567829000      10.0",
       "16010400001607250000Zeit", wells="GWM 12", datum="NN")  # fmt: skip
# how people write their own tables ----------------------------------------------------------------

BOTH = ("W1", "W2")
layout("two rows of names", "x.csv", "{d:%Y-%m-%d},{v},{w}", ",W1,W2", "date,level,level",
       wells=BOTH)  # fmt: skip
layout("names over merged cells", "x.csv", "{d:%Y-%m-%d},{v},11.2,{w},11.3", "Report,,,,", "",
       ",W1,,W2,", "Date,Level (m),Temp (°C),Level (m),Temp (°C)", wells=BOTH)  # fmt: skip
layout("a column of dates for each well", "x.csv", "{d:%d.%m.%Y};{vc};{d:%d.%m.%Y};{wc}",
       "W1;;W2;", "Datum;m NN;Datum;m NN", wells=BOTH, datum="NN")  # fmt: skip
layout("repeated columns of dates", "x.csv", "{d:%d.%m.%Y};{vc};{d:%d.%m.%Y};{wc}",
       "Datum;W1;Datum;W2", wells=BOTH)  # fmt: skip
layout("single blanks, no header", "x.dat", "{d:%Y-%m-%d} 00:00:00 {v}")
layout("year and day of the year", "x.csv", "{d.year},{doy},{v}", "year,doy,level")
layout("seconds since 1970", "x.csv", "{s},{v}", "timestamp,level")
layout("summary below the table", "x.csv", "{d:%Y-%m-%d},{v}", "date,level",
       foot="Mean,12.1\nMin,11.0")  # fmt: skip
layout("rain called P", "x.csv", "{d:%Y-%m-%d},{v},{w},0.5", "date,W1,W2,P (mm)", wells=BOTH)


def records() -> list[Layout]:
    """Return the JSON of services."""
    rows = list(zip(DAYS, LEVELS, DEPTHS, strict=True))
    usgs = [
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [-90, 45]},
         "properties": {"monitoring_location_id": "USGS-4014", "parameter_code": "62611",
                        "statistic_id": "00003", "time": f"{d:%Y-%m-%d}",
                        "value": f"{v / FEET:.3f}",
                        "unit_of_measure": "ft"}}
        for d, v, _ in rows
    ]  # fmt: skip
    hubeau = [
        {"code_bss": "07548X0009/F", "date_mesure": f"{d:%Y-%m-%d}", "niveau_nappe_eau": v,
         "timestamp_mesure": int(d.timestamp() * 1000), "profondeur_nappe": p}
        for d, v, p in rows
    ]  # fmt: skip
    nve = [{"time": f"{d:%Y-%m-%d}T11:00:00Z", "value": v, "quality": 3} for d, v, _ in rows]
    station = {"stationId": "2.271.0", "parameter": 2000, "parameterName": "Grunnvannstand",
               "unit": "m", "observations": nve}  # fmt: skip
    trees = {
        "USGS GeoJSON": (
            {"type": "FeatureCollection", "features": usgs},
            "USGS-4014",
            "NAVD88",
            {},
        ),
        "Hub'Eau JSON": ({"count": 30, "data": hubeau}, "07548X0009/F", "NGF", {}),
        "KiWIS JSON": (
            [
                {
                    "station_name": "F7",
                    "ts_unitsymbol": "m",
                    "columns": "Timestamp,Value",
                    "data": [[f"{d:%Y-%m-%d}T00:00:00.000+01:00", v] for d, v, _ in rows],
                }
            ],
            "F7",
            None,
            {},
        ),
        "SensorThings": (
            {
                "value": [
                    {"phenomenonTime": f"{d:%Y-%m-%dT%H:%M:%S}Z", "result": v, "@iot.id": k}
                    for k, (d, v, _) in enumerate(rows)
                ]
            },
            "x",
            None,
            {},
        ),
        "SensorThings, arrays": (
            {
                "value": [
                    {
                        "components": ["phenomenonTime", "result"],
                        "dataArray": [[f"{d:%Y-%m-%dT%H:%M:%S}Z", v] for d, v, _ in rows],
                    }
                ]
            },
            "x",
            None,
            {},
        ),
        "NVE HydAPI": ({"itemCount": 1, "data": [station]}, "2.271.0", None, {"at_step": "mean"}),
    }
    return [
        Layout(name, "x.json", lambda tree=tree: json.dumps(tree), settings, (well,), datum)  # type: ignore[misc]
        for name, (tree, well, datum, settings) in trees.items()
    ]


WORLD += records()


def xml() -> list[Layout]:
    """Return the XML of services."""
    rows = list(zip(DAYS, LEVELS, DEPTHS, strict=True))
    hilltop = (
        '<?xml version="1.0"?><Hilltop><Agency>A</Agency><Measurement SiteName="Well 1391">'
        '<DataSource Name="Groundwater Level"><ItemInfo ItemNumber="1"><Units>m</Units></ItemInfo>'
        '</DataSource><Data DateFormat="Calendar">'
        + "".join(f"<E><T>{d:%Y-%m-%dT%H:%M:%S}</T><I1>{v}</I1></E>" for d, v, _ in rows)
        + "</Data></Measurement></Hilltop>"
    )
    second = (
        '<?xml version="1.0"?><wml2:Collection xmlns:wml2="http://www.opengis.net/waterml/2.0" '
        'xmlns:om="http://www.opengis.net/om/2.0" xmlns:xlink="http://www.w3.org/1999/xlink">'
        "<wml2:observationMember><om:OM_Observation><om:observedProperty "
        'xlink:title="Groundwater level"/><om:featureOfInterest xlink:title="GW 77"/><om:result>'
        '<wml2:MeasurementTimeseries><wml2:uom code="m"/>'
        + "".join(
            f"<wml2:point><wml2:MeasurementTVP><wml2:time>{d:%Y-%m-%dT%H:%M:%S}Z</wml2:time>"
            f"<wml2:value>{v}</wml2:value></wml2:MeasurementTVP></wml2:point>"
            for d, v, _ in rows
        )
        + "</wml2:MeasurementTimeseries></om:result></om:OM_Observation>"
        "</wml2:observationMember></wml2:Collection>"
    )
    first = (
        '<?xml version="1.0"?><n:timeSeriesResponse '
        'xmlns:n="http://www.cuahsi.org/waterML/1.1/"><n:timeSeries><n:sourceInfo>'
        "<n:siteName>WELL X</n:siteName><n:siteCode>4014</n:siteCode></n:sourceInfo><n:variable>"
        "<n:variableName>Depth to water level, ft below land surface</n:variableName>"
        "<n:unit><n:unitCode>ft</n:unitCode></n:unit><n:noDataValue>-999999.0</n:noDataValue>"
        "</n:variable><n:values>"
        + "".join(
            f'<n:value dateTime="{d:%Y-%m-%dT%H:%M:%S.000}">{p / FEET:.3f}</n:value>'
            for d, _, p in rows
        )
        + "</n:values></n:timeSeries></n:timeSeriesResponse>"
    )
    return [
        Layout("Hilltop XML", "x.xml", lambda: hilltop, {}, ("Well 1391",)),
        Layout("WaterML 2.0", "x.xml", lambda: second, {}, ("GW 77",)),
        Layout("WaterML 1.1", "x.xml", lambda: first, dict(DEPTH), ("4014",)),
    ]


WORLD += xml()
