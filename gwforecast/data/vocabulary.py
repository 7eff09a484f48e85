"""What the header of a column means: one table of words in the languages of the field.

Each line of :data:`WORDS` names a meaning and the words or phrases that stand for it, folded (lower
case, no accents, ``ue`` for ``ü``). ``*`` stands for any end or beginning of a word. Meanings that
stand first win: the quality of a level is a quality, the temperature of the water a temperature.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from gwforecast.data.units import LengthUnit, fold, parse_length
from gwforecast.schema import KINDS, covariate_kind

__all__ = ["TIME_WORDS", "WELL_WORDS", "WORDS", "Header", "read_header", "tokens"]


WORDS: dict[str, str] = {
    "index": "unnamed, #, nr, no, row, record, record number, recordno, index, rownum, lfd nr, "
    "objectid, fid, seq, sequence, ms, seconds, elapsed*, _id, wlm id, lev acy cd, date accuracy",
    "zone": "tz, tz cd, time zone, timezone, utc offset, lev tz cd, zeitzone, zeitbezug, tijdzone",
    "quality": "quality*, qualitaet*, *status, *status cd, flag*, *flag, qc, *_qc, qc*, qcode, "
    "*qualifier*, qualification, approval*, approved, grade, grading*, interpolation*, state, "
    "statut, kwaliteit*, bijzonderheid*, opmerking*, bemerkung*, anmerkung*, remark*, *comment*, "
    "comments, note*, *note, notiz*, hinweis*, anmaerkning*, bemaerkning*, merknad*, anmarkning*, "
    "*anmaerkning, observacion*, observacao*, osservazion*, remarque*, method*, methode*, metod*, "
    "*metod, metodo*, mode obtention, *accuracy*, genauigkeit*, *uncertainty*, measured by, "
    "measuring agency, observer, beobachter, agency*, agencycd, organisation, organization, "
    "source, quelle, provider, data provided by, producteur*, *_cd, *_remark, validity, valid, "
    "validation*, completeness, continuite*, censor*, msmt cmt, event, event*, "
    "detached, attached, stopped, coupler*, host connected, end of file, file*, logged, usage, "
    "qc code, approval level, wlm * desc, wlm desc, wlm qa desc, wlm acc desc, *org name, "
    "monitoring program, lev meth cd, lev dtm cd, lev src cd, lev age cd, lev web cd, "
    "release, published, pruefstatus, freigabe*, "
    "last modified, *modified, time series id, statistic id, projet, project*, "
    "dry, trocken, aquifer, aquifer type, aquifer name, geology, lithology, soil*, jordart, "
    "akvifertyp, topografi*, gemeinde, municipality, commune, county, kreis, provincie, province, "
    "region, district, land, country, bundesland, "
    "urn*, url*, uri*, link, lien, measuring point description, instrument*, sensor type, "
    "serial*, seriennummer, sn, logger id, logger serial*",
    "unit": "unit, units, *einheit, einheit, eenheid, unite, unites, unidad*, unidade*, unita, "
    "enhet, enhed, unit of measure, uom, unitsymbol, original unit, accuracy unit",
    "parameter": "parameter, parameter code, parameter name, parameter cd, parametername, "
    "original parameter, variable, varname, messgroesse, grootheid, grandeur, parametre*, "
    "parametro*, observed property, sensor, channel, kanal",
    "direction": "direction, original direction",
    "place": "lat, latitude, lon, long, lng, longitude, x, y, z, easting, northing, ostwert, "
    "nordwert, rechtswert, hochwert, *coordina*, utm*, *koordinat*, coord*, x*wgs84, y*wgs84, "
    "elevation of ground, ground elevation, ground level, ground surface elevation, "
    "land surface elevation, altitude*, gelaendehoehe, gelaendeoberkante, gelaende, "
    "hoehe gelaende, maaiveld*, maaiveldhoogte, meetpunthoogte, bovenkant*, onderkant*, "
    "reference point elevation, reference elevation, measuring point elevation, "
    "measuring point height, measuring point height *, mp elevation, mp height, "
    "top of casing elevation, toc elevation, casing elevation, wlm rpe, wlm gse, rpe wse offset, "
    "rpe, gse, rdng ws, rdng rp, referensnivaa*, referensnivaer*, referensniva*, "
    "messpunkthoehe, rohroberkante, well depth, total depth, borehole depth, depth of well, "
    "well depth *, hole depth, depth of hole, screen top, screen bottom, filteroberkante, "
    "filterunterkante, altitude*, cote sol, zone",
    "snow": "snow*, schnee*, sneeuw*, neige, neve, nieve, snoe, snoedjup, swe, snwd",
    "wind": "wind*, *wind, windgeschwindigkeit, windsnelheid, vent, viento, vento, vind*",
    "radiation": "radiation*, *strahlung*, straling*, globalstraling, rayonnement*, radiacion, "
    "radiacao, radiazione, solar*, irradiance, shortwave*, stralning, straaling",
    "humidity": "humidity*, *humidity, *feuchte*, luchtvochtigheid, humidite, humedad, umidita, "
    "umidade, luftfuktighet, luftfugtighed",
    "evapotranspiration": "*evapotranspiration*, evaporation*, *verdunstung*, *verdamping*, etp, "
    "pet, et0, eto, epot, evapot*, evaporacion, evaporacao, evaporazione, avdunstning, "
    "fordampning, avdunstning*, evap",
    "temperature_min": "temperature min*, min temp*, tmin, tmin*, minimum temp*, temp min*",
    "temperature_max": "temperature max*, max temp*, tmax, tmax*, maximum temp*, temp max*",
    "temperature": "*temperatur*, temp, temp*, tmean, tavg, temperatuur*, *temperatuur, t2m",
    "rain": "rain*, *rainfall, precip*, *precipitation*, prcp, *niederschlag*, regen, regen*, "
    "*neerslag*, pluie*, pluvio*, lluvia*, precipitac*, pioggia*, precipitaz*, chuva*, "
    "nederboerd*, nedboer*, sademaara*, prec",
    "pressure": "*pressure*, *luftdruck*, luchtdruk*, druck, druck*, pression*, presion*, "
    "pressao*, pressione*, lufttryck*, lufttryk*, abs pres*, baro*, barometric*, pres, "
    "wasserdruck, totalizador",
    "stage": "river*, *_river, stage, stage*, *stage, hydrometry*, stream*, flusspegel*, fluss*, "
    "rivier*, riviere*, rio, fiume*, lake*, seepegel, flodniva, vandloeb*, oppervlaktewater*, "
    "surface water*, oberflaechenwasser*, gauge height, streamflow, runoff, abfluss*, debiet*, "
    "debit*, caudal*, portata*, vazao*, vattenforing, vattenfoering, vandfoering, discharge*, "
    "sea level, tide, tidal, zeespiegel",
    "pumping": "pump*, *pumpage, volume*, abstraction*, extraction*, *entnahme*, foerder*, "
    "onttrekking*, prelevement*, bombeo*, extraccion*, prelievo*, uttag, indvinding*, pompage*, "
    "pumpmenge*, pumprate*, injection*, infiltration*, irrigation*, bewaesserung*, withdrawal*",
    "other": "batt*, voltage, volt, volts, *leitfaehigkeit*, conductivity*, *conductivity, "
    "ec, salinity, ph, chloride*, chlorid, nitrate, nitrat, tds, geleidbaarheid*, turbidity, "
    "oxygen, sauerstoff, redox, orp, water density, density, spec cond, specific conductance",
    "column": "water column, wassersaeule, waterkolom, height above sensor, level above sensor, "
    "head above sensor, water above sensor, hauteur d eau, depth above sensor, height of water",
    "depth": "depth to water*, depth to groundwater*, depth to gw, depth to water level, "
    "depth to water table, depth2water, depthtowater, dtw*, *dtw, water depth, depth of water, "
    "groundwater depth, depth, gw depth, depth below *, level below *, water level below *, "
    "below land surface, below ground *, ft below *, "
    "*flurabstand*, abstich*, grundwassertiefe, tiefe, lichtlot*, profondeur*, profondita*, "
    "profundidad*, profundidade*, soggiacenza*, djup*, *dybde*, dybde*, lev va, gse wse, rpe wse, "
    "grondwaterdiepte, diepte*, swl, static water level, standing water level, avstand*, "
    "water level below ground m, water level below surface m, profondeur nappe, pejling u*, "
    "niva under *, grundvattenniva under *",
    "level": "head, heads, head*, *head, hydraulic head, gwl, gwl*, gwlevel, groundwater level*, "
    "ground water level*, groundwaterlevel, water level*, waterlevel*, water elevation*, "
    "waterelevation, water level elevation, water table*, piezometric*, potentiometric*, "
    "gw level*, gw stand*, gwstand*, *grundwasserstand*, *grundwasserspiegel*, *grundwasserhoehe*, "
    "wasserstand*, wasserspiegel*, standrohrspiegel*, grondwaterstand*, *stijghoogte*, "
    "waterstand*, waterpeil, niveau*, cote piezo*, cote ngf, cote, nivel*, cota*, livello*, "
    "quota*, grundvattenniva*, vattenniva*, grundvandsstand*, grundvandsspejl*, vandstand*, "
    "vandspejl*, grunnvannsniva*, grunnvannstand*, wse, wl, level, levels, sl lev va, lev elev, "
    "elevation, gw elevation, groundwater elevation, stand, stand *, beoordeelde waarde, "
    "voorlopige waarde, controle waarde, onbekend waarde, hoehe, gw elev, piezo",
    "value": "value, values, val, original value, reading, reading value, result, waarde, valor, "
    "valeur, valore, vaerdi, vaerde, verdi, mean, average, dagwaarde, tagesmittel, "
    "daily mean, mittelwert, meting, mesure",
    "well": "well, wells, well id, well name, well no, well number, wellid, well*, *well, site, "
    "site no, site code, site id, site name, site number, siteno, siteid, sitename, sitecode, "
    "station, station *, stations*, stationid, stn, stn id, stationens namn, "
    "omraades och stationsnummer, omrades och stationsnummer, monitoring location*, "
    "monitoringlocation*, unique id, mw id, mw, borehole*, bore, bore id, bore no, boreid, "
    "bohrung*, messstelle*, messst*, gwm*, brunnen*, pegel*, grundwassermessstelle*, mst, ms nr, "
    "locatie*, location*, loc, loc id, locationid, locationcode, location identifier, putcode, "
    "put, peilbuis*, buis, code bss, bss id, *bss*, identifiant*, ouvrage*, puits*, "
    "pozo*, pozzo*, piezometer*, piezometre*, piezometro*, poco, poco *, boring*, broend*, "
    "brunn, brunnar, brunnsid, dgu nr, dgu*, roer, ror, measure, point, point id, punkt*, "
    "mylocation, my location, hzb nummer, hzbnr, estacion*, estacao*, ponto*, punto*, codigo*, "
    "codice*, code, id, name, naam, namn, navn, nom, nombre, nome, observation well*, ow, "
    "bro id, broid, gmw*, gld*, gwm id, point eau, feature*, agencysiteno, ts name, stationname",
    "screen": "filternummer, filter nummer, filternr, filter nr, filter no, filter, tube, tube nr, "
    "tubenumber, tube number, buisnummer, screen, screen no, screen number, intag, indtag, "
    "indtagsnr, layer, aquifer layer",
}  # fmt: skip
"""Words by meaning, in the order in which they are looked for."""

_TIMES = (
    "time, times, date, dates, datetime, date time, date and time, timestamp, time stamp, ds, "
    "datum, datum*uhrzeit, datum zeit, datum tijd, zeit, zeitpunkt, zeitstempel, messzeitpunkt, "
    "messdatum, messzeit, messtag, datum der messung, date mesure, date de la mesure, "
    "date de mesure, date*heure, horodatage, fecha, fecha hora, fecha*, data, data ora, "
    "data hora, data*misura, data*medicao, tid, tidpunkt, tidspunkt, tijd, tijdstip*, peildatum, "
    "meetdatum, dato, dato*, obsdatum, datum foer maetning, datum for matning, "
    "msmt date, msmt_date, reading date, readingdate, reading time, observation date, "
    "observation time, sample date, sample time, sampledate, measurement date, measurement time, "
    "measurementdate, measured at, measure date, measurement datetime, lev dt, lev dtm, "
    "collection date, yyyymmdd, yyyymmddhh, valid time, day, tag, jour, dag, dia, giorno, "
    "date time *, datetime *, date time utc, phenomenon time, phenomenontime, result time, "
    "date prelevement, dt, obs date, obs time, month, monat, mois, mes, mese, maand, maaned, "
    "manad, week, woche, visit date, datum *, date *, time *, timestamp *, local time, "
    "zeit *, timestamp mesure, date_mesure"
)
_CLOCKS = (
    "time, uhrzeit, zeit, heure, hora, ora, tijd, tid, klokkeslaet, klockslag, clock, hour, hh, "
    "stunde, uur, kl, lev tm, time of day, heures, hh:mm, time *, zeit *, tijdstip, timme"
)
TIME_WORDS = tuple(word.strip() for word in _TIMES.split(","))
"""Headers of a column of times or dates."""
CLOCK_WORDS = tuple(word.strip() for word in _CLOCKS.split(","))
"""Headers of a clock beside a column of dates."""
WELL_WORDS = tuple(word.strip() for word in WORDS["well"].split(","))
"""Headers of a column of wells."""
KIND_MEANINGS = ("snow", "wind", "radiation", "humidity", "evapotranspiration", "temperature_min",
                 "temperature_max", "temperature", "rain", "pressure", "stage",
                 "pumping")  # fmt: skip
"""Meanings that are kinds of covariates."""
DATUM_WORDS = {
    "nap": "NAP", "nhn": "NHN", "ngf": "NGF", "navd88": "NAVD88", "ngvd29": "NGVD29", "ahd": "AHD",
    "aod": "ODN", "odn": "ODN", "maod": "ODN", "mnap": "NAP", "mahd": "AHD", "taw": "TAW",
    "dvr90": "DVR90", "rh2000": "RH2000", "n2000": "N2000", "msl": "MSL", "masl": "MSL",
    "amsl": "MSL", "mnhn": "NHN", "beoordeelde": "NAP", "voorlopige": "NAP", "controle": "NAP",
    "onbekend": "NAP", "igld85": "IGLD85",
}  # fmt: skip
"""Vertical datums that a header may name beside its unit; the BRO's values are above NAP."""
_GENERIC = (
    "m of the in ft feet cm mm at to mean daily avg average max min relative above below total "
    "manual logger raw corrected final de du la le der die das van von en et und and i t o v "
    "land surface ground level levels water measured observed value values compensated abs rel "
    "depth groundwater head table elevation piezometric stand nivel niveau relativ dans tov "
    "ueber unter boven onder reading code type no nr site datum sea local"
)
GENERIC = frozenset(_GENERIC.split()) | frozenset(DATUM_WORDS)
"""Words that do not name a well."""


@dataclass(frozen=True)
class Header:
    """What the header of a column says.

    Parameters
    ----------
    text : str
        As the file has it.
    label : str
        Without units.
    meaning : str
        ``"time"``, a meaning of :data:`WORDS`, a kind of covariate (then ``kind`` is the same), or
        ``"unknown"``.
    unit : str, optional
        As written.
    length : LengthUnit, optional
        The unit, where it is one of a level.
    rest : str
        What names one of several alike, e.g. the well of ``Depth_to_Groundwater_W1``.
    """

    text: str
    label: str
    meaning: str = "unknown"
    unit: str | None = None
    length: LengthUnit | None = None
    rest: str = ""

    @property
    def kind(self) -> str | None:
        """Kind of the covariate that the header names."""
        return self.meaning if self.meaning in KIND_MEANINGS else None

    @property
    def datum(self) -> str | None:
        """Vertical datum that the header names, in its unit or in its words."""
        if self.length is not None and self.length.datum:
            return self.length.datum
        if self.meaning != "level":
            return None
        named = [DATUM_WORDS[word] for word in tokens(self.label) if word in DATUM_WORDS]
        return named[0] if named else None

    @property
    def is_level(self) -> bool:
        """Whether it names a level or a depth."""
        return self.meaning in ("level", "depth")

    def with_unit(self, unit: str | None) -> Header:
        """Return the header with the unit of another place, where it has none itself."""
        if unit is None or self.unit:
            return self
        return _of_depth(replace(self, unit=unit, length=parse_length(unit)))


def tokens(text: str) -> list[str]:
    """Return the folded words of a header.

    Examples
    --------
    >>> tokens("Depth_to_Groundwater-W1"), tokens("Prüfstatus")
    (['depth', 'to', 'groundwater', 'w1'], ['pruefstatus'])
    """
    apart = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", text)
    return [word for word in re.split(r"[^a-z0-9#%]+", fold(apart)) if word]


@lru_cache(maxsize=4096)
def read_header(text: str) -> Header:
    """Return what a header says: its meaning, unit and datum, and which one of several it is.

    Examples
    --------
    >>> header = read_header("Grundwasserstand [m u. GOK]")
    >>> header.meaning, header.length.sense
    ('depth', 'below')
    >>> read_header("Rainfall_Hilltown").kind, read_header("MW-1_ft").label
    ('rain', 'MW-1')
    """
    label, unit = _split_unit(text)
    words = tokens(label)
    length = parse_length(unit) if unit else None
    meaning, used = _meaning(label, words)
    rest = _rest(label, used)
    inside = [word for word in words if word in _INSIDE]
    if unit is None and len(inside) == 1 and meaning in ("level", "depth", "value"):
        unit, length = _INSIDE[inside[0]], parse_length(_INSIDE[inside[0]])
    if unit is None and meaning.startswith("temperature") and rest in _DEGREES:
        unit, rest = rest, ""
    return _of_depth(Header(text, label, meaning, unit, length, rest))


def _of_depth(header: Header) -> Header:
    """Return the header as that of a depth where its unit says that it is below a point."""
    length = header.length
    if length is None or header.meaning not in ("level", "value", "unknown", "depth"):
        return header
    if length.sense == "below" and header.meaning != "unknown":
        return replace(header, meaning="depth")
    if length.sense == "above" and header.meaning in ("depth", "value"):
        return replace(header, meaning="level")
    if length.sense == "relative" and header.meaning == "value":
        return replace(header, meaning="level")
    return header


_PHRASE = re.compile(
    r"\b(?:in\s+)?(?P<unit>ft|feet|foot|meters?|metres?|inch(?:es)?)\b\.?\s*"
    r"(?P<sense>(?:below|above|relative\s+to|rel\.?\s+to)\s+.+)?$",
    re.IGNORECASE,
)
_SUFFIX = re.compile(
    r"^(?P<label>.*[^\W_].*?)[_\s]+(?P<unit>ft|feet|cm|mm|FT|CM|MM|Feet|"
    r"m_?(?:ü|u|ue)_?NN|mNAP|mNN|mNHN|mAOD|mAHD|m_?NAP|masl|mbgl|mbgs|ft_?bgs|ft_?bls|ft_?amsl)$"
)
_BARE = re.compile(
    r"^(?P<label>.*[^\W_].*?)[\s,]+(?P<unit>(?:m|cm|mm|ft)\s*(?:[+.]|ü|ue|u\.|NN|NAP|NHN|AHD|AOD|"
    r"NAVD|NGVD|NGF|bgl|bgs|bls|btoc|[abs]\.\s?[a-z]\.|asl|amsl|TAW|t\.o\.v).*|°?C|degC|°F|kPa|psi|mbar|hPa|"
    r"meters|cm|ft|mm|feet)$"
)


def _split_unit(text: str) -> tuple[str, str | None]:
    """Return name and unit of a header such as ``rain [mm/d]``, ``Temp, °C`` or ``MW-1_ft``."""
    name = " ".join(text.split())
    bracket = re.match(r"^(.*?[^\s].*?)\s*[\[(<{]\s*(.+?)\s*[\])>}]*\s*$", name)
    if bracket and (head := bracket[1].rstrip(" ,;:")):
        inner = re.split(r"[\])]\s*[\[(]?", bracket[2])[0].strip(" ,")
        if not re.match(r"^(?:LGR|SEN|S/N|\d{4,})", inner) and "," not in inner.rstrip(","):
            before = _PHRASE.search(head) if not _looks_like_unit(inner) else None
            if before is None:
                return head, inner
        name = head
    for pattern in (_PHRASE, _SUFFIX, _BARE):
        found = pattern.search(name)
        if found and found.start("unit") > 0:
            whole = f"{found['unit']} {found.groupdict().get('sense') or ''}".strip()
            label = name[: found.start()] if pattern is _PHRASE else found["label"]
            if label.strip(" ,_-"):
                return label.strip(" ,_-"), whole.replace("_", " ")
    return name, None


def _looks_like_unit(text: str) -> bool:
    return parse_length(text) is not None or len(text) <= 8


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[str, list[tuple[int, re.Pattern[str]]]]]:
    """Return for each meaning its phrases as patterns over words, longest first."""
    table = []
    for meaning, words in WORDS.items():
        phrases = [" ".join(tokens_of_pattern(word)) for word in words.split(",")]
        compiled = [
            (
                len(phrase.split()),
                re.compile(
                    r"(?:^| )"
                    + re.escape(phrase).replace(r"\*", "[^ ]*").replace(r"\ ", " ")
                    + "(?= |$)"
                ),
            )
            for phrase in sorted(phrases, key=len, reverse=True)
            if phrase
        ]
        table.append((meaning, compiled))
    return table


def tokens_of_pattern(word: str) -> list[str]:
    """Return the folded words of a phrase of the table, with its stars."""
    return [part for part in re.split(r"[^a-z0-9#%*]+", fold(word)) if part]


@lru_cache(maxsize=1)
def _time_patterns() -> re.Pattern[str]:
    phrases = {" ".join(tokens_of_pattern(word)) for word in (*TIME_WORDS, *CLOCK_WORDS)}
    joined = "|".join(
        re.escape(p).replace(r"\*", ".*").replace(r"\ ", " ")
        for p in sorted(phrases, key=len, reverse=True)
        if p
    )
    return re.compile(rf"^(?:{joined})$")


@lru_cache(maxsize=1)
def _exact_phrases() -> dict[str, str]:
    """Return the meaning of each phrase without a star."""
    found: dict[str, str] = {}
    for meaning, words in WORDS.items():
        for word in words.split(","):
            if "*" not in word:
                found.setdefault(" ".join(tokens_of_pattern(word)), meaning)
    return found


_EXACT = {name: kind for kind, names in KINDS.items() for name in names if len(name) > 1}


def _meaning(label: str, words: list[str]) -> tuple[str, str]:
    """Return the meaning of a header and the phrase that gives it."""
    joined = " ".join(words)
    if not words:
        return ("index", "") if not label.strip(" #") else ("unknown", "")
    exact = _exact_phrases().get(joined)
    if exact in ("quality", "index", "unit", "zone"):
        return exact, joined
    if _time_patterns().match(joined):
        return "time", joined
    if label.lower() in _EXACT and covariate_kind(label) in KIND_MEANINGS:
        return covariate_kind(label), joined
    whole = label.lower().replace(" ", "_")
    if whole.endswith(("_cd", "_qc")):
        return "quality", joined
    for meaning, patterns in _patterns():
        for _, pattern in patterns:
            found = pattern.search(joined)
            if found is not None and _fits(meaning, joined, found[0].strip()):
                return meaning, found[0].strip()
    return "unknown", ""


_INSIDE = {"ft": "ft", "feet": "ft", "foot": "ft", "cm": "cm", "mm": "mm", "inches": "in",
           "inch": "in"}  # fmt: skip
"""Units that stand between the words of a header, as in ``water_level_ft_navd88``."""
_DEGREES = ("C", "F", "K", "degC", "degF", "c", "f", "degc", "degf")
_WHOLE = frozenset({"index", "place", "zone", "unit", "parameter", "direction", "value", "screen",
                    "other"})  # fmt: skip
_SINGLE = frozenset({"id", "name", "code", "point", "site", "loc", "ow", "mw", "put", "depth",
                     "head", "wl", "level", "elevation", "cote", "hoehe", "stand", "state", "valid",
                     "source", "dry", "land", "file", "logged", "event", "rio", "piezo",
                     "region", "ec", "ph", "sn", "naam", "nom", "wse", "swl", "no",
                     "measure", "tiefe", "druck", "usage", "note"})  # fmt: skip


def _fits(meaning: str, joined: str, phrase: str) -> bool:
    """Return whether a phrase gives the meaning of a whole header, and not only a part of it."""
    if phrase == joined:
        return True
    if meaning in _WHOLE:
        return len(phrase.split()) > 1 or len(phrase) > 6
    if meaning == "well":
        return False if phrase in _SINGLE else len(phrase) > 2
    if meaning == "quality":
        return phrase not in _SINGLE
    others = set(joined.split()) - set(phrase.split())
    if phrase in ("head", "wl", "level", "depth", "levels", "dtw", "wse"):
        return True
    return phrase not in _SINGLE or others <= GENERIC


def _rest(label: str, phrase: str) -> str:
    """Return the part of a label that is not the phrase, in the spelling of the file."""
    if not phrase:
        return label.strip()
    parts = re.split(r"([\s_./:,;]+|-(?=\D))", label)
    kept, used = [], phrase.split()
    for part in parts[::2]:
        folded = tokens(part)
        if folded and all(word in used or word in GENERIC for word in folded):
            continue
        if part.strip():
            kept.append(part)
    joined = " ".join(kept)
    found = re.search(re.escape(" ".join(kept)).replace(r"\ ", r"[\s_./:,;-]+"), label)
    return (found[0] if found and kept else joined).strip(" _-,;:.")
