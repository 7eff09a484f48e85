"""The forward pass in NumPy is that of Keras, and needs neither Keras nor TensorFlow."""

import subprocess
import sys

import numpy as np
import pytest

from gwforecast.networks.cnn import CNNArchitecture
from gwforecast.networks.gru import GRUArchitecture
from gwforecast.networks.inference import run_networks
from gwforecast.networks.lstm import LSTMArchitecture
from gwforecast.networks.mlp import MLPArchitecture
from gwforecast.networks.parts import Architecture

KINDS = {a.kind: a for a in (LSTMArchitecture, GRUArchitecture, MLPArchitecture, CNNArchitecture)}
SHARED = {
    "activation": "tanh", "dropout": 0.3, "noise": 0.1, "l2": 0.0, "outputs": 1,
    "output_activation": "linear",
}  # fmt: skip


def architecture(kind: str, **settings: object) -> Architecture:
    own: dict[str, object] = {"units": (8,)}
    if kind == "cnn":
        own = {"units": 6, "kernel_size": 3, "lookback": 20}
    return KINDS[kind].of(4, SHARED | own | settings)


CASES = [
    ("lstm", {}),
    ("lstm", {"units": (7, 5), "outputs": 3, "output_activation": "softmax"}),
    ("lstm", {"activation": "relu"}),
    ("gru", {}),
    ("gru", {"units": (7, 5), "activation": "elu"}),
    ("mlp", {"units": (9, 4), "activation": "relu"}),
    ("mlp", {"activation": "gelu"}),
    ("mlp", {"activation": "selu"}),
    ("mlp", {"activation": "silu"}),
    ("mlp", {"activation": "softplus"}),
    ("mlp", {"activation": "sigmoid", "output_activation": "tanh"}),
    ("cnn", {"activation": "relu"}),
    ("cnn", {"kernel_size": 2, "lookback": 40, "outputs": 2}),
]


def trained_like(made: Architecture, networks: int) -> tuple[list, list[np.ndarray]]:
    """Return networks with large random weights, and the same weights on a leading axis."""
    rng = np.random.default_rng(0)
    models = [made.build(seed=seed) for seed in range(networks)]
    for model in models:
        model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    each = [[np.asarray(v) for v in model.trainable_variables] for model in models]
    return models, [np.stack(parts) for parts in zip(*each, strict=True)]


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_outputs_are_those_of_keras(kind: str, settings: dict) -> None:
    made = architecture(kind, **settings)
    models, weights = trained_like(made, 3)
    assert [w.shape[1:] for w in weights] == made.weight_shapes()
    inputs = np.random.default_rng(1).normal(size=(5, 70, 4)).astype(np.float32)
    outputs, _ = run_networks(made, weights, inputs[None])
    assert outputs.dtype == np.float32
    for model, found in zip(models, outputs, strict=True):
        np.testing.assert_allclose(found, np.asarray(model(inputs, training=False)), atol=1e-5)


@pytest.mark.parametrize("kind", ["lstm", "gru", "mlp", "cnn"])
def test_each_network_may_have_inputs_of_its_own(kind: str) -> None:
    made = architecture(kind)
    _, weights = trained_like(made, 2)
    inputs = np.random.default_rng(2).normal(size=(2, 3, 30, 4)).astype(np.float32)
    together, _ = run_networks(made, weights, inputs)
    for number in range(2):
        alone, _ = run_networks(made, [w[[number]] for w in weights], inputs[[number]])
        np.testing.assert_allclose(together[number], alone[0], atol=1e-6)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_run_goes_on_from_its_state(kind: str) -> None:
    made = architecture(kind, units=(6, 5))
    _, weights = trained_like(made, 2)
    inputs = np.random.default_rng(3).normal(size=(1, 1, 40, 4)).astype(np.float32)
    whole, _ = run_networks(made, weights, inputs)
    _, state = run_networks(made, weights, inputs[:, :, :25])
    # one past, several futures
    later = np.repeat(inputs[:, :, 25:], 3, axis=1)
    rest, _ = run_networks(made, weights, later, state=state)
    for future in range(3):
        np.testing.assert_allclose(rest[:, future], whole[:, 0, 25:], atol=1e-5)


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_a_network_without_a_state_refuses_one(kind: str) -> None:
    made = architecture(kind)
    _, weights = trained_like(made, 1)
    with pytest.raises(ValueError, match="A state continues the run of a recurrent network"):
        run_networks(made, weights, np.zeros((1, 1, 3, 4), np.float32), state=[])


def test_weights_of_another_shape_are_refused() -> None:
    made = architecture("lstm")
    _, weights = trained_like(made, 1)
    with pytest.raises(ValueError, match="Received"):
        run_networks(made, weights[:-1], np.zeros((1, 1, 3, 4), np.float32))


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_an_architecture_is_kept_as_plain_json(kind: str, settings: dict) -> None:
    made = architecture(kind, **settings)
    assert type(made).from_dict(made.to_dict()) == made


BROKEN = [
    {"kind": "transformer"},
    {"kind": None},
    {"kind": "gru"},
    {"inputs": 10**9},
    {"inputs": "4"},
    {"settings": {}},
    {"settings": None},
    {"units": [10**7]},
    {"units": []},
    {"units": "8"},
    {"units": [True]},
    {"activation": "os.system"},
    {"output_activation": 3},
    {"outputs": 0},
    {"dropout": "0"},
    {"extra": 1},
]


@pytest.mark.parametrize("change", BROKEN)
def test_a_stored_architecture_out_of_the_closed_list_is_refused(change: dict) -> None:
    stored = architecture("lstm").to_dict()
    inner = {k: v for k, v in change.items() if k not in ("kind", "inputs", "settings")}
    stored |= {k: v for k, v in change.items() if k not in inner}
    if inner:
        stored["settings"] = {**stored["settings"], **inner}
    with pytest.raises(ValueError, match="Train the model again"):
        LSTMArchitecture.from_dict(stored)


def test_it_loads_no_library_for_training() -> None:
    program = """
import sys
import numpy as np
from gwforecast.networks.lstm import LSTMArchitecture
from gwforecast.networks.inference import run_networks
shared = dict(activation="tanh", outputs=1, output_activation="linear", units=(4,))
made = LSTMArchitecture.of(2, shared)
weights = [np.ones((1, *shape), np.float32) for shape in made.weight_shapes()]
run_networks(made, weights, np.ones((1, 1, 3, 2), np.float32))
assert not {"tensorflow", "keras", "matplotlib"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
