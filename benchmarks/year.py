"""A year of daily runs at five wells, with late, revised, missing and wrong data.

    python benchmarks/year.py [--days 365] [--models linear mlp]

Each morning the files of the wells are written as they would have been delivered: as they are, late
by 5 or 60 days, revised, missing, unreadable, or with an impossible last level; on some days the
weather is late too. The command's own function is run at a simulated clock, and every 30th day the
command itself. Then three years of issues are archived. Ends with 0 where every label was right,
every issue is the same bytes when it is made again, ``gwforecast status`` takes less than a second
of the processor, and three years of issues take less than 100 MB.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import kills
import numpy as np
import pandas as pd

from gwforecast.config.load import load_settings
from gwforecast.service import schedule
from gwforecast.service.archive import Archive
from gwforecast.service.archive.sealed import content_of

ROOT = Path(__file__).resolve().parents[1]
CONFIG = """
[data]
levels = "wells"
covariates = "weather.csv"
[mlp]
epochs = 2
[models]
members = 2
[schedule]
models = {models}
horizon = 14
"""
WELLS, TRAINED, FIRST = 5, "2008-12-29", "2009-01-05"
SECONDS, MEGABYTES, YEARS = 1.0, 100.0, 3
Row = tuple[str, int, int, str]
Edit = Callable[[pd.Series, pd.Timestamp], pd.Series | None]


def _late(days: int) -> Edit:
    return lambda level, day: level[: day - pd.Timedelta(days, "D")]


def _revised(level: pd.Series, day: pd.Timestamp) -> pd.Series:
    """Return levels whose last month was corrected by up to 2 cm."""
    changed = level[:day].copy()
    changed.iloc[-30:] += np.linspace(0.0, 0.02, 30)
    return changed


def _wrong(level: pd.Series, day: pd.Timestamp) -> pd.Series:
    changed = level[:day].copy()
    changed.iloc[-1] = 500.0
    return changed


def _gap(level: pd.Series, day: pd.Timestamp) -> pd.Series:
    return level[:day].drop(level[:day].index[-40:-33])


FAULTS: dict[str, tuple[Edit, str]] = {
    "none": (lambda level, day: level[:day], "ok"),
    "late": (_late(5), "degraded"),
    "very late": (_late(60), "stale"),
    "revised": (_revised, "ok"),
    "a gap": (_gap, "ok"),
    "missing": (lambda _, __: None, "no_data"),
    "unreadable": (lambda _, __: pd.Series(dtype=float), "check_failed"),
    "wrong": (_wrong, "check_failed"),
}
"""What is delivered, and the label that the well must have."""


def make_place(folder: Path, models: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write the settings; return levels and weather of all days."""
    times = pd.date_range("2001-01-01", "2010-03-31", name="date")
    rng = np.random.default_rng(0)
    rain = pd.Series(rng.gamma(0.5, 5.0, times.size).round(2), times)
    warm = 9 - 9 * np.cos(2 * np.pi * times.day_of_year / 365.25) + rng.normal(0, 2, times.size)
    levels = pd.DataFrame(
        {
            f"w{number}": rain.ewm(halflife=30 + 20 * number).mean() * 0.6
            + 20 + rng.normal(scale=0.01, size=times.size)
            for number in range(WELLS)
        }
    ).round(3)  # fmt: skip
    (folder / "wells").mkdir(parents=True)
    names = ", ".join(f'"{name}"' for name in models)
    (folder / "run.toml").write_text(CONFIG.format(models=f"[{names}]"), "utf-8")
    return levels, pd.DataFrame({"rain": rain, "temperature": np.round(warm, 2)}, times)


def deliver(
    folder: Path, levels: pd.DataFrame, weather: pd.DataFrame, day: pd.Timestamp, *,
    faults: list[str], late: bool,
) -> None:  # fmt: skip
    """Write the files of a morning."""
    end = day - pd.Timedelta(3 if late else 0, "D")
    weather[:end].to_csv(folder / "weather.csv")
    for name, fault in zip(levels, faults, strict=True):
        path = folder / "wells" / f"{name}.csv"
        given = FAULTS[fault][0](levels[name], day)
        path.unlink(missing_ok=True)
        if given is None:
            continue
        if given.empty:
            path.write_text("date,level\n2001-01-01,one\n", "utf-8")
        else:
            given.rename("level").to_csv(path)


def expected(fault: str, late: bool) -> set[str]:
    """Return the labels that are right."""
    label = FAULTS[fault][1]
    return {"degraded"} if late and label == "ok" else {label}


def run(folder: Path, days: int = 365, models: tuple[str, ...] = ("linear", "mlp")) -> list[Row]:
    """Run each day; return the rows of the labels, of the archive and of its health."""
    levels, weather = make_place(folder, list(models))
    deliver(folder, levels, weather, pd.Timestamp(FIRST), faults=["none"] * WELLS, late=False)
    settings = load_settings(folder / "run.toml")
    schedule.train(settings, through=TRAINED, now=pd.Timestamp(FIRST))
    rng, wrong, differ = np.random.default_rng(1), 0, 0
    names = list(FAULTS)
    chance = np.array([0.65] + [0.05] * (len(names) - 1))
    archive = Archive(folder / "archive")
    for number, day in enumerate(pd.date_range(FIRST, periods=days)):
        faults = ["none", *rng.choice(names, WELLS - 1, p=chance).tolist()]
        late = bool(rng.random() < 0.05)
        deliver(folder, levels, weather, day, faults=faults, late=late)
        _issue(folder, settings, day, real=number % 30 == 29)
        product = archive.read(day)
        found = dict(zip(product["well"].values, product["status"].values, strict=True))
        right = [found[w] in expected(f, late) for w, f in zip(levels, faults, strict=True)]
        if not all(right):
            print("wrong label:", day.date(), faults, late, found, product["reason"].values)
        wrong += len(right) - sum(right)
        issue = archive.issues()[-1]
        path = folder / "archive" / issue.file
        before = path.read_bytes()
        path.unlink()  # lost, and made again from the same data
        _issue(folder, settings, day, real=False)
        differ += not path.exists() or path.read_bytes() != before
        differ += content_of(archive.open(issue)) != issue.content
    return [
        (f"labels of {days} days", days * WELLS, wrong, f"{WELLS} wells"),
        ("issues made again", days, differ, "byte for byte"),
        *_after_years(folder, archive),
    ]


def _issue(folder: Path, settings: object, day: pd.Timestamp, *, real: bool) -> None:
    if real:
        call(folder, "forecast", "run.toml", "--issue-time", str(day.date()))
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schedule.forecast(settings, issue_time=day, now=day + pd.Timedelta("30h"))  # type: ignore[arg-type]


def _after_years(folder: Path, archive: Archive) -> list[Row]:
    """Archive issues up to three years, and return their size and the time of ``status``."""
    last = archive.open(archive.standing()[-1])
    start = last["issue_time"].values[0]
    while (number := len(archive.issues())) < round(YEARS * 365.25):
        for _ in range(50):
            start = start + np.timedelta64(1, "D")
            archive.publish(kills._moved(last, start))
    size = sum(p.stat().st_size for p in archive.folder.rglob("*") if p.is_file()) / 1e6
    call(folder, "status", "run.toml", "--json")
    seconds = min(call(folder, "status", "run.toml", "--json") for _ in range(3))
    return [
        (f"{number} issues, MB", 1, int(size >= MEGABYTES), f"{size:.1f} (below {MEGABYTES:g})"),
        ("status, s of the processor", 1, int(seconds >= SECONDS),
         f"{seconds:.2f} (below {SECONDS:g})"),
    ]  # fmt: skip


def call(folder: Path, *arguments: str) -> float:
    """Run the command line; return the seconds of the processor that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "gwforecast", *arguments], cwd=folder, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Return 0 where the stated figures hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--models", nargs="+", default=["linear", "mlp"])
    given = parser.parse_args()
    place = Path(tempfile.mkdtemp())
    try:
        rows = run(place, given.days, tuple(given.models))
    finally:
        shutil.rmtree(place)
    for name, cases, wrong, about in rows:
        print(f"{name:<28} {cases:>5} cases {wrong:>3} wrong   {about}")
    return int(any(wrong for _, _, wrong, _ in rows))


if __name__ == "__main__":
    sys.exit(main())
