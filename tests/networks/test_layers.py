"""The fused layers are Keras' own: outputs, gradients, weights, fit, config."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gwforecast.networks.layers import FusedGRU, FusedLSTM


def pair(units: int = 5, **settings: object) -> tuple[FusedLSTM, keras.layers.LSTM]:
    fused = FusedLSTM(units, fused=True, **settings)
    plain = keras.layers.LSTM(units, **settings)
    for layer in (fused, plain):
        layer.build((None, None, 3))
    rng = np.random.default_rng(1)
    plain.set_weights([rng.normal(size=w.shape) for w in plain.get_weights()])
    fused.set_weights(plain.get_weights())
    return fused, plain


def inputs(steps: int = 17) -> tf.Tensor:
    return tf.constant(np.random.default_rng(2).normal(size=(4, steps, 3)), tf.float32)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("return_sequences", [True, False])
@pytest.mark.parametrize("steps", [1, 17])
def test_outputs_equal_those_of_keras(training: bool, return_sequences: bool, steps: int) -> None:
    fused, plain = pair(return_sequences=return_sequences)
    ours, theirs = (layer(inputs(steps), training=training) for layer in (fused, plain))
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("steps", [1, 4, 6, 17])
def test_gradients_equal_those_of_keras(training: bool, steps: int) -> None:
    gradients = []
    for layer in pair(return_sequences=True):
        x = inputs(steps)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.sin(layer(x, training=training)))
        gradients.append(tape.gradient(loss, [x, *(v.value for v in layer.trainable_variables)]))
    for ours, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5)


def test_gradients_equal_finite_differences() -> None:
    fused, _ = pair(units=3, return_sequences=True)
    x = inputs(9)

    def loss() -> tf.Tensor:
        return tf.reduce_sum(tf.sin(fused(x, training=True)))

    with tf.GradientTape() as tape:
        value = loss()
    gradient = tape.gradient(value, fused.cell.recurrent_kernel.value).numpy()
    weights = fused.get_weights()
    for index in [(0, 0), (1, 4), (2, 8), (0, 11)]:
        shifted = []
        for sign in (1, -1):
            moved = [w.copy() for w in weights]
            moved[1][index] += sign * 1e-2
            fused.set_weights(moved)
            shifted.append(float(loss()))
        fused.set_weights(weights)
        assert gradient[index] == pytest.approx(
            (shifted[0] - shifted[1]) / 2e-2, rel=0.02, abs=2e-3
        )


def test_model_fit_trains_as_with_keras() -> None:
    losses = []
    for kind in (FusedLSTM, keras.layers.LSTM):
        model = keras.Sequential(
            [
                keras.Input((None, 3)),
                kind(
                    4,
                    return_sequences=True,
                    kernel_initializer=keras.initializers.GlorotUniform(1),
                    recurrent_initializer=keras.initializers.Orthogonal(seed=2),
                ),
                keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(3)),
            ]
        )
        model.compile(optimizer="adam", loss="mse")
        x = inputs().numpy()
        history = model.fit(x, x[:, :, :1], epochs=4, verbose=0, shuffle=False)
        losses.append(history.history["loss"])
    assert losses[0][-1] < losses[0][0]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


def test_config_rebuilds_the_layer() -> None:
    fused, _ = pair(return_sequences=True)
    again = FusedLSTM.from_config(fused.get_config())
    again.build((None, None, 3))
    again.set_weights(fused.get_weights())
    assert again.fused is True
    np.testing.assert_array_equal(again(inputs()), fused(inputs()))


@pytest.mark.parametrize(
    "settings",
    [{"activation": "relu"}, {"use_bias": False}, {"go_backwards": True}, {"return_state": True}],
)
def test_what_the_kernel_cannot_do_takes_the_path_of_keras(settings: dict[str, object]) -> None:
    fused = FusedLSTM(4, return_sequences=True, **settings)
    plain = keras.layers.LSTM(4, return_sequences=True, **settings)
    for layer in (fused, plain):
        layer.build((None, None, 3))
    fused.set_weights(plain.get_weights())
    ours, theirs = (tf.nest.flatten(layer(inputs())) for layer in (fused, plain))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_initial_state_and_mask_take_the_path_of_keras() -> None:
    fused, plain = pair(return_sequences=True)
    state = [tf.ones((4, 5)), tf.ones((4, 5))]
    mask = tf.constant(np.arange(17) < 11)[None] & tf.ones((4, 1), tf.bool)
    np.testing.assert_allclose(
        fused(inputs(), initial_state=state), plain(inputs(), initial_state=state), atol=1e-6
    )
    np.testing.assert_allclose(fused(inputs(), mask=mask), plain(inputs(), mask=mask), atol=1e-6)


def gru_pair(**settings: object) -> tuple[FusedGRU, keras.layers.GRU]:
    fused = FusedGRU(5, fused=True, reset_after=False, **settings)
    plain = keras.layers.GRU(5, reset_after=False, **settings)
    for layer in (fused, plain):
        layer.build((None, None, 3))
    rng = np.random.default_rng(1)
    plain.set_weights([rng.normal(size=w.shape) for w in plain.get_weights()])
    fused.set_weights(plain.get_weights())
    return fused, plain


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("return_sequences", [True, False])
@pytest.mark.parametrize("steps", [1, 17])
def test_outputs_of_a_gru_equal_those_of_keras(
    training: bool, return_sequences: bool, steps: int
) -> None:
    fused, plain = gru_pair(return_sequences=return_sequences)
    ours, theirs = (layer(inputs(steps), training=training) for layer in (fused, plain))
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("steps", [1, 6])
def test_gradients_of_a_gru_equal_those_of_keras(training: bool, steps: int) -> None:
    gradients = []
    for layer in gru_pair(return_sequences=True):
        x = inputs(steps)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.sin(layer(x, training=training)))
        gradients.append(tape.gradient(loss, [x, *(v.value for v in layer.trainable_variables)]))
    for ours, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5)


def test_model_fit_trains_a_gru_as_with_keras() -> None:
    losses = []
    for kind in (FusedGRU, keras.layers.GRU):
        first = {
            "kernel_initializer": keras.initializers.GlorotUniform(1),
            "recurrent_initializer": keras.initializers.Orthogonal(seed=2),
        }
        model = keras.Sequential(
            [
                keras.Input((None, 3)),
                kind(4, return_sequences=True, reset_after=False, **first),
                keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(3)),
            ]
        )
        model.compile(optimizer="adam", loss="mse")
        x = inputs().numpy()
        history = model.fit(x, x[:, :, :1], epochs=4, verbose=0, shuffle=False)
        losses.append(history.history["loss"])
    assert losses[0][-1] < losses[0][0]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


@pytest.mark.parametrize(
    "settings",
    [{"reset_after": True}, {"activation": "relu"}, {"use_bias": False}, {"return_state": True}],
)
def test_an_unusual_gru_takes_the_path_of_keras(settings: dict[str, object]) -> None:
    settings = {"reset_after": False, "return_sequences": True, **settings}
    fused, plain = FusedGRU(4, fused=True, **settings), keras.layers.GRU(4, **settings)
    for layer in (fused, plain):
        layer.build((None, None, 3))
    fused.set_weights(plain.get_weights())
    ours, theirs = (tf.nest.flatten(layer(inputs())) for layer in (fused, plain))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_config_rebuilds_a_gru() -> None:
    fused, _ = gru_pair(return_sequences=True)
    again = FusedGRU.from_config(fused.get_config())
    again.build((None, None, 3))
    again.set_weights(fused.get_weights())
    assert again.fused is True
    np.testing.assert_array_equal(again(inputs()), fused(inputs()))
