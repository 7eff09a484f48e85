"""The words of the field in its languages: what headers, keys and units are called.

Each line of :data:`WORDS` names a meaning and the words or phrases that stand for it, folded (lower
case, no accents, ``ue`` for ``ü``). ``*`` stands for any end or beginning of a word. Meanings that
stand first win: the quality of a level is a quality, the temperature of the water a temperature.
"""

from __future__ import annotations

__all__ = [
    "CALENDAR", "CALENDAR_WORDS", "CLOCK_WORDS", "DATUM_WORDS", "EITHER", "GENERIC", "GROUND_WORDS",
    "HEIGHT_WORDS", "KIND_MEANINGS", "RIVERS", "SINGLE", "TIME_WORDS", "WORDS",
]  # fmt: skip

WORDS: dict[str, str] = {
    "index": """unnamed, period, period *, #, nr, no, row, record, record number, recordno,
    index, rownum, lfd nr,
    objectid, fid, system index, seq, sequence, ms, seconds, elapsed*, _id, wlm id,
    lev acy cd, date accuracy, iot id, iot*""",
    "zone": """tz, tz cd, time zone, timezone, utc offset, lev tz cd, zeitzone, zeitbezug,
    tijdzone, utc differenz, utcoffset""",
    "quality": """*_source, *attributes, metadata, quality*, qual, *qual, qualitaet*, *status,
    *status cd, flag*, *flag, qc, *_qc, qc*, qcode, *qualifier*, qualification, approval*,
    approved, grade, grading*, interpolation*, statut, kwaliteit*, bijzonderheid*, opmerking*,
    bemerkung*, anmerkung*, remark*, *comment*, comments, note*, *note, notiz*, hinweis*,
    anmaerkning*, bemaerkning*, merknad*, anmarkning*, *anmaerkning, observacion*, observacao*,
    osservazion*, remarque*, *aprobacion, calificador*, method*, methode*, metod*,
    *metod, metodo*, mode obtention, *accuracy*, genauigkeit*, *uncertainty*, measured by,
    measuring agency, observer, beobachter, agency*, agencycd, organisation, organization, source,
    quelle, provider, data provided by, producteur*, *_cd, *_remark, validity, valid, validation*,
    completeness, continuite*, censor*, msmt cmt, event, event*, detached, attached, stopped,
    coupler*, host connected, end of file, file*, logged, usage, qc code, approval level,
    wlm * desc, wlm desc, wlm qa desc, wlm acc desc, *org name, monitoring program, lev meth cd,
    lev dtm cd, lev src cd, lev age cd, lev web cd, release, published, pruefstatus, freigabe*,
    last modified, *modified, time series id, statistic id, projet, project*, dry, trocken,
    aquifer, aquifer type, aquifer name, geology, lithology, soil*, jordart, akvifertyp,
    topografi*, urn*, url*, uri*, link, lien, measuring point description, instrument*,
    sensor type, serial*, seriennummer, sn, logger id, logger serial*, kvalitet*, jakosc,
    kvalita, stav, poznamka, uwagi, opomba, megjegyzes, laatu, kalite, revision date,
    *revision date, date revised, entry date, download date, *korrigert, corrected flag,
    anomalous, infl, wl method, reading method, etat, tilstand, situation, ind, igmin, *品質*,
    *均質*, *現象なし*, fran datum tid utc, till datum tid utc, precipprob, precipcover,
    preciptype, tidsutsnitt, n r, time resolution, estimated""",
    "area": """gemeinde, municipality, commune, county, kreis, provincie, province, region,
    district, land, country, bundesland""",
    "unit": """unit, units, *einheit, einheit, eenheid, unite, unites, unidad*, unidade*,
    unita, enhet, enhed, unit of measure, uom, unitsymbol, original unit, accuracy unit,
    unitat, jednostka, jednotka, enota, mertekegyseg, yksikko, birim, parametereinheit,
    masseinheit, value unit*, reading unit*, 単位, 单位, 단위, ед изм""",
    "parameter": """parameter, parameter code, parameter name, parameter cd, parametername,
    original parameter, variable, varname, messgroesse, grootheid, grandeur, parametre*,
    parametro*, observed property, sensor, channel, kanal, variable name, variavel, zmienna,
    obs point datum, measurement type, *parameter name""",
    "direction": "direction, original direction",
    "place": """depth to bottom, bottom depth, total depth *, standup, stickup, lat, latitude,
    lon, long, lng, longitude, latitud*, longitud*, altitud, x, y, z, easting, northing,
    ostwert, nordwert, rechtswert, hochwert, *coordina*, utm*, *koordinat*, coord*, x*wgs84,
    y*wgs84, elevation of ground, ground elevation, ground level, ground surface elevation,
    land surface elevation, altitude*, gelaendehoehe, gelaendeoberkante, gelaende, hoehe gelaende,
    maaiveld*, maaiveldhoogte, meetpunthoogte, bovenkant*, onderkant*, reference point elevation,
    reference elevation, measuring point elevation, measuring point height,
    measuring point height *, mp elevation, mp height, top of casing elevation, toc elevation,
    casing elevation, wlm rpe, wlm gse, rpe wse offset, rpe, gse, rdng ws, rdng rp,
    referensnivaa*, referensnivaer*, referensniva*, messpunkthoehe, rohroberkante, well depth,
    total depth, borehole depth, depth of well, well depth *, hole depth, depth of hole,
    screen top, screen bottom, filteroberkante, filterunterkante, cote sol, zone, 井口*,
    孔口标高*, 孔口高程*, 地面*, 地盤高*, 지반고*, mp, messpunkt, toc elev*, tocelev*, lse,
    povrsina terena, maanpinta, ground altitude, land surface altitude, *altitude""",
    "snow": """snow*, schnee*, sneeuw*, neige, neve, nieve, snoe, snoedjup, swe, snwd, snih,
    snieg, sneg, lumi, kar, 積雪*, 积雪*""",
    "wind": "wind*, *wind, windgeschwindigkeit, windsnelheid, vent, viento, vento, vind*",
    "radiation": """radiation*, *strahlung*, straling*, globalstraling, rayonnement*,
    radiacion, radiacao, radiazione, solar*, radn, srad, irradiance, shortwave*, stralning,
    straaling""",
    "humidity": """humidity*, *humidity, *feuchte*, luchtvochtigheid, humidite, humedad,
    umidita, umidade, luftfuktighet, luftfugtighed""",
    "evapotranspiration": """*evapotranspiration*, evaporation*, *verdunstung*, *verdamping*,
    etp, etpmon, etpgrille, pe, pet, et0, eto, epot, evapot*, evaporacion, evaporacao,
    evaporazione, avdunstning,
    fordampning, avdunstning*, evap, haihdunta, vypar, parowanie, 蒸発*, 蒸发*, испарение""",
    "temperature_min": """tmmn, mint, min air temp*, t min, tlmin, temperature min*, min temp*,
    tmin, tmin*, minimum temp*, temp min*, tempmin, mintp, *最低気温*""",
    "temperature_max": """tmmx, maxt, max air temp*, t max, tlmax, temperature max*, max temp*,
    tmax, tmax*, maximum temp*, temp max*, tempmax, maxtp, *最高気温*""",
    "temperature": """tl mittel, tair, air temp*, tmed, tm, tas, *temperatur*, temp, temp*,
    tmean, tavg, temperatuur*, *temperatuur, t2m, teplota*, temperatura*, homerseklet*,
    *laempoetila*, sicaklik*, *気温*, *气温*, *水温*, *수온*, *기온*, температура*""",
    "rain": """ppt, n tagessumme*, amount, prectot*, daily rain, rain*, *rainfall, precip*,
    *precipitation*, prcp,
    *niederschlag*, regen, regen*, *neerslag*, pluie*, pluvio*, lluvia*, precipitac*, pioggia*,
    precipitaz*, chuva*, *nederboerd*, *nedboer*, *sademaeaerae*, sademe*, rrr, prec, opad, opady,
    srazky, srazka, padavine, *padavin*, oborine, zrazky, csapadek*, sade, sadanta, yagis,
    *降水*, *降雨*, *雨量*, *강수*, осадки, *מטר*, *גשם*, *مطر*, *أمطار*, *بارش*, *ฝน*, βροχ*,
    υετο*, curah hujan*, mua, luong mua*, ploaie, precipitatii, опади, валежи, sra, mm ploaie""",
    "pressure": """*pressure*, *luftdruck*, luchtdruk*, druck, druck*, pression*, presion*,
    pressao*, pressione*, lufttryck*, lufttryk*, abs pres*, baro*, barometric*, pres, cbl,
    wasserdruck, totalizador, *気圧*, *气压*, *기압*, давление, pbaro, p baro, tlak*, cisnienie""",
    "stage": """river*, *_river, stage, stage*, *stage, hydrometry*, stream*, flusspegel*,
    fluss*, rivier*, riviere*, rio, fiume*, lake*, seepegel, flodniva, vandloeb*,
    oppervlaktewater*, surface water*, oberflaechenwasser*, gauge height, streamflow, runoff,
    abfluss*, debiet*, debit*, caudal*, portata*, vazao*, vattenforing, vattenfoering,
    vandfoering, discharge*, sea level, tide, tidal, zeespiegel, *流量*, *河川水位*,
    vodostaj reke, prutok, przeplyw, pretok, debi, rhein, rhine, elbe, donau, danube, isar,
    neckar, weser, mosel, maas, waal, ijssel, meuse, thames, seine, loire, rhone, ebro, creek,
    *creek, brook, ditch, sloot, arroyo, stream level, ribeira, arroio, bach, kreek, beek""",
    "pumping": """pump*, *pumpage, volume*, abstraction*, extraction*, *entnahme*, foerder*,
    onttrekking*, prelevement*, bombeo*, extraccion*, prelievo*, uttag, indvinding*, pompage*,
    pumpmenge*, pumprate*, injection*, infiltration*, irrigation*, bewaesserung*, withdrawal*""",
    "other": """batt*, voltage, volt, volts, *leitfaehigkeit*, conductivity*, *conductivity,
    ec, salinity, ph, chloride*, chlorid, nitrate, nitrat, tds, geleidbaarheid*, turbidity,
    oxygen, sauerstoff, redox, orp, water density, density, spec cond, specific conductance,
    o2, no3, drawdown*, *anomal*, sgi, standardised*, standardized*, *percent*, absenkung*,
    rabattement*, so4, nh4, hco3, doc, lf, fe, mn, ca, cl""",
    "column": """water column, wassersaeule, waterkolom, height above sensor,
    level above sensor, head above sensor, water above sensor, hauteur d eau,
    depth above sensor, height of water""",
    "depth": """depth to water*, depth to groundwater*, depth to gw, depth to water level,
    depth to water table, depth2water, depthtowater, dtw*, *dtw, water depth, depth of water,
    groundwater depth, depth, gw depth, depth below *, level below *, water level below *,
    below land surface, below ground *, ft below *, *flurabstand*, abstich*, grundwassertiefe,
    tiefe, lichtlot*, profondeur*, profondita*, profundidad*, profundidade*, soggiacenza*,
    djup*, *dybde*, dybde*, lev va, gse wse, rpe wse, grondwaterdiepte, diepte*, swl,
    static water level, standing water level, avstand*, water level below ground m,
    water level below surface m, profondeur nappe, pejling u*, niva under *,
    grundvattenniva under *, *depth to water*, *depth to groundwater*, depthfromlsd,
    depth from lsd, tiefe zu wasser*, wasserstand unter *, globina*, hloubka*, glebokosc*,
    melyseg*, syvyys*, derinlik*, dubina*, *埋深*, *水深*, *심도*, *수심*, wtd, wtd *, gwd,
    tape down, derinli*, *derinligi, hlbka*, βαθος*, *عمق*, *עומק*, *ความลึก*, plopper,
    глубина*, u gok, ugok, unter gok, u rok, u mp, bgl, mbgl, bgs, mbgs, bls, btoc, mbtoc,
    prof, prof *, prof nappe, nivel estatico, nivel dinamico, nivel estatico *, dtgw*, dip,
    dip *, dipped *, dbns, depth below natural surface*, adancime*, *глибина*, дубина*,
    длабочина*, дълбочина*, kedalaman*, do sau*, gylis*, dziluma*, *maapinnast*,
    *zemes virsmas*, *zemes pavirsiaus*, *埋設深*, profundidad nivel*, prof nivel*""",
    "level": """head, heads, head*, *head, hydraulic head, gwl, gwl*, gwlevel,
    groundwater level*, ground water level*, groundwaterlevel, water level*, waterlevel*,
    water elevation*, waterelevation, water level elevation, water table*, piezometric*,
    potentiometric*, gw level*, gw stand*, gwstand*, *grundwasserstand*, *grundwasserspiegel*,
    *grundwasserhoehe*, wasserstand*, wasserspiegel*, standrohrspiegel*, grondwaterstand*,
    *stijghoogte*, waterstand*, waterpeil, niveau*, niva, cote piezo*, cote ngf, cote, nivel*,
    cota*, livello*, quota*, grundvattenniva*, vattenniva*, grundvandsstand*, grundvandsspejl*,
    vandstand*, vandspejl*, grunnvannsniva*, grunnvannstand*, wse, wl, level, levels,
    sl lev va, lev elev, elevation, gw elevation, groundwater elevation, stand, stand *,
    beoordeelde waarde, voorlopige waarde, controle waarde, onbekend waarde, hoehe, gw elev,
    piezo, rswl, wasserstd*, peil, peil *, nivell*, hladina*, zwierciadlo*, poziom*, razina*,
    gladina*, nivo*, vizszint*, talajviz*, *vizallas*, *seviye*, seviyesi, uroven*,
    stav hladiny*, *ระดับน้ำ*, *مستوى*, *منسوب*, *سطح*, *מפלס*, *जल स्तर*, угв, vodostaj*,
    cao do muc nuoc*, rzedna zwierciadla*, wte, rl, rest level*, ruhewasser*, rwsp, pejling,
    pejling *, pejlet, lodning*, phreatic*, freatimetr*, hand reading, tape reading, *标高,
    *高程, *標高*, *표고, отметка уровня*, абсолютная отметка уровня*, υψομετρο σταθμης*,
    stan wody, pohjaveden*, pohjavesi*, pinnankorkeus*, veetase*, su seviyesi*, *地下水位*,
    *水位*, *수위*, уровень*, *水头*, σταθμη*, gwe, *gwe, rwl, kote, kot, kotu, su kotu,
    muka air*, tinggi muka air, kota muka air*, muc nuoc*, vandens lygis*, udens limenis*,
    рівень*, ниво*, wasserspiegelhoehe*, grundwasserst, gw stand, gw spiegel*, gwsp*, taso*""",
    "value": """value, values, val, original value, reading, reading value, result, waarde,
    valor, valeur, valore, vaerdi, vaerde, verdi, mean, average, dagwaarde, tagesmittel,
    daily mean, mittelwert, meting, mesure, messwert, tageswert, data value, wartosc, hodnota,
    vrednost, ertek, arvo, deger, 観測値, 值, 값, значение, obs value, measurement,
    measurements, numeriekewaarde, numerieke waarde, alfanumeriekewaarde, result value,
    observed value""",
    "well": """well, wells, well id, well name, well no, well number, wellid, well*, *well,
    site, site no, site code, site id, site name, site number, siteno, siteid, sitename,
    sitecode, station, station *, stations*, stationid, stn, stn id, stationens namn,
    omraades och stationsnummer, omrades och stationsnummer, monitoring location*,
    monitoringlocation*, unique id, mw id, mw, borehole*, bore, bore id, bore no, boreid,
    bohrung*, messstelle*, messst*, gwm*, brunnen*, pegel*, grundwassermessstelle*, mst, ms nr,
    locatie*, location*, loc, loc id, locationid, locationcode, location identifier, putcode,
    put, peilbuis*, buis, code bss, bss id, *bss*, identifiant*, ouvrage*, puits*, pozo*,
    pozzo*, piezometer*, piezometre*, piezometro*, poco, poco *, boring*, broend*, brunn,
    brunnar, brunnsid, dgu nr, dgu*, roer, ror, measure, point, point id, punkt*, mylocation,
    my location, hzb nummer, hzbnr, estacion*, estacao*, ponto*, punto*, codigo*, codice*,
    code, cod, id, name, naam, namn, navn, nom, nombre, nome, observation well*, ow, bro id, broid,
    gmw*, gld*, gwm id, point eau, feature*, agencysiteno, ts name, stationname, usgs id,
    *site id, site ref, casing id, statewellnumber, state well number, *well number, hydrocode,
    hydroid, unit number, gw nummer, mkz, messstellenkennziffer, gwmst*, objekt, otwor*, vrt*,
    bunar, asema*, kut, kuyu*, nr punktu, stanice, postaja*, estacio*, clave, codi, dbkey,
    piezometr*, ujscie, *観測所*, *观测井*, *井号*, *井名*, *관측소*, *관측정*, скважина*,
    γεωτρηση*, identifier, rn, monster identificatie, meetpunt identificatie, gw id, stazione*,
    foraj*, sumur*, gieng*, kaev, grezinys, urbums, свердловина*, сондаж*, *測站代碼*,
    *測站名稱*, *井編號*, cislo objektu, gwl id, permkey filter""",
    "screen": """filternummer, filter nummer, filternr, filter nr, filter no, filter, tube,
    tube nr, tubenumber, tube number, buisnummer, screen, screen no, screen number, intag,
    indtag, indtagsnr, layer, aquifer layer, pipe, pijp, rohr""",
}  # fmt: skip
"""Words by meaning, in the order in which they are looked for."""

_TIMES = """time, times, date, dates, from, datetime, date time, date and time, timestamp,
    time stamp, ds, datum, datum*uhrzeit, datum zeit, datum tijd, zeit, zeitpunkt, zeitstempel,
    messzeitpunkt, messdatum, messzeit, messtag, datum der messung, date mesure,
    date de la mesure, date de mesure, date*heure, horodatage, fecha, fecha hora, fecha*, data,
    data ora, data hora, data*misura, data*medicao, tid, tidpunkt, tidspunkt, tijd, tijdstip*,
    peildatum, meetdatum, dato, dato*, obsdatum, datum foer maetning, datum for matning,
    msmt date, msmt_date, reading date, readingdate, reading time, observation date,
    observation time, sample date, sample time, sampledate, measurement date, measurement time,
    measurementdate, measured at, measure date, measurement datetime, lev dt, lev dtm,
    collection date, yyyymmdd, yyyymmddhh, valid time, day, tag, jour, dag, dia, giorno,
    date time *, datetime *, date time utc, phenomenon time, phenomenontime, result time,
    date prelevement, dt, obs date, obs time, month, monat, mois, mes, mese, maand, maaned,
    manad, week, woche, visit date, datum *, date *, time *, timestamp *, local time, zeit *,
    timestamp mesure, date_mesure, *acquisition time, daily date, date measured, datemeasured,
    measurement date and time, collect date, bore date, date read, reading dttm, zeitpunkt *,
    pejletidspunkt, datum pomiaru, data pomiaru, datum mereni, datum merania, datum meritve,
    paeivaemaeaerae, kuupaeev, tarih, ημερομηνια, дата, 日付, 日期, 日時, 时间, 年月日, 観測日*,
    观测日期, 관측일*, 날짜, date yyyy mm dd, aaaammjj, dag *, dzien, den, rdate,
    representativt dygn, representativ manad, waarnemingdatum, waarnemingtijd, tanggal, ngay,
    datums, датум, datenum, matlab datenum, serial, excel serial, mjd, decimal year, decyear,
    jd, julian date, modified julian date, ordinal, days since *, hours since *,
    minutes since *, seconds since *"""
_CLOCKS = """time, uhrzeit, zeit, heure, hora, hora *, hour *, aika *, ora, tijd, tid,
    klokkeslaet, klockslag, clock, hour, hh, stunde, uur, kl, lev tm, time of day, heures, hh:mm,
    time *, zeit *, tijdstip, timme"""
CALENDAR = {
    "year": ("year", "jahr", "jaar", "annee", "ano", "anno", "ar", "aar", "yyyy", "yr",
             "measurementyear", "measurement year", "vuosi", "rok", "yil", "god", "godina", "год",
             "рік", "年", "年份", "년", "연도"),
    "month": ("month", "monat", "maand", "mois", "mes", "mese", "manad", "maaned", "mm", "mo",
              "measurement month", "mnth", "maned", "kuukausi", "miesiac", "mesic", "mesec", "ay",
              "месяц", "місяць", "月", "月份", "월"),
    "day": ("day", "tag", "dag", "jour", "dia", "giorno", "dd", "dy", "measurement day",
            "paeivae", "paiva", "dzien", "den", "dan", "guen", "день", "число", "日", "일"),
    "day of year": ("yday", "doy", "day of year", "julian day", "jday", "dayofyear"),
}  # fmt: skip
"""Headers of columns of the parts of a date."""
CALENDAR_WORDS = frozenset(word for words in CALENDAR.values() for word in words)
TIME_WORDS = tuple(word.strip() for word in _TIMES.split(","))
"""Headers of a column of times or dates."""
CLOCK_WORDS = tuple(word.strip() for word in _CLOCKS.split(","))
"""Headers of a clock beside a column of dates."""
KIND_MEANINGS = ("snow", "wind", "radiation", "humidity", "evapotranspiration", "temperature_min",
                 "temperature_max", "temperature", "rain", "pressure", "stage",
                 "pumping")  # fmt: skip
"""Meanings that are kinds of covariates."""
DATUM_WORDS = {
    "nap": "NAP", "nhn": "NHN", "ngf": "NGF", "navd88": "NAVD88", "ngvd29": "NGVD29", "ahd": "AHD",
    "aod": "ODN", "odn": "ODN", "maod": "ODN", "mnap": "NAP", "mahd": "AHD", "taw": "TAW",
    "dvr90": "DVR90", "rh2000": "RH2000", "n2000": "N2000", "msl": "MSL", "masl": "MSL",
    "amsl": "MSL", "mnhn": "NHN", "beoordeelde": "NAP", "voorlopige": "NAP", "controle": "NAP",
    "onbekend": "NAP", "igld85": "IGLD85", "rswl": "AHD", "mtaw": "TAW",
}  # fmt: skip
"""Vertical datums that a header may name beside its unit; the BRO's values are above NAP."""
_GENERIC = """m of the in ft feet cm mm at to mean daily avg average max min relative above
    below total manual logger raw corrected final de du la le der die das van von en et und and
    i t o v land surface ground level levels water measured observed value values compensated
    abs rel depth groundwater head table elevation piezometric stand nivel niveau relativ dans
    tov ueber unter boven onder reading code type no nr site datum sea local"""
_HEIGHTS = """head heads hydraulic elevation elev altitude cote cota quota hoehe kote kota kot
    kotu wse stijghoogte potentiometric potentiometrico piezometric piezometrique piezometrico
    piezometrica rswl gwe wte reduced rl rzedna υψομετρο отметка абсолютная 标高 高程 標高 표고
    pinnankorkeus standrohrspiegelhoehe"""
HEIGHT_WORDS = frozenset(_HEIGHTS.split())
"""Words of a header that name a height."""
EITHER = """niva, nivel*, nivell*, livello*, niveau statique, niveau dynamique, niveau d eau*,
    niveau nappe*, niveau de la nappe*, phreatic*, freatic*, freatimetr*, piezo reading,
    rest water level*, rwl, static level*, standing level*, rest level*, water table,
    tape reading, hand reading, *ruhewasser*, rwsp, pejling, pejlet, lodning*, *seviye*,
    poziom*, stan wody*, zwierciadlo*, hladina*, *uroven*, stav hladiny*, *vizszint*,
    *vizallas*, talajviz*, *hladiny*, razina*, nivo*, gladina*, vodostaj*, уровень*, рівень*,
    ниво*, угв, *σταθμη*, *veetase*, *limenis*, *lygis*, pohjavedenpinta*, vedenpinta*, *水位*,
    *수위*, muc nuoc*, muka air*, *ระดับน้ำ*, *مستوى*, *منسوب*, *سطح*, *מפלס*, *जल स्तर*"""
"""Names that providers write over heights and over depths alike: *nivel freático*."""
_GROUND = """ground land surface elevation elev altitude altitud altitudine gelaende
    gelaendehoehe terreno maaiveld maaiveldhoogte toc casing brocal boca sol rpe gse gok rok
    reference messpunkthoehe rohroberkante gelaendeoberkante meetpunthoogte hoehe"""
GROUND_WORDS = frozenset(_GROUND.split())
"""Words of a header that names the height of the ground or of the measuring point."""
GENERIC = frozenset(_GENERIC.split()) | frozenset(DATUM_WORDS)
"""Words that do not name a well."""
_RIVERS = """rhein rhine elbe donau danube isar neckar weser mosel maas waal ijssel meuse
    thames seine loire rhone ebro"""
RIVERS = frozenset(_RIVERS.split())
"""Rivers whose gauges are called *Pegel*."""
_SINGLE = """prof id name code point site loc ow mw put depth head wl level elevation cote
    hoehe stand state valid source dry land file logged event rio piezo region ec ph sn naam
    nom wse swl no measure tiefe druck usage note creek brook ditch sloot arroyo ribeira arroio
    bach kreek beek stav pipe rohr identifier kaev rn ind"""
SINGLE = frozenset(_SINGLE.split()) | RIVERS
"""Words that give a meaning only where they are the whole header."""
