"""What the record of a run says of its data and its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import xarray as xr

from gwforecast import schema
from gwforecast.data.time_axis import weather_steps
from gwforecast.data.understood import ATTRIBUTE
from gwforecast.runs.files import dataset_sha256
from gwforecast.sequences.split import Split

__all__ = ["describe_observations", "join_descriptions", "split_and_outcomes"]


def describe_observations(observations: xr.Dataset) -> dict[str, object]:
    """Return a description of the observations of a run as plain values.

    Parameters
    ----------
    observations : xarray.Dataset
        Dimensions (well, time).

    Returns
    -------
    dict
        ``sha256``, number of ``wells``, ``start``, ``end``, names of ``covariates`` and
        ``attributes``, ``weather_steps``, and ``understood`` where the readers of this package
        read them.
    """
    said = observations.attrs.get(ATTRIBUTE)
    return {
        "sha256": dataset_sha256(observations),
        "wells": observations.sizes[schema.WELL],
        "start": observations[schema.TIME].values[0],
        "end": observations[schema.TIME].values[-1],
        "covariates": schema.covariate_names(observations),
        "attributes": schema.attribute_names(observations),
        "weather_steps": weather_steps(observations),
        **({"understood": json.loads(said)} if said else {}),
    }


def join_descriptions(parts: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """Return the description of the observations of all parts of a run.

    Parameters
    ----------
    parts : sequence of mapping
        At least one, as of :func:`describe_observations` of some wells each, written as JSON.

    Returns
    -------
    dict
        As of :func:`describe_observations`; ``sha256`` is that of the checksums of the parts.

    Examples
    --------
    >>> one = {"sha256": "a", "wells": 2, "start": "2001-01-01", "end": "2009-12-31",
    ...        "covariates": ["rain"], "attributes": [], "weather_steps": {"step": "D"}}
    >>> joined = join_descriptions([one, one | {"wells": 3, "end": "2012-12-31"}])
    >>> joined["wells"], joined["end"], joined["covariates"]
    (5, '2012-12-31', ['rain'])
    """
    sums = "".join(str(part["sha256"]) for part in parts)
    said = [tuple(line) for part in parts for line in part.get("understood", [])]
    return {
        "sha256": hashlib.sha256(sums.encode()).hexdigest(),
        "wells": sum(part["wells"] for part in parts),
        "start": min(part["start"] for part in parts),
        "end": max(part["end"] for part in parts),
        "covariates": list(dict.fromkeys(name for part in parts for name in part["covariates"])),
        "attributes": list(dict.fromkeys(name for part in parts for name in part["attributes"])),
        "weather_steps": parts[0]["weather_steps"],
        **({"understood": list(dict.fromkeys(said))} if said else {}),
    }


def split_and_outcomes(split: Split, outcomes: pd.DataFrame) -> dict[str, object]:
    """Return periods and outcomes as plain values."""
    return {
        "split": split.to_frame().to_dict("records"),
        "outcomes": outcomes.to_dict("records"),
    }
