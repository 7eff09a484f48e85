"""Encoding of static attributes as numbers, with statistics of the training wells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, Self

import numpy as np
import xarray as xr

from gwforecast import schema
from gwforecast.schema import SchemaError

__all__ = ["AttributeEncoder"]


_MISSING = ""


class AttributeEncoder:
    """Standardise numeric attributes and encode categories.

    Parameters
    ----------
    onehot : bool
        One column of 0 and 1 for each category; otherwise one column of integer codes, 1 to K in
        alphabetical order.
    unknown : {"error", "code"}
        Treatment of a category that no training well has: raise an error, or use the code 0 (with
        ``onehot``, 0 in every column).
    missing : {"error", "mark"}
        Treatment of a missing number: raise an error, or use the training mean, and the value 1 in
        an additional column ``attribute missing``. With ``"mark"`` a missing category is treated
        as one that no training well has.
    categories : iterable of str
        Numeric attributes to treat as categories, e.g. land cover classes; text always is.

    Attributes
    ----------
    names_ : tuple of str
        Attributes that were fitted.
    columns_ : tuple of str
        Columns of the encoded array: the attribute, or ``attribute=category`` with ``onehot``.
    levels_ : dict of str to numpy.ndarray of str
        Categories of each categorical attribute, sorted.
    center_, scale_ : dict of str to float
        Mean and (population) standard deviation of each numeric attribute over training wells.
    marked_ : frozenset of str
        Numeric attributes that are missing at a training well.
    notes_ : tuple of str
        One line for each numeric attribute that is constant over the training wells (scale 1).

    Examples
    --------
    >>> observations = xr.Dataset(
    ...     {"soil": ("well", ["sand", "clay", "sand"]), "depth": ("well", [1.0, 3.0, 2.0])},
    ...     {"well": ["a", "b", "c"]},
    ... )
    >>> AttributeEncoder().fit(observations, wells=["a", "b"]).transform(observations).values
    array([[ 2., -1.],
           [ 1.,  1.],
           [ 2.,  0.]])
    """

    names_: tuple[str, ...]
    columns_: tuple[str, ...]
    levels_: dict[str, np.ndarray]
    center_: dict[str, float]
    scale_: dict[str, float]
    marked_: frozenset[str]
    notes_: tuple[str, ...]

    def __init__(
        self,
        *,
        onehot: bool = False,
        unknown: Literal["error", "code"] = "error",
        missing: Literal["error", "mark"] = "error",
        categories: Iterable[str] = (),
    ) -> None:
        if unknown not in ("error", "code"):
            raise ValueError(
                f"unknown must be 'error' or 'code'. Received {unknown!r}. Use one of the two."
            )
        if missing not in ("error", "mark"):
            raise ValueError(
                f"missing must be 'error' or 'mark'. Received {missing!r}. Use one of the two."
            )
        self.onehot = onehot
        self.missing: Literal["error", "mark"] = missing
        self.unknown: Literal["error", "code"] = unknown
        self.categories = tuple(categories)

    def fit(
        self,
        observations: xr.Dataset,
        *,
        wells: Iterable[str] | None = None,
        names: Iterable[str] | None = None,
    ) -> Self:
        """Compute the encoding from the training wells.

        Parameters
        ----------
        observations : xarray.Dataset
            Static attributes with dims (well,).
        wells : iterable of str, optional
            The training wells; by default all.
        names : iterable of str, optional
            The attributes; by default all.

        Returns
        -------
        AttributeEncoder
            Itself.

        Raises
        ------
        SchemaError
            If an attribute, a well or a value is missing.
        """
        self.names_ = tuple(schema.attribute_names(observations) if names is None else names)
        _check_present(observations, self.names_)
        if wells is not None:
            chosen = list(wells)
            absent = [w for w in chosen if w not in observations[schema.WELL].values]
            if absent or not chosen:
                raise SchemaError(
                    f"An encoding needs at least one training well, and all must be in the "
                    f"observations. Received {absent[:1] or chosen}. Correct the names."
                )
            observations = observations.sel({schema.WELL: chosen})
        self.levels_, self.center_, self.scale_ = {}, {}, {}
        notes: list[str] = []
        columns: list[str] = []
        marked = set()
        for name in self.names_:
            if self._is_category(name, observations[name]):
                text = self._as_text(observations[name])
                self.levels_[name] = np.unique(text[text != _MISSING])
                levels = [f"{name}={level}" for level in self.levels_[name]]
                columns += levels if self.onehot else [name]
                continue
            missing = self._fit_number(name, observations[name], notes)
            columns += [name, f"{name} missing"] if missing else [name]
            marked |= {name} if missing else set()
        self.columns_, self.notes_ = tuple(columns), tuple(notes)
        self.marked_ = frozenset(marked)
        return self

    def _fit_number(self, name: str, attribute: xr.DataArray, notes: list[str]) -> bool:
        """Compute mean and deviation of an attribute; return whether a well lacks a value."""
        values = self._as_numbers(attribute)
        held = values[~np.isnan(values)]
        if not held.size:
            raise SchemaError(
                "A numeric attribute needs a value for at least one training well. Received none "
                f"for {name!r}. Leave the attribute out."
            )
        self.center_[name], self.scale_[name] = float(held.mean()), float(held.std())
        if self.scale_[name] <= 1e-12 * max(1.0, abs(self.center_[name])):
            self.scale_[name] = 1.0
            notes.append(
                f"{name!r} is constant, {self.center_[name]:g}, over the {held.size} training "
                "wells; its scale is set to 1."
            )
        return bool(held.size < values.size)

    def transform(self, observations: xr.Dataset) -> xr.DataArray:
        """Return the encoded attributes.

        Parameters
        ----------
        observations : xarray.Dataset
            Static attributes with dims (well,), for any wells.

        Returns
        -------
        xarray.DataArray
            Dimensions (well, attribute), dimensionless: numbers with mean 0 and standard deviation
            1 over the training wells, categories as codes or columns of 0 and 1.

        Raises
        ------
        SchemaError
            If an attribute or a value is missing, or a category is unknown and ``unknown`` is
            ``"error"``.
        """
        _check_present(observations, self.names_)
        blocks: list[np.ndarray] = [np.empty((observations.sizes[schema.WELL], 0))]
        for name in self.names_:
            if name not in self.levels_:
                values = self._as_numbers(observations[name])
                absent = np.isnan(values)
                scaled = (values - self.center_[name]) / self.scale_[name]
                blocks.append(np.where(absent, 0.0, scaled)[:, None])
                if name in self.marked_:
                    blocks.append(absent[:, None].astype(float))
                continue
            codes = self._codes(observations[name])
            if self.onehot:
                kinds = np.arange(1, self.levels_[name].size + 1)
                blocks.append((codes[:, None] == kinds).astype(float))
            else:
                blocks.append(codes[:, None].astype(float))
        return xr.DataArray(
            np.concatenate(blocks, axis=1),
            {schema.WELL: observations[schema.WELL].values, "attribute": list(self.columns_)},
            (schema.WELL, "attribute"),
            name="attributes",
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the state as plain arrays, for :meth:`from_arrays`.

        Returns
        -------
        dict of str to numpy.ndarray
            Settings, columns, means and deviations, and the categories of each attribute.
        """
        numbers = [n for n in self.names_ if n not in self.levels_]
        arrays = {
            "names": np.array(self.names_, dtype=str),
            "onehot": np.array(self.onehot),
            "unknown": np.array(self.unknown),
            "missing": np.array(self.missing),
            "marked": np.array(sorted(self.marked_), dtype=str),
            "columns": np.array(self.columns_, dtype=str),
            "notes": np.array(self.notes_, dtype=str),
            "center": np.array([self.center_[n] for n in numbers], dtype=float),
            "scale": np.array([self.scale_[n] for n in numbers], dtype=float),
        }
        return arrays | {f"levels:{name}": levels for name, levels in self.levels_.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the encoder whose state :meth:`to_arrays` returned.

        Parameters
        ----------
        arrays : mapping of str to numpy.ndarray
            Its result.

        Returns
        -------
        AttributeEncoder
            Fitted.

        Raises
        ------
        SchemaError
            If an array is missing, or a scale is not positive and finite.
        """
        missing = [
            key
            for key in ("names", "onehot", "unknown", "columns", "notes", "center", "scale")
            if key not in arrays
        ]
        if missing:
            raise SchemaError(
                f"The state of an encoder must be that of AttributeEncoder.to_arrays. Received a "
                f"state without {missing}. Save it again."
            )
        levels = {
            key.removeprefix("levels:"): value.astype(str)
            for key, value in arrays.items()
            if key.startswith("levels:")
        }
        unknown: Literal["error", "code"] = "code" if str(arrays["unknown"]) == "code" else "error"
        missing_: Literal["error", "mark"] = (
            "mark" if str(arrays.get("missing")) == "mark" else "error"
        )
        encoder = cls(
            onehot=bool(arrays["onehot"]), unknown=unknown, missing=missing_, categories=levels
        )
        encoder.marked_ = frozenset(arrays.get("marked", np.array([], str)).astype(str).tolist())
        encoder.names_ = tuple(arrays["names"].astype(str).tolist())
        numbers = [n for n in encoder.names_ if n not in levels]
        scale, center = arrays["scale"], arrays["center"]
        if not (np.isfinite(scale).all() and (scale > 0).all() and np.isfinite(center).all()):
            raise SchemaError(
                f"Centre and scale must be finite, and the scale positive. Received {center} and "
                f"{scale} for {numbers}. Fit the encoder again."
            )
        encoder.levels_ = levels
        encoder.center_ = dict(zip(numbers, center.tolist(), strict=True))
        encoder.scale_ = dict(zip(numbers, scale.tolist(), strict=True))
        encoder.columns_ = tuple(arrays["columns"].astype(str).tolist())
        encoder.notes_ = tuple(arrays["notes"].astype(str).tolist())
        return encoder

    def _is_category(self, name: str, values: xr.DataArray) -> bool:
        return name in self.categories or values.dtype.kind not in "fiub"

    def _as_text(self, values: xr.DataArray) -> np.ndarray:
        if self.missing == "error" or values.dtype.kind in "iub":
            return _as_text(values)
        held = [not _is_missing(item) for item in values.values.tolist()]
        text = np.full(values.size, _MISSING, dtype=object)
        text[held] = _as_text(values[held])
        return text.astype(str)

    def _as_numbers(self, values: xr.DataArray) -> np.ndarray:
        if self.missing == "error" or values.dtype.kind not in "fiub":
            return _as_numbers(values)
        numbers = values.values.astype(float)
        held = ~np.isnan(numbers)
        _as_numbers(values[held])  # raises for infinite values
        return numbers

    def _codes(self, values: xr.DataArray) -> np.ndarray:
        name, text = str(values.name), self._as_text(values)
        levels = self.levels_[name]
        position = np.minimum(np.searchsorted(levels, text), levels.size - 1)
        known = levels[position] == text
        new = ~known & (text != _MISSING)
        if self.unknown == "error" and new.any():
            first = int(np.flatnonzero(new)[0])
            raise SchemaError(
                "A category must be one of the training wells. Received "
                f"{str(text[first])!r} for {name!r} at well "
                f"{str(values[schema.WELL].values[first])!r}; known are {levels.tolist()}. Add "
                "such a well to the training wells, or set unknown='code'."
            )
        return np.where(known, position + 1, 0)


def _check_present(observations: xr.Dataset, names: Iterable[str]) -> None:
    held = schema.attribute_names(observations)
    missing = [name for name in names if name not in held]
    if missing:
        raise SchemaError(
            f"Each static attribute must be a variable over (well,). Received {held}, which lacks "
            f"{missing}. Add it with Dataset.assign."
        )


def _is_missing(item: object) -> bool:
    return item is None or item != item or (isinstance(item, str) and not item.strip())


def _as_text(values: xr.DataArray) -> np.ndarray:
    raw = values.values
    if raw.dtype.kind in "iub":
        return raw.astype(str)
    items = raw.tolist()
    for well, item in zip(values[schema.WELL].values, items, strict=True):
        if _is_missing(item):
            raise SchemaError(
                f"A category must not be missing. Received {item!r} for {values.name!r} at well "
                f"{str(well)!r}. Use a separate category, e.g. 'unknown'."
            )
    whole = [str(int(i)) if isinstance(i, float) and i.is_integer() else str(i) for i in items]
    return np.array(whole, dtype=str)


def _as_numbers(values: xr.DataArray) -> np.ndarray:
    if values.dtype.kind not in "fiub":
        raise SchemaError(
            f"An attribute that was fitted as a number must be numeric. Received "
            f"{values.name!r} of dtype {values.dtype}. Convert it with astype(float)."
        )
    numbers = values.values.astype(float)
    bad = ~np.isfinite(numbers)
    if bad.any():
        raise SchemaError(
            f"A numeric attribute must be finite. Received {numbers[bad][0]} for "
            f"{values.name!r} at well {str(values[schema.WELL].values[bad][0])!r}. Add its value, "
            "or leave the attribute out."
        )
    return numbers
