"""The compiled engine: outputs, gradients and training steps are those of Keras and TensorFlow."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from gwforecast.networks.engines import compiled
from gwforecast.networks.engines.jobs import Data, Job, Recipe, cosine_rates
from gwforecast.networks.gru import GRUArchitecture
from gwforecast.networks.lstm import LSTMArchitecture
from gwforecast.networks.mlp import MLPArchitecture
from gwforecast.networks.parts import Architecture

pytestmark = pytest.mark.skipif(not compiled.is_available(), reason="the kernels are not compiled")

INPUTS, STEPS = 5, 90
PLAIN = {"dropout": 0.0, "noise": 0.0, "l2": 0.0, "outputs": 1, "output_activation": "linear"}
KINDS = {
    "lstm": (LSTMArchitecture, {"activation": "tanh"}),
    "gru": (GRUArchitecture, {"activation": "tanh"}),
    "mlp": (MLPArchitecture, {"activation": "relu"}),
    "mlp of tanh": (MLPArchitecture, {"activation": "tanh"}),
    "mlp of sigmoid": (MLPArchitecture, {"activation": "sigmoid"}),
}


def architecture_of(name: str, units: tuple[int, ...], **settings: object) -> Architecture:
    kind, own = KINDS[name]
    return kind.of(INPUTS, {**PLAIN, **own, "units": units, **settings})


def problem(
    architecture: Architecture,
    *,
    batch: int = 5,
    epochs: int = 3,
    updates: int = 4,
    **recipe: object,
) -> tuple[Architecture, Recipe, Data, Job]:
    """Return a job with gaps in the targets, and windows that reach beyond the data."""
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(1, STEPS, INPUTS)).astype("f4")
    targets = rng.normal(size=(1, STEPS)).astype("f4")
    targets[:, ::4] = np.nan
    held_out = np.where(np.arange(STEPS) > 60, targets, np.nan).astype("f4")
    lookback, steps = (0, 1) if architecture.kind == "mlp" else (9, 7)
    settings = {"weight_decay": 0.0, "clip_norm": 1e9, "patience": epochs, "stops_early": False}
    chosen = Recipe(
        **{"loss": "mse", "optimizer": "adam", **settings, **recipe},
        lookback=lookback,
        targets=steps,
    )
    starts = rng.integers(1 - steps, STEPS, size=(epochs, updates, batch)).astype("i4")
    first = [w + 0.1 * rng.normal(size=w.shape).astype("f4") for w in architecture.first_weights()]
    rates = cosine_rates(0.01, epochs * updates)
    validation = np.arange(60, STEPS, steps, dtype="i4")
    return (
        architecture,
        chosen,
        Data(inputs, targets, held_out),
        Job(0, first, starts, rates, validation, seed=3),
    )


def plain_keras(architecture: Architecture) -> object:
    """Return the network of Keras' own layers."""
    import keras

    same = {"activation": architecture.setting("activation")}
    made = {
        "lstm": lambda units: keras.layers.LSTM(units, return_sequences=True, **same),
        "gru": lambda units: keras.layers.GRU(
            units, return_sequences=True, reset_after=False, **same
        ),
        "mlp": lambda units: keras.layers.Dense(units, **same),
    }[architecture.kind]
    hidden = [made(units) for units in architecture.setting("units")]
    return keras.Sequential([keras.Input((None, INPUTS)), *hidden, keras.layers.Dense(1)])


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    ("units", "batch"), [((4,), 1), ((16,), 4), ((20, 7), 5), ((32,), 8), ((40,), 13)]
)
def test_loss_and_gradients_equal_those_of_keras(
    name: str, units: tuple[int, ...], batch: int
) -> None:
    import tensorflow as tf

    architecture, recipe, data, job = problem(architecture_of(name, units), batch=batch)
    network = plain_keras(architecture)
    network.set_weights(job.weights)
    lookback, steps = recipe.lookback, recipe.targets
    padded = np.pad(data.inputs[0], ((lookback + steps, steps), (0, 0)))
    scored = np.pad(data.targets[0], (steps, steps), constant_values=np.nan)
    starts = job.starts[0, 0][:, None] + steps
    y = scored[starts + np.arange(steps)]
    with tf.GradientTape() as tape:
        outputs = network(padded[starts + np.arange(lookback + steps)])[:, lookback:, 0]
        errors = tf.boolean_mask(outputs - np.nan_to_num(y), np.isfinite(y))
        loss = tf.reduce_mean(tf.square(errors))
    expected = tape.gradient(loss, network.trainable_variables)
    for instructions in compiled.instruction_sets():
        ours, gradients = compiled.loss_and_gradient(
            architecture, recipe, data, job, instructions=instructions
        )
        assert ours == pytest.approx(float(loss), rel=1e-6)
        for one, other in zip(gradients, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5 * max(1.0, np.abs(other).max()))


@pytest.mark.parametrize(("name", "batch"), [("lstm", 5), ("gru", 8), ("mlp", 13)])
def test_training_takes_the_steps_of_tensorflow(name: str, batch: int) -> None:
    from gwforecast.networks import training

    architecture, recipe, data, job = problem(
        architecture_of(name, (20, 8)), batch=batch, weight_decay=0.5, clip_norm=0.05
    )
    (ours,) = compiled.train(architecture, recipe, data, [job])
    (theirs,) = training.train(architecture, recipe, data, [job])
    assert ours.best_epoch == theirs.best_epoch == 3
    np.testing.assert_allclose(ours.loss, theirs.loss, rtol=1e-4)
    np.testing.assert_allclose(ours.validation_loss, theirs.validation_loss, rtol=1e-4)
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize(
    "changed",
    [{"loss": "mae"}, {"loss": "huber"}, {"optimizer": "rmsprop"}, {"optimizer": "sgd"}],
)
def test_losses_and_optimizers_are_those_of_tensorflow(changed: dict[str, str]) -> None:
    from gwforecast.networks import training

    made = problem(architecture_of("mlp", (8,), l2=0.01), **changed)
    (ours,), (theirs,) = (engine.train(*made[:3], [made[3]]) for engine in (compiled, training))
    np.testing.assert_allclose(ours.validation_loss, theirs.validation_loss, rtol=1e-4)
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)


def test_early_stopping_is_that_of_tensorflow() -> None:
    from gwforecast.networks import training

    made = problem(architecture_of("lstm", (8,)), epochs=30, stops_early=True, patience=1)
    (ours,), (theirs,) = (engine.train(*made[:3], [made[3]]) for engine in (compiled, training))
    assert ours.best_epoch == theirs.best_epoch
    assert ours.loss.size == theirs.loss.size < 30
    np.testing.assert_allclose(ours.validation_loss, theirs.validation_loss, rtol=1e-3)


def test_attributes_of_the_well_follow_the_inputs() -> None:
    from gwforecast.networks import training

    architecture, recipe, data, job = problem(architecture_of("lstm", (8,)))
    attributes = np.array([[0.3, -1.0], [2.0, 0.5]], "f4")
    data = replace(data, inputs=data.inputs[..., :3], attributes=attributes, span=40)
    recipe = replace(recipe, attributes=True)
    job = replace(job, starts=np.minimum(job.starts, 79), validation=job.validation[:2])
    (ours,), (theirs,) = (e.train(architecture, recipe, data, [job]) for e in (compiled, training))
    np.testing.assert_allclose(ours.loss, theirs.loss, rtol=1e-4)
    np.testing.assert_allclose(ours.validation_loss, theirs.validation_loss, rtol=1e-4)


def test_without_validation_the_last_weights_are_kept() -> None:
    architecture, recipe, data, job = problem(architecture_of("gru", (8,)))
    job = replace(job, validation=np.zeros(0, "i4"))
    (trained,) = compiled.train(architecture, replace(recipe, stops_early=True), data, [job])
    assert trained.best_epoch == 3
    np.testing.assert_array_equal(trained.validation_loss, [0.0, -1.0, -2.0])


@pytest.mark.parametrize("name", ["lstm", "gru", "mlp"])
def test_workers_and_instruction_sets_do_not_matter(name: str) -> None:
    architecture, recipe, data, job = problem(architecture_of(name, (20,), dropout=0.3, noise=0.2))
    jobs = [replace(job, seed=seed) for seed in range(5)]
    together = compiled.train(architecture, recipe, data, jobs, workers=3)
    for job, one in zip(jobs, together, strict=True):
        for instructions in compiled.instruction_sets():
            (alone,) = compiled.train(architecture, recipe, data, [job], instructions=instructions)
            same = instructions == compiled.instruction_sets()[-1]
            for a, b in zip(alone.weights, one.weights, strict=True):
                np.testing.assert_allclose(a, b, rtol=0, atol=0 if same else 2e-4)
    assert np.ptp([one.loss[0] for one in together]) > 0


def test_noise_and_dropout_have_their_moments() -> None:
    """One step of a linear network that sees noise only: its gradient is known in distribution."""
    architecture = MLPArchitecture.of(
        1, {**PLAIN, "units": (16,), "activation": "linear", "noise": 2.0, "dropout": 0.25}
    )
    rows = 40_000
    data = Data(np.zeros((1, 4, 1), "f4"), np.zeros((1, 4), "f4"), np.zeros((1, 4), "f4"))
    recipe = Recipe("mse", "sgd", 0.0, 1e9, 9, lookback=0, targets=1)
    starts = np.zeros((1, 1, rows), "i4")
    first = [np.ones(s, "f4") * (len(s) > 1) for s in architecture.weight_shapes()]
    job = Job(0, first, starts, np.zeros(1, "f4"), np.zeros(0, "i4"), seed=1)
    loss, gradients = compiled.loss_and_gradient(architecture, recipe, data, job)
    # the output is noise times the number of kept units / 0.75; mean square of the latter: 16 units
    kept = (16 * 0.75) ** 2 + 16 * 0.75 * 0.25
    assert loss == pytest.approx(4.0 * kept / 0.75**2, rel=0.03)
    assert abs(gradients[-1][0]) < 6 * 2 * np.sqrt(loss / rows)
    # gradient by one weight: 2 * noise**2 * kept units * whether it is kept itself, all / 0.75**2
    np.testing.assert_allclose(gradients[0], 2 * loss / 16, rtol=0.05)


def test_other_seeds_draw_other_numbers() -> None:
    made = problem(architecture_of("lstm", (8,), noise=0.5))
    losses = [
        compiled.loss_and_gradient(*made[:3], replace(made[3], seed=seed))[0] for seed in range(50)
    ]
    assert len(set(losses)) == 50


@pytest.mark.parametrize(
    "changed",
    [
        {"activation": "relu"},
        {"outputs": 3},
        {"output_activation": "softmax"},
        {"wells": 2, "embedding": 3},
    ],
)
def test_unusual_networks_are_left_to_keras(changed: dict[str, object]) -> None:
    architecture = architecture_of("lstm", (8,), **changed)
    recipe = Recipe("mse", "adam", 0.0, 1.0, 9, lookback=3, targets=3)
    assert not compiled.supports(architecture, recipe)
    assert compiled.supports(architecture_of("lstm", (8,)), recipe)
    assert not compiled.supports(
        architecture_of("lstm", (8,)), replace(recipe, loss="crossentropy")
    )


@pytest.mark.parametrize("name", list(KINDS))
@pytest.mark.parametrize("units", [(32,), (5, 20)])
@pytest.mark.parametrize("instructions", compiled.instruction_sets())
def test_trained_networks_run_as_in_numpy(name, units, instructions):
    made = architecture_of(name, units)
    rng = np.random.default_rng(4)
    shapes = made.weight_shapes()[:-2]
    weights = [rng.normal(scale=0.3, size=(6, *shape)).astype("f4") for shape in shapes]
    inputs = rng.normal(size=(3, 2, 40, INPUTS)).astype("f4")  # each for two networks
    expected, states = made.run_hidden(weights, np.repeat(inputs, 2, axis=0), None)
    run = partial(compiled.run_hidden, made, instructions=instructions)
    hidden, ended = run(weights, inputs, None)
    np.testing.assert_allclose(hidden, expected, atol=2e-6)
    for received, wanted in zip(ended, states, strict=True):
        np.testing.assert_allclose(received, wanted, atol=2e-6)
    # to the last bit alone and continued from a state, which is not changed
    _, state = run(weights, inputs[:, :, :15], None)
    for _ in range(2):
        later, _ = run(weights, inputs[:, :, 15:], state if made.recurrent else None)
        np.testing.assert_array_equal(later, hidden[:, :, 15:])
    alone, _ = run([w[3:4] for w in weights], inputs[1:2, 1:], None)
    np.testing.assert_array_equal(alone[0, 0], hidden[3, 1])
