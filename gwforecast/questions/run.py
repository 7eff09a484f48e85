"""From settings to the answer of a question, with its files."""

from __future__ import annotations

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
from gwforecast.questions.changes import Change, apply_changes, parse_change
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
    named : str
        Folder of the results where the settings name none.
    defaults : tuple of str
        Models where the settings name none.
    progress : Progress, optional
        Progress callback, called for blocks of years, members and wells.
    """

    settings: Settings
    named: str
    defaults: tuple[str, ...] = simulation.DEFAULT_MODELS
    progress: Progress | None = None

    @property
    def folder(self) -> Path:
        """Folder of the results."""
        return self.settings.questions.folder or Path(self.named)

    @property
    def figures(self) -> int:
        """Number of wells with figures."""
        return self.settings.output.figures

    @property
    def changes(self) -> list[Change]:
        """Changes of covariates."""
        return [parse_change(text) for text in self.settings.questions.changes]

    def observations(self) -> xr.Dataset:
        """Read and prepare the data."""
        return prepare(read_data(self.settings.data), self.settings)[0]

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the questions of Python that follow from the settings."""
        chosen = self.settings.models
        models = list(chosen.use if "use" in chosen.given() else self.defaults)
        return {
            "models": models,
            "settings": {name: self.settings.of_model(name) for name in models},
            "seed": chosen.seed,
            "members": chosen.members,
            "workers": chosen.workers,
            "without_weather": chosen.without_weather,
            "blocks": self.settings.questions.blocks,
            "progress": self.progress,
        }


def fill(question: Question) -> filling.Filled:
    """Fill gaps and write the result, see :func:`gwforecast.questions.fill.fill`."""
    longest = question.settings.questions.longest
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


def what_if(question: Question) -> whatif.WhatIf:
    """Compare a scenario with the reference; see :func:`gwforecast.questions.whatif.whatif`.

    Covariates are changed as they are read, and others derived from them afterwards.
    """
    read = read_data(question.settings.data)
    observations, _ = prepare(read, question.settings)
    scenario, _ = prepare(apply_changes(read, question.changes), question.settings)
    scenario = scenario.sel({schema.WELL: observations[schema.WELL].values})
    name = question.settings.questions.name
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


def project(question: Question) -> climate.Projected:
    """Compare climate projections with their own past, and write the result.

    See :func:`gwforecast.questions.projections.project`.
    """
    chosen = question.settings.questions
    observations = question.observations()
    answer = climate.project(
        observations,
        climate.read_projections(chosen.projections, observations),
        reference=_years(chosen.reference),
        periods=[_years(one) for one in chosen.periods],
        **question.arguments(),
    )
    answer.write(question.folder, figures=question.figures)
    return answer


def _years(text: str) -> climate.Years:
    first, _, last = text.partition("-")
    return int(first), int(last)
