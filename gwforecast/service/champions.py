"""Which bundle forecasts which well: a champion, and the one before it to step back to."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import xarray as xr
from filelock import FileLock, Timeout

from gwforecast.calibration.forecaster import Calibrated
from gwforecast.runs.files import write_text
from gwforecast.service import bundle
from gwforecast.service.bundle import BundleError

__all__ = ["Champion", "Champions", "ChampionsBusyError"]


TABLE, LOCK, BUNDLES = "champions.json", "champions.lock", "bundles"
NAME = 16  # digits of a bundle's sum that name its folder


class ChampionsBusyError(RuntimeError):
    """A store of champions that another run holds."""


@dataclass(frozen=True)
class Champion:
    """The bundles of one well, by their sums.

    Parameters
    ----------
    bundle : str
        Sum of the bundle that forecasts the well.
    previous : str
        That of the one before it; empty where there is none.
    """

    bundle: str
    previous: str = ""


class Champions:
    """A folder of bundles, and a table that says which of them forecasts which well.

    Parameters
    ----------
    folder : pathlib.Path or str
        Made by the first bundle.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store while models are trained.

        Raises
        ------
        ChampionsBusyError
            If another run holds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / LOCK, timeout=0):
                yield
        except Timeout:
            raise ChampionsBusyError(
                f"One run at a time trains the models of a folder. Received {str(self.folder)!r}, "
                "which another run holds. Wait for it to end."
            ) from None

    def table(self) -> dict[str, Champion]:
        """Return the champion of each well.

        Raises
        ------
        BundleError
            If the table is damaged.
        """
        path = self.folder / TABLE
        if not path.exists():
            return {}
        try:
            stored = json.loads(path.read_text("utf-8"))
            wells = {well: Champion(**pair) for well, pair in stored["wells"].items()}
            sound = stored["sha256"] == _sum(wells)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            sound = False
        if not sound:
            raise BundleError(
                f"The table of champions is read only as it was written. Received {str(path)!r}, "
                "which is damaged. Bring it back from a copy, or train again."
            )
        return wells

    def path(self, name: str) -> Path:
        """Return the folder of a bundle."""
        return self.folder / BUNDLES / name[:NAME]

    def open(self, name: str) -> tuple[Calibrated, dict[str, Any]]:
        """Return the forecaster and the manifest of a bundle.

        Raises
        ------
        FileNotFoundError
            If it is not there.
        BundleError
            If it is damaged, or is another one.
        """
        return bundle.load_bundle(self.path(name), expected=name)

    def add(
        self, fitted: Calibrated, observations: xr.Dataset, *, card: Mapping[str, object]
    ) -> str:
        """Store a forecaster and return the sum of its bundle; no well has it as champion yet."""
        building = self.folder / BUNDLES / ".building"
        shutil.rmtree(building, ignore_errors=True)
        name = bundle.save_bundle(fitted, building, observations, card=card)
        if self.path(name).exists():
            shutil.rmtree(self.path(name))  # the same bundle, or what is left of it
        building.replace(self.path(name))
        return name

    def promote(self, wells: Iterable[str], name: str) -> None:
        """Make a bundle the champion of some wells; what was is kept to step back to."""
        table = self.table()
        for well in wells:
            held = table.get(well)
            if held is None or held.bundle != name:
                table[well] = Champion(name, held.bundle if held else "")
        self._write(table)

    def adopt(self, other: Champions) -> None:
        """Take over the bundles of another store, and make them the champions of its wells.

        Parameters
        ----------
        other : Champions
            On the same disk; its bundles are no longer there afterwards.
        """
        given = other.table()
        for name in sorted({pair.bundle for pair in given.values()}):
            if other.path(name).exists():
                shutil.rmtree(self.path(name), ignore_errors=True)
                self.path(name).parent.mkdir(parents=True, exist_ok=True)
                other.path(name).replace(self.path(name))
            self.promote([well for well, pair in given.items() if pair.bundle == name], name)

    def step_back(self, wells: Iterable[str]) -> None:
        """Exchange the champion of each well for the one before it.

        Raises
        ------
        ValueError
            If a well has none before it.
        """
        table = self.table()
        for well in wells:
            held = table.get(well)
            if held is None or not held.previous:
                raise ValueError(
                    "A well steps back to the champion before its own. Received "
                    f"{well!r}, which has none. Train it, or leave it out."
                )
            table[well] = Champion(held.previous, held.bundle)
        self._write(table)

    def sweep(self) -> list[Path]:
        """Remove bundles that no well has as champion or could step back to."""
        kept = {name[:NAME] for pair in self.table().values() for name in asdict(pair).values()}
        folder = self.folder / BUNDLES
        litter = (
            sorted(p for p in folder.iterdir() if p.name not in kept) if folder.exists() else []
        )
        for path in litter:
            shutil.rmtree(path)
        return litter

    def _write(self, table: Mapping[str, Champion]) -> None:
        wells = {well: asdict(pair) for well, pair in sorted(table.items())}
        text = json.dumps({"wells": wells, "sha256": _sum(table)}, indent=1, ensure_ascii=False)
        write_text(self.folder / TABLE, text + "\n")


def _sum(table: Mapping[str, Champion]) -> str:
    rows = [[well, pair.bundle, pair.previous] for well, pair in sorted(table.items())]
    return hashlib.sha256(json.dumps(rows).encode("ascii")).hexdigest()
