"""Labelled observations as batches of windows, and predictions for windows as labelled levels.

This is for networks of one's own, in any library. :class:`gwforecast.WindowGenerator` is the same
as a dataset of Keras.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.data.covariates import require_covariates
from gwforecast.display import Displayed
from gwforecast.schema import SchemaError
from gwforecast.sequences.attributes import AttributeEncoder
from gwforecast.sequences.scale import Scaler
from gwforecast.sequences.split import Period, Split
from gwforecast.sequences.windows import WindowBatches, Windows, sequence_windows, value_windows

__all__ = ["LEVEL_OBSERVED", "Batch", "LabelledWindows"]


Batch = tuple[np.ndarray | dict[str, np.ndarray], np.ndarray, np.ndarray]
LEVEL_OBSERVED = "level observed"
"""Past input beside the level: 1 where it was observed, 0 where the last one is carried forward."""


class LabelledWindows(Displayed):
    """Batches of windows of labelled observations, with everything that is needed to go back.

    A window has ``lookback`` steps before its first target, and ``targets`` target steps. Targets
    lie in one period; inputs may reach back into earlier ones. Scales are those of the train rows.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time); covariates have no gaps inside.
    split : Split
        The periods of each well.
    period : {"train", "validation", "test"}, optional
        Period of the targets; None for the whole time axis.
    lookback : int, optional
        Steps before the first target; by default one year.
    targets : int
        Target steps of a window: one for each observed level (1), or several that cover the period,
        with the weight 0 where there is no level.
    covariates : sequence of str, optional
        Covariates known up to the target, the input ``future``; by default all.
    past_covariates : sequence of str
        Covariates known up to the step before the first target, the input ``past``. ``"level"`` are
        earlier levels, carried forward over gaps, with an input that says which were observed.
    static_attributes : sequence of str
        Attributes of the wells, encoded: the input ``static``.
    batch_size, seed : int
        Windows in a batch, and seed of their order.
    shuffle : bool, optional
        Put the windows in a random order; by default for the train period.
    every_step : bool
        With one target, a window for every step of the period, observed or not.
    pad : bool
        Keep windows that begin before the data, with 0 (the mean of the train rows) there.
    scaler : Scaler, optional
        Not fitted, with other methods.

    Attributes
    ----------
    scaler_, encoder_, windows_, names
        Scales, encoding of attributes, positions in the order of the batches, variables of inputs.

    Raises
    ------
    SchemaError
        If a covariate or attribute is missing or has gaps, or there is no window.

    Examples
    --------
    >>> import gwforecast as gw
    >>> observations = gw.load_sample().sel(well=["fen"])
    >>> split = gw.split_by_fraction(observations)
    >>> test = LabelledWindows(observations, split=split, period="test", lookback=90)
    >>> perfect = test.to_levels(np.concatenate([batch[1] for batch in test]), model="perfect")
    >>> float(gw.score_table(perfect, observations, split, metrics=["rmse"])["value"].max()) < 1e-6
    True
    """

    def __init__(
        self,
        observations: xr.Dataset,
        *,
        split: Split,
        period: Period | None = "train",
        lookback: int | None = None,
        targets: int = 1,
        covariates: Sequence[str] | None = None,
        past_covariates: Sequence[str] = (),
        static_attributes: Sequence[str] = (),
        batch_size: int = 32,
        shuffle: bool | None = None,
        seed: int = 0,
        every_step: bool = False,
        pad: bool = False,
        scaler: Scaler | None = None,
    ) -> None:
        future = schema.covariate_names(observations) if covariates is None else list(covariates)
        known = [name for name in past_covariates if name != schema.LEVEL]
        schema.validate_observations(observations, covariates=[*future, *known])
        require_covariates(observations, names=dict.fromkeys([*future, *known]))
        self.period, self._observations = period, observations[[schema.LEVEL]]
        self.names = {"past": list(past_covariates), "future": future}
        self.scaler_ = copy.copy(scaler or Scaler()).fit(
            observations,
            rows=split.rows(observations, "train"),
            names=dict.fromkeys([schema.LEVEL, *future, *known]),
        )
        levels = self.scaler_.to_array(observations, [schema.LEVEL])[..., 0]
        values = self.scaler_.to_array(observations, future)
        usable = _rows(observations, split, period) & np.isfinite(values).all(axis=-1)
        wanted = usable if every_step else usable & np.isfinite(levels)
        found = _windows(wanted, lookback=self._lookback(lookback), targets=targets, pad=pad)
        if (period == "train") if shuffle is None else shuffle:
            found = found.take(np.random.default_rng(seed).permutation(len(found)))
        self.windows_, self._usable = found, usable
        self._check_windows()
        self._batches = WindowBatches(
            found,
            np.where(usable, levels, np.nan),
            past=self._past(observations, levels),
            future=np.nan_to_num(values, nan=0.0) if future else None,
            static=self._static(observations, static_attributes),
            batch_size=batch_size,
        )
        super().__init__()

    def _lookback(self, steps: int | None) -> int:
        if steps is not None:
            return steps
        frequency = timeline.infer_frequency(self._observations[schema.TIME].values)
        return round(timeline.steps_per_year(frequency))

    def _past(self, observations: xr.Dataset, levels: np.ndarray) -> np.ndarray | None:
        """Return the inputs known before the first target, (well, time, variable), scaled."""
        names = self.names.pop("past")
        if not names:
            return None
        parts, held = [], []
        for name in names:
            if name == schema.LEVEL:
                parts += [_carried_forward(levels), np.isfinite(levels).astype(levels.dtype)]
                held += [schema.LEVEL, LEVEL_OBSERVED]
            else:
                values = self.scaler_.to_array(observations, [name])[..., 0]
                parts.append(np.nan_to_num(values, nan=0.0))
                held.append(name)
        self.names = {"past": held, **self.names}
        return np.stack(parts, axis=-1)

    def _static(self, observations: xr.Dataset, names: Sequence[str]) -> np.ndarray | None:
        """Return the encoded attributes of the wells, (well, attribute)."""
        self.encoder_ = None
        if not names:
            return None
        self.encoder_ = AttributeEncoder().fit(observations, names=names)
        self.names["static"] = list(self.encoder_.columns_)
        return self.encoder_.transform(observations).values.astype(np.float32)

    def _check_windows(self) -> None:
        if not len(self.windows_):
            raise SchemaError(
                "A generator needs at least one window. Received none with "
                f"{self.windows_.lookback} steps before a target of the period {self.period!r}. "
                "Choose a shorter lookback, another period, or pad=True."
            )

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self._batches)

    def __getitem__(self, index: int) -> Batch:
        """Return a batch: inputs, targets and weights.

        Parameters
        ----------
        index : int
            Number of the batch, from 0.

        Returns
        -------
        inputs : numpy.ndarray or dict of str to numpy.ndarray
            ``past`` (batch, lookback, variable), ``future`` (batch, lookback + targets, variable)
            and ``static`` (batch, attribute), those that there are; a single one as it is.
        targets : numpy.ndarray
            Scaled levels, shape (batch, 1), or (batch, targets, 1) with several targets; 0 where
            none was observed.
        weights : numpy.ndarray
            Shape (batch,) or (batch, targets): 1, and 0 where no level was observed.
        """
        if not 0 <= index < len(self):
            raise IndexError(
                f"The batches are numbered from 0 to {len(self) - 1}. Received {index}. Use a "
                "number among them."
            )
        inputs, targets, weights = self._batches[index]
        if self.windows_.targets == 1:
            targets, weights = targets[:, 0], weights[:, 0]
        given = dict(inputs)
        return (given if len(given) > 1 else next(iter(given.values()))), targets, weights

    def __iter__(self) -> Iterator[Batch]:
        """Yield all batches once, in their order."""
        return (self[index] for index in range(len(self)))

    def title(self) -> str:
        """Return period, number of windows and batches in one line."""
        windows = f"{len(self.windows_)} windows in {len(self)} batches"
        return f"{type(self).__name__}, period {self.period!r}: {windows}"

    def summary(self) -> pd.DataFrame:
        """Return shape and variables of each input.

        Returns
        -------
        pandas.DataFrame
            Columns shape (without the batch) and variables, a row for each input.
        """
        rows = {name: (shape, ", ".join(self.names.get(name, []))) for name, shape in
                self.shapes.items()}  # fmt: skip
        return pd.DataFrame.from_dict(rows, orient="index", columns=["shape", "variables"])

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each input without the batch, e.g. for ``keras.Input``."""
        inputs = self._batches[0][0]
        return {name: values.shape[1:] for name, values in inputs.items()}

    @property
    def wells(self) -> np.ndarray:
        """Well of each window, shape (window,)."""
        names: np.ndarray = self._observations[schema.WELL].values[self.windows_.well]
        return names

    @property
    def times(self) -> np.ndarray:
        """Time of each target, shape (window, targets); NaT outside the time axis."""
        times = timeline.to_times(self._observations[schema.TIME].values)
        steps = self.windows_.target_start[:, None] + np.arange(self.windows_.targets)
        inside = (steps >= 0) & (steps < times.size)
        return np.where(inside, times[np.where(inside, steps, 0)], np.datetime64("NaT"))

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each window.

        Returns
        -------
        pandas.DataFrame
            Columns well, first_input, first_target and last_target, in the order of the batches.
            The first input of a padded window is the first step; a target outside the time axis is
            NaT.
        """
        frame = pd.DataFrame({"well": self.wells, "first_target": self.times[:, 0]})
        axis = timeline.to_times(self._observations[schema.TIME].values)
        frame["first_input"] = axis[np.maximum(self.windows_.input_start, 0)]
        frame["last_target"] = self.times[:, -1]
        return frame[["well", "first_input", "first_target", "last_target"]]

    def to_levels(
        self,
        predictions: np.ndarray,
        *,
        model: str = "network",
        quantiles: Sequence[float] = (0.5,),
    ) -> xr.Dataset:
        """Return predictions for the windows as levels with their labels and units.

        Parameters
        ----------
        predictions : numpy.ndarray
            Scaled, one for each window in the order of the batches, as ``predict`` returns them:
            shape (window, targets), (window, targets, quantile), or (window, quantile) with one
            target.
        model : str
            Name of the model in tables and figures.
        quantiles : sequence of float
            Quantiles that the network predicts; 0.5 is the central prediction.

        Returns
        -------
        xarray.Dataset
            ``level`` (model, well, time, quantile), m, for the whole time axis; NaN at steps
            outside the period and without a window.

        Raises
        ------
        ValueError
            If the shape does not fit the windows.
        """
        count, targets = len(self.windows_), self.windows_.targets
        scaled = np.asarray(predictions, dtype=float)
        if scaled.size != count * targets * len(quantiles) or scaled.shape[:1] != (count,):
            raise ValueError(
                f"Predictions must have one row for each of {count} windows, with {targets} "
                f"targets and {len(quantiles)} quantiles. Received the shape {scaled.shape}. "
                "Predict with this generator: network.predict(generator)."
            )
        scaled = scaled.reshape(count, targets, len(quantiles))
        wells, steps = self._usable.shape
        values = np.full((wells, steps, len(quantiles)), np.nan)
        at = self.windows_.target_start[:, None] + np.arange(targets)
        well = np.broadcast_to(self.windows_.well[:, None], at.shape)
        inside = (at >= 0) & (at < steps)
        values[well[inside], at[inside]] = scaled[inside]
        values[~self._usable] = np.nan
        center, scale = self.scaler_.statistics(
            schema.LEVEL, self._observations[schema.WELL].values.tolist()
        )
        levels = values * scale[:, None, None] + center[:, None, None]
        observed = self._observations[schema.LEVEL]
        labelled = xr.DataArray(
            levels[None],
            {
                schema.MODEL: [model],
                schema.WELL: observed[schema.WELL].values,
                schema.TIME: observed[schema.TIME].values,
                schema.QUANTILE: list(quantiles),
            },
            (schema.MODEL, schema.WELL, schema.TIME, schema.QUANTILE),
            attrs={**observed.attrs, "units": schema.LEVEL_UNITS},
        )
        return labelled.to_dataset(name=schema.LEVEL)


def _rows(observations: xr.Dataset, split: Split, period: Period | None) -> np.ndarray:
    """Return which steps may be targets, boolean (well, time)."""
    if period is None:
        return np.ones(observations[schema.LEVEL].shape, dtype=bool)
    return split.rows(observations, period).transpose(schema.WELL, schema.TIME).values


def _windows(wanted: np.ndarray, *, lookback: int, targets: int, pad: bool) -> Windows:
    """Return the windows of wanted steps, boolean (well, time)."""
    found = (
        value_windows(wanted, lookback=lookback)
        if targets == 1
        else sequence_windows(wanted, lookback=lookback, targets=targets)
    )
    return found if pad else found.take(found.input_start >= 0)


def _carried_forward(levels: np.ndarray) -> np.ndarray:
    """Return levels (well, time) whose gaps hold the last level before them, 0 before the first."""
    positions = np.where(np.isfinite(levels), np.arange(levels.shape[1]), -1)
    last = np.maximum.accumulate(positions, axis=1)
    carried = np.take_along_axis(levels, np.maximum(last, 0), axis=1)
    return np.where(last >= 0, carried, 0.0).astype(levels.dtype)
