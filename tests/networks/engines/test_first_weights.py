"""First weights are those of Keras' initializers."""

from __future__ import annotations

import numpy as np
import pytest

from gwforecast.networks.cnn import CNNArchitecture
from gwforecast.networks.gru import GRUArchitecture
from gwforecast.networks.lstm import LSTMArchitecture
from gwforecast.networks.mlp import MLPArchitecture
from gwforecast.networks.parts import glorot_uniform, normal, orthogonal

SHARED = {"dropout": 0.1, "noise": 0.1, "l2": 0.0, "outputs": 2, "output_activation": "linear"}
VECTORS = {"wells": 7, "embedding": 3}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (LSTMArchitecture, {"units": (8, 5), "activation": "tanh"}),
        (LSTMArchitecture, {"units": (33,), "activation": "tanh", **VECTORS}),
        (GRUArchitecture, {"units": (8, 5), "activation": "tanh"}),
        (MLPArchitecture, {"units": (8, 5), "activation": "relu"}),
        (MLPArchitecture, {"units": (4,), "activation": "relu", **VECTORS}),
        (
            CNNArchitecture,
            {"units": 6, "activation": "relu", "kernel_size": 3, "lookback": 30},
        ),
    ],
)
@pytest.mark.parametrize("seed", [0, 1, 123_456])
def test_they_equal_those_of_the_keras_model(
    kind: type, settings: dict[str, object], seed: int
) -> None:
    architecture = kind.of(4, {**SHARED, **settings})
    ours = architecture.first_weights(seed=seed)
    theirs = architecture.build(seed=seed).get_weights()
    assert [w.shape for w in ours] == architecture.weight_shapes()
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, atol=2e-6)


@pytest.mark.parametrize("seed", [0, 7, 2**31 + 5])
def test_uniform_weights_are_the_same_bits(seed: int) -> None:
    import keras

    for shape in [(3, 5), (11, 128), (3, 4, 6)]:
        theirs = np.asarray(keras.initializers.GlorotUniform(seed)(shape))
        np.testing.assert_array_equal(glorot_uniform(shape, seed), theirs)


@pytest.mark.parametrize("shape", [(4, 16), (9, 3), (6, 6)])
def test_orthogonal_weights_are_orthogonal(shape: tuple[int, int]) -> None:
    w = orthogonal(shape, 5)
    product = w @ w.T if shape[0] < shape[1] else w.T @ w
    np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-6)


def test_normal_weights_have_their_moments() -> None:
    values = normal((300, 301), 2, deviation=0.1)
    assert abs(values.mean()) < 0.001
    assert values.std() == pytest.approx(0.1, rel=0.01)
    assert values.shape == (300, 301)
