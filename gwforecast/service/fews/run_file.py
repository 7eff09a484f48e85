"""The run file of the General Adapter: which period, which files, and the properties of the module.

References
----------
https://publicwiki.deltares.nl/display/FEWSDOC/05+General+Adapter+Module
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any, Literal
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from gwforecast.data.layouts.records import parse_xml, strip
from gwforecast.schema import SchemaError
from gwforecast.service.fews.series import root_tag
from gwforecast.writing import write_text

__all__ = [
    "DEBUG", "ERROR", "FATAL", "INFO", "WARNING", "Diagnostics", "RunFile", "diagnostics_of",
    "read_run_file", "write_state",
]  # fmt: skip


Output = Literal["quantiles", "ensemble"]
PROPERTIES = {
    "config": "TOML file of settings: tables data, schedule and models",
    "models": "folder of the trained models, where there is no config",
    "level_parameter": "parameterId of the levels, where several could be it",
    "rename": "parameterIds and the names that the models were trained on, P.obs=rain,T.obs=temp",
    "horizon": "number of steps; by default up to endDateTime",
    "output": "'quantiles' (default) or 'ensemble'",
    "members": "number of members of the ensemble, by default 21",
    "output_parameter": "parameterId of the forecast; by default that of the levels",
    "ensemble_id": "ensembleId of the forecast, by default gwforecast",
    "archive": "folder of an archive that the forecast is also published to",
}
"""Properties of the run file that are understood."""


@dataclass(frozen=True)
class RunFile:
    """What the General Adapter asks for."""

    path: Path
    zone: float  # hours that its times are ahead of UTC
    # startDateTime, endDateTime and time0, in the time zone of the file
    start: np.datetime64
    end: np.datetime64
    now: np.datetime64
    work: Path  # workDir; relative paths start there
    # input time series
    series: tuple[Path, ...] = ()
    netcdf: tuple[Path, ...] = ()
    # output time series
    out_series: tuple[Path, ...] = ()
    out_netcdf: tuple[Path, ...] = ()
    # diagnostics, and descriptions of the states read and written
    diagnostics: Path | None = None
    state: Path | None = None
    out_state: Path | None = None
    # properties by key, see PROPERTIES
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def output(self) -> Output:
        """Form of the forecast."""
        given = self.properties.get("output", "quantiles")
        if given not in ("quantiles", "ensemble"):
            raise ValueError(
                "The property 'output' must be 'quantiles' or 'ensemble'. Received "
                f"{given!r} in {self.path}. Correct it in the configuration of the General Adapter."
            )
        return "quantiles" if given == "quantiles" else "ensemble"

    def number(self, key: str) -> int | None:
        """Return a property that is a whole number, 1 or more; None if it is not there."""
        given = self.properties.get(key)
        if given is None:
            return None
        try:
            number = int(given)
        except ValueError:
            number = 0
        if number < 1:
            raise ValueError(
                f"The property {key!r} must be a whole number, 1 or more. Received {given!r} in "
                f"{self.path}. Correct it in the configuration of the General Adapter."
            )
        return number

    def folder(self, key: str) -> Path | None:
        """Return a property that is a path; None if it is not there."""
        given = self.properties.get(key)
        return None if given is None else _path(given, self.work)


def read_run_file(path: Path) -> RunFile:
    """Read the run file that the General Adapter exports.

    Raises
    ------
    FileNotFoundError
        If it does not exist.
    SchemaError
        If it is no run file, or lacks time zone, period or input files.
    """
    root = _root(path)
    found: dict[str, list[Any]] = {}
    for element in root:
        found.setdefault(strip(element.tag), []).append(element)
    missing = [name for name in ("startDateTime", "endDateTime", "time0") if name not in found]
    if missing:
        raise SchemaError(
            f"A run file states startDateTime, endDateTime and time0. Received {path} without "
            f"{', '.join(missing)}. Export it with the General Adapter of Delft-FEWS."
        )
    work = _path(_text(found, "workDir") or ".", path.parent)
    files = {
        name: tuple(_path(one.text or "", work) for one in found.get(name, []) if one.text)
        for name in ("inputTimeSeriesFile", "inputNetcdfFile", "outputTimeSeriesFile",
                     "outputNetcdfFile", "outputDiagnosticFile", "inputStateDescriptionFile",
                     "outputStateDescriptionFile")
    }  # fmt: skip
    if not files["inputTimeSeriesFile"] and not files["inputNetcdfFile"]:
        raise SchemaError(
            "A run needs time series of levels. Received no inputTimeSeriesFile and no "
            f"inputNetcdfFile in {path}. Export them in the General Adapter."
        )
    return RunFile(
        path=path,
        zone=_zone(_text(found, "timeZone"), path),
        start=_time(found["startDateTime"][0], path),
        end=_time(found["endDateTime"][0], path),
        now=_time(found["time0"][0], path),
        work=work,
        series=files["inputTimeSeriesFile"],
        netcdf=files["inputNetcdfFile"],
        out_series=files["outputTimeSeriesFile"],
        out_netcdf=files["outputNetcdfFile"],
        diagnostics=_first(files["outputDiagnosticFile"]),
        state=_first(files["inputStateDescriptionFile"]),
        out_state=_first(files["outputStateDescriptionFile"]),
        properties=_properties(found.get("properties", []), path),
    )


def diagnostics_of(path: Path) -> Path | None:
    """Return where the diagnostics go, also of a run file that is otherwise wrong."""
    try:
        root = _root(path)
    except (OSError, SchemaError):
        return None
    named = {strip(element.tag): element.text or "" for element in root}
    given = named.get("outputDiagnosticFile")
    return _path(given, _path(named.get("workDir", "."), path.parent)) if given else None


def _root(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(
            f"A run file is an XML file. Received {str(path)!r}, which does not exist. Give the "
            "run file that the General Adapter exports, e.g. run_info.xml."
        )
    root = parse_xml(path)
    if strip(root.tag) != "Run":
        raise SchemaError(
            f"A run file has the root element Run. Received {strip(root.tag)!r} in {path}. Give "
            "the file that the General Adapter exports, e.g. run_info.xml."
        )
    return root


def _text(found: Mapping[str, list[Any]], name: str) -> str:
    return (found[name][0].text or "").strip() if name in found else ""


def _first(paths: tuple[Path, ...]) -> Path | None:
    return paths[0] if paths else None


def _path(text: str, folder: Path) -> Path:
    r"""Return a path of the file; on other systems than Windows, backslashes separate as well.

    Examples
    --------
    >>> _path(r"input\levels.xml", Path("run")).as_posix()
    'run/input/levels.xml'
    """
    cleaned = text.strip()
    if "\\" in cleaned and not PureWindowsPath(cleaned).drive:
        cleaned = PureWindowsPath(cleaned).as_posix()
    return folder / cleaned


def _zone(text: str, path: Path) -> float:
    try:
        return float(text or 0.0)
    except ValueError:
        raise SchemaError(
            f"The timeZone of a run file is a number of hours. Received {text!r} in {path}. Set a "
            "fixed time zone in the General Adapter."
        ) from None


def _time(element: Any, path: Path) -> np.datetime64:
    stamp = f"{element.get('date', '')}T{element.get('time', '00:00:00')}"
    try:
        return np.datetime64(stamp, "us")
    except ValueError:
        raise SchemaError(
            f"Times of a run file have a date and a time. Received {stamp!r} at "
            f"{strip(element.tag)} in {path}. Export the file again."
        ) from None


def _properties(elements: list[Any], path: Path) -> dict[str, str]:
    found = {
        str(one.get("key", "")): str(one.get("value", ""))
        for element in elements
        for one in element
    }
    unknown = sorted(set(found) - set(PROPERTIES))
    if unknown:
        raise SchemaError(
            f"Properties of this module are {', '.join(PROPERTIES)}. Received {unknown[0]!r} in "
            f"{path}. Correct it in the configuration of the General Adapter."
        )
    return found


FATAL, ERROR, WARNING, INFO, DEBUG = 0, 1, 2, 3, 4
"""Levels of a message. One of level 0 or 1 makes the run a failed one in Delft-FEWS."""


_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass
class Diagnostics:
    """Messages in the order in which they were reported.

    Examples
    --------
    >>> messages = Diagnostics()
    >>> messages.report(WARNING, "the weather ends early")
    >>> messages.failed
    False
    """

    lines: list[tuple[int, str]] = field(default_factory=list)

    def report(self, level: int, text: str) -> None:
        """Add a message."""
        self.lines.append((level, " ".join(_ILLEGAL.sub("?", text).split())))

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return any(level <= ERROR for level, _ in self.lines)

    def write(self, path: Path) -> Path:
        """Write the messages as a diagnostics file of the Published Interface."""
        lines = [
            f"<line level={quoteattr(str(level))} description={quoteattr(text)}/>"
            for level, text in self.lines or [(INFO, "nothing to report")]
        ]
        head = '<?xml version="1.0" encoding="UTF-8"?>'
        text = "\n".join([head, root_tag("Diag", "pi_diag.xsd", "1.2"), *lines, "</Diag>"])
        return write_text(path, f"{text}\n")

    @contextmanager
    def warnings(self) -> Iterator[None]:
        """Report the warnings of Python as messages."""
        import warnings

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                yield
            finally:
                for one in caught:
                    hidden = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)
                    if not issubclass(one.category, hidden):
                        self.report(WARNING, str(one.message))


def write_state(path: Path, *, time: np.datetime64, zone: float, files: tuple[str, str]) -> Path:
    """Write the description of a state, pi_state.xml.

    ``zone``: hours that it is ahead of UTC; ``files``: name under which the state is read, and that
    under which it is written.
    """
    stamp = str(time.astype("datetime64[s]"))
    read, written = (escape(name) for name in files)
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
{root_tag("State", "pi_state.xsd", "1.2")}
<stateId>gwforecast</stateId>
<timeZone>{zone:.1f}</timeZone>
<dateTime date="{stamp[:10]}" time="{stamp[11:]}"/>
<stateLoc type="file">
<readLocation>{read}</readLocation>
<writeLocation>{written}</writeLocation>
</stateLoc>
</State>
"""
    return write_text(path, text)
