"""Random observations in random layouts are read back as they were."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

import gwforecast as gw

REFERENCE = 50.0
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "ft": 0.3048, "feet": 0.3048, "in": 0.0254}
DATES = [
    "%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y%m%d", "%Y/%m/%d", "%d-%b-%Y", "%d.%m.%y",
    "%Y-%m-%d 00:00:00", "%d.%m.%Y 00:00",
]  # fmt: skip
WORDS = {
    False: ("level", "head", "Grundwasserstand", "grondwaterstand", "water level", "niveau"),
    True: ("depth to water", "DTW", "Abstich", "profondeur", "Flurabstand", "profundidad"),
}
BLOCKS = ("", "Agency;x\nExported:;2024\n\n", "# made by a tool\n# for tests\n", "Project: x\n\n")
NAMES = ("MW-1", "Brunnen Süd", "0012", "B37A_001", "puits n 3", "W")


@dataclass(frozen=True)
class Written:
    """How a file is written."""

    delimiter: str
    decimal: str
    encoding: str
    date: str
    unit: str
    is_depth: bool
    is_long: bool
    block: str
    ends: str
    zone: str
    word: int
    wells: int
    trailing: bool


layouts = st.builds(
    Written,
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    decimal=st.sampled_from([".", ","]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]),
    date=st.sampled_from(DATES),
    unit=st.sampled_from(sorted(UNITS)),
    is_depth=st.booleans(),
    is_long=st.booleans(),
    block=st.sampled_from(BLOCKS),
    ends=st.sampled_from(["\n", "\r\n"]),
    zone=st.sampled_from(["", "+01:00", "-07:00", "Z"]),
    word=st.integers(0, 5),
    wells=st.integers(1, 4),
    trailing=st.booleans(),
)


def cells(written: Written, values: np.ndarray, times: pd.DatetimeIndex) -> list[list[str]]:
    """Return the table as text, its header first."""
    form = "%Y-%m-%dT00:00:00" + written.zone if written.zone else written.date
    stamps = times.strftime(form)
    names = [f"{NAMES[k]}{k}" if k > 1 else NAMES[k] for k in range(written.wells)]
    word = WORDS[written.is_depth][written.word]
    factor = UNITS[written.unit]
    plain = (REFERENCE - values if written.is_depth else values) / factor

    def number(value: float) -> str:
        return f"{value:.4f}".replace(".", written.decimal)

    if written.is_long:
        head = ["Datum", "Messstelle", f"{word} [{written.unit}]"]
        return [head, *[[s, names[k], number(plain[k, i])]
                        for k in range(written.wells) for i, s in enumerate(stamps)]]  # fmt: skip
    if written.wells == 1:
        head = ["Date", f"{word} ({written.unit})"]
    else:
        head = ["Date", *[f"{word} {name} ({written.unit})" for name in names]]
    return [head, *[[s, *map(number, plain[:, i])] for i, s in enumerate(stamps)]]


def write(path: Path, written: Written, table: list[list[str]]) -> None:
    """Write a table; cells that hold the delimiter are quoted."""

    def quoted(cell: str) -> str:
        return f'"{cell}"' if written.delimiter in cell else cell

    end = written.delimiter if written.trailing else ""
    body = [written.delimiter.join(map(quoted, row)) + end for row in table]
    text = written.block + "\n".join(body) + "\n"
    path.write_bytes(text.replace("\n", written.ends).encode(written.encoding))


@given(layouts, st.integers(0, 2000), st.integers(20, 60), st.sampled_from(["D", "W-MON", "MS"]))
@settings(max_examples=150, deadline=None)
def test_what_was_written_is_read(written: Written, shift: int, count: int, step: str) -> None:
    start = pd.Timestamp("2001-01-13") + pd.Timedelta(days=shift)
    times = pd.date_range(start, periods=count, freq=step)
    rng = np.random.default_rng(shift)
    values = np.round(20 + np.cumsum(rng.normal(size=(written.wells, count)), 1) * 0.05, 3)
    table = cells(written, values, times)
    slashed = not written.zone and written.date in ("%d/%m/%Y", "%m/%d/%Y")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        write(path, written, table)
        made = gw.read_observations(
            path,
            reference_level=REFERENCE if written.is_depth else None,
            day_first=written.date == "%d/%m/%Y" if slashed else None,
        )
    np.testing.assert_array_equal(made["time"].values, times.to_numpy())
    np.testing.assert_allclose(made["level"].values, values, atol=2e-4)
    assert made.sizes["well"] == written.wells
