"""Train the networks that come with the package, and judge them at wells they have not seen.

The networks are trained on the 59 German wells of Heudorfer et al. (2024, MIT licence), with rain,
temperature, season and snow as inputs, through 2011.

    python benchmarks/pretrained.py ../shared/data --write       # writes the weights
    python benchmarks/pretrained.py ../shared/data [--every 2]   # judges them

To judge them, the wells are divided into five groups. Networks that are trained without a group are
used at its wells, whose levels are cut to the last 2, 3, 5 and 15 years before 2008. Models are
fitted to these and scored in 2008 to 2011, the blend with and without `pretrained_lstm`.

The stated figures: with 2 and 3 years the mean NSE of the blend with `pretrained_lstm` is at least
0.02 above that of the blend without it, and with 5 and 15 years it is not below it by more than
0.005.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
import xarray as xr

import gwforecast
from gwforecast.networks import pretrained

NAME = "pretrained_lstm"
MODELS = ("lstm", "mlp", "kernel_ridge", "pastas", NAME)
MEMBERS = 4  # of the shipped networks
GROUPS = 5
YEARS = (2, 3, 5, 15)
VALIDATION, TEST, END = "2004-01-01", "2008-01-01", "2011-12-31"
SHORT, GAIN, LOSS = (2, 3), 0.02, 0.005


def read(data: Path) -> xr.Dataset:
    """Return weekly levels, rain and temperature of all wells, through 2011."""
    folder = data / "germany_weekly"
    found = gwforecast.read_observations(folder / "gw", folder / "hyras")
    kept = found[["level", "P", "T"]]
    return kept.assign(level=kept["level"].where(kept["time"] <= np.datetime64(END)))


def train(observations: xr.Dataset, *, test: str) -> pretrained.SharedLSTM:
    """Return networks that were trained on all wells before a date."""
    split = gwforecast.split_by_date(observations, validation_start=VALIDATION, test_start=test)
    model = gwforecast.GlobalLSTM(members=MEMBERS).fit(observations, split=split)
    expected = ["P", "T", "season_sin", "season_cos"]
    if model.inputs_[:4] != expected or len(model.inputs_) != 6:
        raise AssertionError(f"inputs in another order than those of the model: {model.inputs_}")
    model = model.refit(observations, split=split)
    return pretrained.SharedLSTM(model.architecture_, [one[0] for one in model.weights_])


def write(shared: pretrained.SharedLSTM, wells: list[str]) -> None:
    """Write the weights of the package, and what describes them."""
    folder = Path(pretrained.__file__).parent / pretrained.FOLDER
    buffer = io.BytesIO()
    np.savez(buffer, **{f"w{number}": one for number, one in enumerate(shared.weights)})
    content = buffer.getvalue()
    described = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "architecture": shared.architecture.to_dict(),
        "inputs": ["rain", "temperature", "season_sin", "season_cos", "snow", "liquid_water"],
        "trained_on": "59 wells of KITHydrogeology/2023-global-model-germany, weekly, to 2011",
        "licence": "MIT, KIT Hydrogeology; levels of the German states, weather HYRAS of DWD",
        "source": "https://doi.org/10.5194/hess-28-525-2024",
        "made_by": "benchmarks/pretrained.py --write",
        "wells": wells,
    }
    (folder / "weights.npz").write_bytes(content)
    text = json.dumps(described, indent=1, ensure_ascii=False) + "\n"
    (folder / "weights.json").write_text(text, "utf-8")
    print(f"{len(content) / 1e6:.2f} MB in {folder.name}/weights.npz")


def scores(observations: xr.Dataset, years: int, models: tuple[str, ...]) -> pd.DataFrame:
    """Return the NSE of the test years by well and model, with the last years of levels."""
    begin, validation = (
        np.datetime64(TEST) - np.timedelta64(round(365.25 * years * share), "D")
        for share in (1.0, 0.2)
    )
    cut = observations.assign(level=observations["level"].where(observations["time"] >= begin))
    split = gwforecast.split_by_date(cut, validation_start=str(validation), test_start=TEST)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # short records are what is tested
        table = gwforecast.evaluate(cut, split=split, models=models, members=4).scores
    table = table[(table["period"] == "test") & (table["metric"] == "nse")]
    return table.pivot_table(index="well", columns="model", values="value", sort=False)


def main() -> int:
    """Write the weights, or print the mean NSE by years; return 0 where the figures hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--write", action="store_true", help="write the weights of the package")
    parser.add_argument("--every", type=int, default=2, help="judge every n-th well of a group")
    parser.add_argument("--years", type=int, nargs="+", default=YEARS)
    parser.add_argument("--groups", type=int, default=GROUPS, help="judge the first n groups")
    arguments = parser.parse_args()
    observations = read(arguments.data)
    wells = [str(well) for well in observations["well"].values]
    if arguments.write:
        write(train(observations, test=str(np.datetime64(END) + 1)), wells)
        return 0
    found: dict[int, list[np.ndarray]] = {years: [] for years in arguments.years}
    names = [*MODELS, "blend without", "blend with"]
    for group in range(arguments.groups):
        out = wells[group::GROUPS]
        shared = train(observations.drop_sel(well=out), test=TEST)
        pretrained.shipped = lambda shared=shared: shared
        chosen = observations.sel(well=out[:: arguments.every])
        for years in arguments.years:
            both = scores(chosen, years, MODELS)
            plain = scores(chosen, years, MODELS[:-1])
            whole = np.column_stack([both[list(MODELS)], plain["blend"], both["blend"]])
            found[years].append(whole)
            print(f"  group {group}, {years} years: {len(whole)} wells", flush=True)
    print(f"\nmean NSE of {TEST[:4]} to {END[:4]}, by the years of levels before")
    print(f"{'years':>5} {'wells':>5} " + " ".join(f"{name:>15}" for name in names))
    held = True
    for years, parts in found.items():
        table = np.concatenate(parts)
        mean = table.mean(axis=0)
        print(f"{years:5d} {len(table):5d} " + " ".join(f"{value:15.3f}" for value in mean))
        gain = mean[-1] - mean[-2]
        held &= bool(gain >= (GAIN if years in SHORT else -LOSS))
    print(
        f"gain of {GAIN} with {SHORT} years, loss of at most {LOSS}: {'held' if held else 'missed'}"
    )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
