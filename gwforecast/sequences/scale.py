"""Statistics of the training rows: scales of variables, and normal levels by calendar month."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Self, TypeVar

import numpy as np
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.schema import SchemaError

__all__ = ["CLASSES", "METHODS", "Method", "Normal", "Scaler"]


Method = Literal["standard", "minmax", "none"]
METHODS: tuple[Method, ...] = ("standard", "minmax", "none")
Labelled = TypeVar("Labelled", xr.DataArray, xr.Dataset)
_POOLED = ""
OF_CONSTANT_LEVEL = 1e-6  # m


class Scaler:
    """Centre and scale variables with statistics of the given rows only.

    Parameters
    ----------
    per_well : bool
        Use separate statistics for each well; otherwise pool the rows of all wells.
    methods : mapping of str to {"standard", "minmax", "none"}, optional
        Method for each variable; the default is ``"standard"``: mean and (population) standard
        deviation. ``"minmax"`` maps the range of the rows to 0 to 1, ``"none"`` changes nothing.

    Attributes
    ----------
    names_, wells_ : numpy.ndarray of str
        Variables and wells; pooled statistics have a single well, ``""``.
    center_, scale_ : numpy.ndarray
        Shape (well, variable), in the units of the variable.
    first_, last_, n_ : numpy.ndarray
        First and last row that was used, and number of rows, shape (well, variable).
    notes_ : tuple of str
        One line for each variable that was constant on the rows, whose scale is therefore 1, or
        1e-6 m for a level.

    Examples
    --------
    >>> import pandas as pd
    >>> observations = xr.Dataset(
    ...     {"level": (("well", "time"), [[1.0, 3.0, 100.0]])},
    ...     {"well": ["a"], "time": pd.date_range("2020-01-01", periods=3)},
    ... )
    >>> rows = xr.DataArray([[True, True, False]], observations.coords, ("well", "time"))
    >>> scaler = Scaler().fit(observations, rows=rows, names=["level"])
    >>> scaler.transform(observations["level"]).values
    array([[-1.,  1., 98.]])
    """

    names_: np.ndarray
    wells_: np.ndarray
    center_: np.ndarray
    scale_: np.ndarray
    first_: np.ndarray
    last_: np.ndarray
    n_: np.ndarray
    notes_: tuple[str, ...]

    def __init__(
        self, *, per_well: bool = True, methods: Mapping[str, Method] | None = None
    ) -> None:
        self.per_well = per_well
        self.methods = dict(methods or {})
        wrong = {name: m for name, m in self.methods.items() if m not in METHODS}
        if wrong:
            raise ValueError(
                f"The method of a variable must be one of {', '.join(METHODS)}. Received {wrong}. "
                "Correct the method."
            )

    def fit(
        self,
        observations: xr.Dataset,
        *,
        rows: xr.DataArray,
        names: Iterable[str] | None = None,
    ) -> Self:
        """Compute centre and scale from the given rows.

        Parameters
        ----------
        observations : xarray.Dataset
            Dimensions (well, time).
        rows : xarray.DataArray
            Rows to use, boolean, dims (well, time), e.g. ``split.rows(obs, "train")``.
        names : iterable of str, optional
            Variables over (well, time); by default the level and all covariates.

        Returns
        -------
        Scaler
            Itself.

        Raises
        ------
        SchemaError
            If a variable is missing, or has no finite value on the rows of a well.
        """
        known = [schema.LEVEL, *schema.covariate_names(observations)]
        chosen = known if names is None else list(names)
        missing = [name for name in chosen if name not in known]
        if missing:
            raise SchemaError(
                f"A scaled variable must be the level or a covariate. Received {missing}; the "
                f"observations contain {known}. Correct the name, or add the series."
            )
        xr.align(rows, observations[schema.LEVEL], join="exact")
        allowed = rows.transpose(schema.WELL, schema.TIME).values.astype(bool)
        times = observations[schema.TIME].values.astype(schema.TIME_DTYPE)
        wells = observations[schema.WELL].values
        self.names_ = np.array(chosen, dtype=str)
        self.wells_ = wells.astype(str) if self.per_well else np.array([_POOLED])
        shape = (self.wells_.size, len(chosen))
        self.center_, self.scale_ = np.zeros(shape), np.ones(shape)
        self.n_ = np.zeros(shape, dtype=np.int64)
        self.first_, self.last_ = (np.empty(shape, schema.TIME_DTYPE) for _ in range(2))
        notes: list[str] = []
        for j, name in enumerate(chosen):
            values = observations[name].transpose(schema.WELL, schema.TIME).values.astype(float)
            used = allowed & np.isfinite(values)
            self._check_rows(used, name=name, wells=wells)
            of = used if self.per_well else used.any(axis=0, keepdims=True)
            self.first_[:, j] = times[of.argmax(axis=1)]
            self.last_[:, j] = times[times.size - 1 - of[:, ::-1].argmax(axis=1)]
            self.n_[:, j] = used.sum(axis=1) if self.per_well else used.sum()
            self.center_[:, j], self.scale_[:, j] = self._statistics_of(values, used, name=name)
            notes += self._replace_zero_scales(j, name)
        self.notes_ = tuple(notes)
        return self

    def transform(self, data: Labelled) -> Labelled:
        """Return data with the fitted variables scaled and all others unchanged.

        Parameters
        ----------
        data : xarray.DataArray or xarray.Dataset
            Any dimensions with ``well`` among them, or without it if the statistics are pooled.
            A DataArray must have the name of a fitted variable.

        Returns
        -------
        xarray.DataArray or xarray.Dataset
            Like the data: (value - centre) / scale, dimensionless; NaN stays NaN.

        Raises
        ------
        SchemaError
            If the name of a DataArray, or a well, was not fitted.
        """
        if isinstance(data, xr.DataArray):
            center, scale = self._labelled(str(data.name), data)
            scaled = (data - center) / scale
            scaled.attrs = {**data.attrs, "units": "1"} if self._changes(data.name) else data.attrs
            return scaled.transpose(*data.dims).rename(data.name)
        held = [str(name) for name in self.names_ if name in data]
        return data.assign({name: self.transform(data[name]) for name in held})

    def to_array(
        self,
        data: xr.Dataset,
        names: Sequence[str],
        *,
        wells: Sequence[str] | None = None,
    ) -> np.ndarray:
        """Return scaled variables without labels.

        Parameters
        ----------
        data : xarray.Dataset
            Two dimensions, the second of them time.
        names : sequence of str
            The variables.
        wells : sequence of str, optional
            Well whose statistics scale each row; by default the wells of the data.

        Returns
        -------
        numpy.ndarray
            Shape (row, time, variable), float32; NaN in gaps.
        """
        rows = data[schema.WELL].values.tolist() if wells is None else list(wells)
        values = np.empty((*data[schema.LEVEL].shape, len(names)), np.float32)
        for number, name in enumerate(names):
            center, scale = self.statistics(name, rows)
            values[..., number] = (data[name].values - center[:, None]) / scale[:, None]
        return values

    def inverse(self, data: xr.DataArray, name: str) -> xr.DataArray:
        """Return scaled data of a variable in its original units.

        Parameters
        ----------
        data : xarray.DataArray
            Any dimensions with ``well`` among them, e.g. (well, time, member).
        name : str
            The variable.

        Returns
        -------
        xarray.DataArray
            Like the data, in the units of the variable: value * scale + centre.
        """
        center, scale = self._labelled(name, data)
        return (data * scale + center).transpose(*data.dims).rename(name)

    def statistics(
        self, name: str, wells: Iterable[str] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return centre and scale of a variable.

        Parameters
        ----------
        name : str
            The variable.
        wells : iterable of str, optional
            Wells in the requested order; by default the wells of the fit.

        Returns
        -------
        numpy.ndarray
            Centre, shape (well,), in the units of the variable.
        numpy.ndarray
            Scale, shape (well,), in the same units.

        Raises
        ------
        SchemaError
            If the variable or a well was not fitted.
        """
        if name not in self.names_:
            raise SchemaError(
                f"A scaler can be applied to the variables it was fitted on. Received {name!r}, "
                f"fitted were {self.names_.tolist()}. Fit it with this variable among the names."
            )
        j = int(np.flatnonzero(self.names_ == name)[0])
        if wells is None:
            return self.center_[:, j], self.scale_[:, j]
        chosen = list(wells)
        if not self.per_well:
            shape = (len(chosen),)
            return np.broadcast_to(self.center_[:, j], shape), np.broadcast_to(
                self.scale_[:, j], shape
            )
        index = {well: i for i, well in enumerate(self.wells_.tolist())}
        unknown = [well for well in chosen if well not in index]
        if unknown:
            raise SchemaError(
                "A scaler can be applied to the wells it was fitted on. Received "
                f"{str(unknown[0])!r}, which is not one of them. Fit it with this well, or use "
                "per_well=False."
            )
        positions = [index[well] for well in chosen]
        return self.center_[positions, j], self.scale_[positions, j]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the state as plain arrays, for :meth:`from_arrays`.

        Returns
        -------
        dict of str to numpy.ndarray
            Settings, and centre, scale, first and last row and number of values (well, variable).
        """
        methods = [self.methods.get(str(name), "standard") for name in self.names_]
        return {
            "names": self.names_,
            "wells": self.wells_,
            "methods": np.array(methods, dtype=str),
            "per_well": np.array(self.per_well),
            "center": self.center_,
            "scale": self.scale_,
            "first": self.first_.astype(np.int64),
            "last": self.last_.astype(np.int64),
            "n": self.n_,
            "notes": np.array(self.notes_, dtype=str),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the scaler whose state :meth:`to_arrays` returned.

        Parameters
        ----------
        arrays : mapping of str to numpy.ndarray
            Its result.

        Returns
        -------
        Scaler
            Fitted.

        Raises
        ------
        SchemaError
            If an array is missing or has another shape, or a scale is not positive and finite.
        """
        wanted = ("names", "wells", "methods", "per_well", "center", "scale", "first", "last", "n",
                  "notes")  # fmt: skip
        missing = [key for key in wanted if key not in arrays]
        if missing:
            raise SchemaError(
                f"The state of a scaler needs {', '.join(wanted)}. Received a state without "
                f"{missing}. Save it again with Scaler.to_arrays."
            )
        names = arrays["names"].astype(str)
        methods: dict[str, Method] = dict(
            zip(names.tolist(), arrays["methods"].tolist(), strict=True)
        )
        scaler = cls(per_well=bool(arrays["per_well"]), methods=methods)
        scaler.names_, scaler.wells_ = names, arrays["wells"].astype(str)
        shape = (scaler.wells_.size, names.size)
        for key in ("center", "scale", "first", "last", "n"):
            if arrays[key].shape != shape:
                raise SchemaError(
                    f"The arrays of a scaler must have shape (well, variable) = {shape}. "
                    f"Received {key} of shape {arrays[key].shape}. Save it again."
                )
        sound = np.isfinite(arrays["center"]) & np.isfinite(arrays["scale"]) & (arrays["scale"] > 0)
        if not sound.all():
            i, j = (int(index[0]) for index in np.nonzero(~sound))
            raise SchemaError(
                f"Centre and scale must be finite, and the scale positive. Received "
                f"{arrays['center'][i, j]} and {arrays['scale'][i, j]} for {str(names[j])!r} of "
                f"well {str(scaler.wells_[i])!r}. Fit the scaler again."
            )
        scaler.center_, scaler.scale_ = (
            arrays["center"].astype(float),
            arrays["scale"].astype(float),
        )
        scaler.first_ = arrays["first"].astype(np.int64).astype(schema.TIME_DTYPE)
        scaler.last_ = arrays["last"].astype(np.int64).astype(schema.TIME_DTYPE)
        scaler.n_, scaler.notes_ = arrays["n"], tuple(arrays["notes"].astype(str).tolist())
        return scaler

    def joined(self, other: Self) -> Self:
        """Return a scaler with the wells of this and another scaler for the same variables.

        Parameters
        ----------
        other : Scaler
            Fitted to other wells.

        Returns
        -------
        Scaler
            Wells of this one first; neither is changed.

        Raises
        ------
        ValueError
            If the variables differ, or both contain a well.
        """
        shared = set(self.wells_.tolist()) & set(other.wells_.tolist())
        if self.names_.tolist() != other.names_.tolist() or shared:
            raise ValueError(
                "Joined scalers must have the same variables and different wells. Received "
                f"{self.names_.tolist()} and {other.names_.tolist()}, and {sorted(shared)} twice. "
                "Fit both with the same names."
            )
        whole = type(self)(per_well=self.per_well, methods=self.methods)
        whole.names_ = self.names_
        for name in ("wells_", "center_", "scale_", "first_", "last_", "n_"):
            both = [getattr(self, name), getattr(other, name)]
            setattr(whole, name, np.concatenate(both))
        whole.notes_ = (*self.notes_, *other.notes_)
        return whole

    def _statistics_of(
        self, values: np.ndarray, used: np.ndarray, *, name: str
    ) -> tuple[np.ndarray, np.ndarray]:
        axis = 1 if self.per_well else None
        method = self.methods.get(name, "standard")
        shape = (self.wells_.size, 1)
        if method == "none":
            return np.zeros(shape[0]), np.ones(shape[0])
        if method == "minmax":
            low = np.where(used, values, np.inf).min(axis=axis)
            high = np.where(used, values, -np.inf).max(axis=axis)
            return np.atleast_1d(low), np.atleast_1d(high - low)
        n = used.sum(axis=axis)
        mean = np.reshape(np.where(used, values, 0.0).sum(axis=axis) / n, shape)
        # two passes, because a level of hundreds of metres can vary by centimetres
        deviation = np.where(used, values - mean, 0.0)
        mean = mean + np.reshape(deviation.sum(axis=axis) / n, shape)
        variance = np.reshape(
            np.square(np.where(used, values - mean, 0.0)).sum(axis=axis) / n, shape
        )
        return mean[:, 0], np.sqrt(variance[:, 0])

    def _replace_zero_scales(self, j: int, name: str) -> list[str]:
        constant = self.scale_[:, j] <= 1e-12 * np.maximum(1.0, np.abs(self.center_[:, j]))
        # whatever a network predicts of a constant level stays at that level
        scale = OF_CONSTANT_LEVEL if name == schema.LEVEL else 1.0
        notes = []
        for i in np.flatnonzero(constant):
            of = f" of well {str(self.wells_[i])!r}" if self.per_well else ""
            first, last = (timeline.format_time(t[i, j]) for t in (self.first_, self.last_))
            notes.append(
                f"{name!r}{of} is constant, {self.center_[i, j]:g}, on the {self.n_[i, j]} rows "
                f"from {first} to {last}; its scale is set to {scale:g}."
            )
        self.scale_[constant, j] = scale
        return notes

    def _check_rows(self, used: np.ndarray, *, name: str, wells: np.ndarray) -> None:
        empty = ~used.any(axis=1) if self.per_well else np.full(1, not used.any())
        if empty.any():
            of = f"well {str(wells[empty.argmax()])!r}" if self.per_well else "all wells"
            raise SchemaError(
                f"A scale needs at least one value on the training rows. Received none for "
                f"{name!r} of {of}. Leave out the variable or the well, or change the split."
            )

    def _labelled(self, name: str, data: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
        if not self.per_well and schema.WELL not in data.dims:
            center, scale = self.statistics(name)
            return xr.DataArray(center[0]), xr.DataArray(scale[0])
        wells = data[schema.WELL].values
        coords = {schema.WELL: wells}
        center, scale = self.statistics(name, wells.tolist())
        return (
            xr.DataArray(center, coords, (schema.WELL,)),
            xr.DataArray(scale, coords, (schema.WELL,)),
        )

    def _changes(self, name: object) -> bool:
        return self.methods.get(str(name), "standard") != "none"


CLASSES = ("below", "near", "above")
FEWEST_LEVELS = 9


class Normal:
    """Classify levels as below, near or above normal for their calendar month.

    The limits are the terciles of the training levels of the month. If a month has fewer than nine
    levels, neighbouring months are added until there are enough.

    Attributes
    ----------
    limits_ : xarray.DataArray
        Terciles, dims (well, month, tercile), m above the datum.

    Examples
    --------
    >>> import pandas as pd
    >>> times = pd.date_range("2020-01-01", periods=31)
    >>> level = xr.DataArray([np.arange(31.0)], {"well": ["a"], "time": times}, ("well", "time"))
    >>> rows = xr.ones_like(level, dtype=bool)
    >>> normal = Normal().fit(level.to_dataset(name="level"), rows=rows)
    >>> normal.classify(level).values[0, [0, 15, 30]]
    array([0., 1., 2.])
    """

    limits_: xr.DataArray

    def fit(self, observations: xr.Dataset, *, rows: xr.DataArray) -> Self:
        """Compute the terciles of the levels of the given rows, boolean, dims (well, time).

        Raises SchemaError if a well has fewer than nine levels in these rows.
        """
        months = observations[schema.TIME].dt.month.values
        distance = np.abs(np.arange(1, 13)[:, None] - months)
        distance = np.minimum(distance, 12 - distance)  # (month, time), in months around the year
        levels = observations[schema.LEVEL].where(rows).values
        limits = np.empty((levels.shape[0], 12, 2))
        wells = schema.well_names(observations)
        for well, row in enumerate(levels):
            known = np.isfinite(row)
            if known.sum() < FEWEST_LEVELS:
                raise SchemaError(
                    f"Terciles need at least {FEWEST_LEVELS} levels. Received {known.sum()} for "
                    f"well {wells[well]!r} in the training rows. Use a longer record, or leave the "
                    "well out."
                )
            for month in range(12):
                reach = next(
                    r for r in range(7) if (known & (distance[month] <= r)).sum() >= FEWEST_LEVELS
                )
                chosen = row[known & (distance[month] <= reach)]
                limits[well, month] = np.quantile(chosen, [1 / 3, 2 / 3])
        self.limits_ = self.of(wells, limits).limits_
        return self

    @classmethod
    def of(cls, wells: Sequence[str], limits: np.ndarray) -> Self:
        """Return classes with given limits: terciles (well, 12 months, 2), m above the datum.

        Raises ValueError if the limits have another shape, are not finite or not in ascending
        order.
        """
        if limits.shape != (len(wells), 12, 2) or not np.isfinite(limits).all():
            raise ValueError(f"limits must be finite, of shape ({len(wells)}, 12, 2)")
        if (limits[..., 0] > limits[..., 1]).any():
            raise ValueError("limits must be in ascending order")
        one = cls()
        one.limits_ = xr.DataArray(
            limits,
            dims=(schema.WELL, "month", "tercile"),
            coords={
                schema.WELL: list(wells),
                "month": np.arange(1, 13),
                "tercile": [1 / 3, 2 / 3],
            },
            attrs={"units": schema.LEVEL_UNITS, "long_name": "limits of the normal level"},
        )
        return one

    def classify(self, level: xr.DataArray) -> xr.DataArray:
        """Return 0 (below), 1 (near) or 2 (above normal) for levels, NaN for missing ones."""
        limits = self.limits_.sel(
            {schema.WELL: level[schema.WELL].values, "month": level[schema.TIME].dt.month}
        ).drop_vars("month")
        above = (level > limits).sum("tercile").transpose(*level.dims)
        classes = above.astype(float).where(level.notnull()).rename("class")
        classes.attrs = {"long_name": "class against normal", "flag_values": [0, 1, 2],
                         "flag_meanings": " ".join(CLASSES)}  # fmt: skip
        return classes
