"""From settings to the answer of a question, with its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from gwforecast import schema
from gwforecast.config.load import Settings
from gwforecast.progress import Progress
from gwforecast.questions import explain as explaining
from gwforecast.questions import fill as filling
from gwforecast.questions import projections as climate
from gwforecast.questions import simulation, whatif
from gwforecast.questions import trend as trending
from gwforecast.questions.changes import Change, apply_changes
from gwforecast.questions.files import write_dataset
from gwforecast.runs.inputs import prepare, read_data

__all__ = ["Question", "explain", "extend", "fill", "project", "simulate", "trend", "what_if"]


@dataclass(frozen=True)
class Question:
    """What all questions share.

    Parameters
    ----------
    settings : Settings
        Settings of a configuration.
    folder : pathlib.Path
        Folder of the results.
    blocks : int
        Number of blocks of years.
    defaults : tuple of str
        Models where the settings name none.
    progress : Progress, optional
        Progress callback, called for blocks of years, members and wells.
    """

    settings: Settings
    folder: Path
    blocks: int
    defaults: tuple[str, ...] = simulation.DEFAULT_MODELS
    progress: Progress | None = None

    @property
    def models(self) -> list[str]:
        """Names of the models: those of the settings, or the default ones."""
        chosen = self.settings.models
        return list(chosen.use) if "use" in chosen.given() else list(self.defaults)

    @property
    def figures(self) -> int:
        """Number of wells with figures."""
        return self.settings.output.figures

    def observations(self) -> xr.Dataset:
        """Read and prepare the data."""
        return prepare(read_data(self.settings.data), self.settings)[0]

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the questions of Python that follow from the settings."""
        chosen = self.settings.models
        return {
            "models": self.models,
            "settings": {name: self.settings.of_model(name) for name in self.models},
            "seed": chosen.seed,
            "members": chosen.members,
            "workers": chosen.workers,
            "without_weather": chosen.without_weather,
            "blocks": self.blocks,
            "progress": self.progress,
        }


def fill(question: Question, *, longest: int | None = None) -> filling.Filled:
    """Fill gaps and write the result, see :func:`gwforecast.questions.fill.fill`."""
    filled = filling.fill(question.observations(), longest=longest, **question.arguments())
    filled.write(question.folder, figures=question.figures)
    return filled


def extend(question: Question) -> filling.Filled:
    """Extend records and write the result, see :func:`gwforecast.questions.fill.extend`."""
    extended = filling.extend(question.observations(), **question.arguments())
    extended.write(question.folder, name="extended", figures=question.figures)
    return extended


def simulate(question: Question) -> tuple[whatif.Simulated, Path]:
    """Simulate, and write the result; see :func:`gwforecast.questions.whatif.simulate`."""
    simulated = whatif.simulate(question.observations(), **question.arguments())
    question.folder.mkdir(parents=True, exist_ok=True)
    path = write_dataset(simulated.levels, question.folder / "simulation.nc")
    return simulated, path


def what_if(question: Question, *, changes: Sequence[Change], name: str) -> whatif.WhatIf:
    """Compare a scenario with the reference; see :func:`gwforecast.questions.whatif.whatif`.

    Covariates are changed as they are read, and others derived from them afterwards.
    """
    read = read_data(question.settings.data)
    observations, _ = prepare(read, question.settings)
    scenario, _ = prepare(apply_changes(read, changes), question.settings)
    scenario = scenario.sel({schema.WELL: observations[schema.WELL].values})
    answer = whatif.whatif(observations, scenario, name=name, **question.arguments())
    answer.write(question.folder, figures=question.figures)
    return answer


def explain(question: Question) -> explaining.Explained:
    """Explain levels and write the result, see :func:`gwforecast.questions.explain.explain`."""
    answer = explaining.explain(question.observations(), **question.arguments())
    answer.write(question.folder, figures=question.figures)
    return answer


def trend(question: Question) -> trending.Trends:
    """Test for trends and write the result, see :func:`gwforecast.questions.trend.trend`."""
    answer = trending.trend(question.observations(), **question.arguments())
    answer.write(question.folder, figures=question.figures)
    return answer


def project(
    question: Question,
    *,
    files: Sequence[Path],
    reference: climate.Years,
    periods: Sequence[climate.Years],
) -> climate.Projected:
    """Compare climate projections with their own past, and write the result.

    See :func:`gwforecast.questions.projections.project`.
    """
    observations = question.observations()
    projections = climate.read_projections(list(files), observations)
    answer = climate.project(
        observations, projections, reference=reference, periods=periods, **question.arguments()
    )
    answer.write(question.folder, figures=question.figures)
    return answer
