"""Networks are plain, causal Keras models that are rebuilt from what names them."""

import keras
import numpy as np
import pytest

from gwforecast.networks.cnn import CNNArchitecture
from gwforecast.networks.gru import GRUArchitecture
from gwforecast.networks.lstm import LSTMArchitecture
from gwforecast.networks.mlp import MLPArchitecture
from gwforecast.networks.parts import Architecture

SETTINGS: dict[type[Architecture], dict[str, object]] = {
    LSTMArchitecture: {"units": (4, 3), "activation": "tanh"},
    GRUArchitecture: {"units": (4,), "activation": "tanh"},
    CNNArchitecture: {"lookback": 20, "units": 4, "kernel_size": 3, "activation": "relu"},
    MLPArchitecture: {"units": (5,), "activation": "relu"},
}
every_network = pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.kind)


def architecture(kind: type[Architecture], **more: object) -> Architecture:
    return kind.of(3, {**SETTINGS[kind], **more})


@every_network
def test_a_network_looks_at_no_later_step(kind: type[Architecture]) -> None:
    network = architecture(kind).build(seed=1)
    x = np.random.default_rng(0).normal(size=(2, 30, 3)).astype("float32")
    changed = x.copy()
    changed[:, 20:] = 1e3
    np.testing.assert_array_equal(network(x)[:, :20], network(changed)[:, :20])
    assert network(x).shape == (2, 30, 1)


@every_network
def test_seeds_give_first_weights(kind: type[Architecture]) -> None:
    first, again, other = (architecture(kind).build(seed=s).get_weights() for s in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


@every_network
def test_the_head_gives_classes(kind: type[Architecture]) -> None:
    network = architecture(kind, outputs=3, output_activation="softmax").build()
    x = np.random.default_rng(0).normal(size=(2, 9, 3)).astype("float32")
    np.testing.assert_allclose(np.sum(network(x), axis=-1), 1.0, rtol=1e-5)


def test_dropout_is_the_same_at_all_steps_of_a_sequence() -> None:
    network = architecture(LSTMArchitecture, units=(50,), dropout=0.5).build()
    dropout = next(layer for layer in network.layers if isinstance(layer, keras.layers.Dropout))
    dropped = np.asarray(dropout(np.ones((2, 7, 50), "float32"), training=True)) == 0
    assert (dropped == dropped[:, :1]).all()
    assert 0.2 < dropped.mean() < 0.8


def test_l2_penalises_kernels() -> None:
    network = architecture(MLPArchitecture, units=(4,), l2=0.5).build()
    kernels = [w for w in network.get_weights() if w.ndim == 2]
    expected = 0.5 * sum(float((k**2).sum()) for k in kernels)
    assert float(sum(network.losses)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("lookback", [1, 5, 52, 365])
def test_the_cnn_sees_the_lookback(lookback: int) -> None:
    network = CNNArchitecture.of(
        1, {"lookback": lookback, "units": 2, "kernel_size": 3, "activation": "linear"}
    ).build()
    x = np.zeros((1, lookback + 3, 1), "float32")
    changed = x.copy()
    changed[0, 3] = 1.0  # lookback - 1 steps before the last
    assert float(abs(network(changed)[0, -1, 0] - network(x)[0, -1, 0])) > 0


@every_network
def test_keras_fits_the_network(kind: type[Architecture]) -> None:
    network = architecture(kind).build()
    network.compile(optimizer="adam", loss="mse")
    x = np.random.default_rng(0).normal(size=(8, 12, 3)).astype("float32")
    history = network.fit(x, x[..., :1] * 0.5, epochs=5, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
