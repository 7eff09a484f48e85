"""First weights of networks: those of Keras' initializers, without Keras.

TensorFlow's stateless random numbers are those of the counter-based generator Philox (Salmon et al.
2011, doi:10.1145/2063384.2063405), which is a few lines of NumPy. With the same seed, uniform
weights are those of Keras to the last bit, normal and orthogonal ones to rounding, so that a fit
need not wait seconds for the import of TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["glorot_uniform", "normal", "orthogonal"]

ROUNDS = 10
MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], np.uint64)
WEYL = np.array([0x9E3779B9, 0xBB67AE85], np.uint32)
SCRAMBLE = np.array([0x3EC8F720, 0x02461E29], np.uint32)  # key by which TensorFlow mixes a seed
LARGEST_SEED = 2**31 - 2
LOW = np.uint64(0xFFFFFFFF)


def glorot_uniform(shape: Sequence[int], seed: int) -> np.ndarray:
    """Return the weights of ``keras.initializers.GlorotUniform(seed)``, float32.

    Glorot and Bengio (2010), https://proceedings.mlr.press/v9/glorot10a.html.
    """
    field = math.prod(shape[:-2])  # steps of a convolution
    scale = 1.0 / max(1.0, field * (shape[-2] + shape[-1]) / 2.0)
    limit = np.float32(math.sqrt(3.0 * scale))
    uniform = _unit(_random_bits(math.prod(shape), seed))
    return (uniform * (limit - -limit) + -limit).reshape(shape)


def normal(shape: Sequence[int], seed: int, *, deviation: float = 1.0) -> np.ndarray:
    """Return the weights of ``keras.initializers.RandomNormal(0.0, deviation, seed)``, float32."""
    count = math.prod(shape)
    pairs = _random_bits(count + count % 2, seed).reshape(-1, 2)
    first = np.maximum(_unit(pairs[:, 0]), np.float32(1e-7))
    angle = np.float32(2 * math.pi) * _unit(pairs[:, 1])
    radius = np.sqrt(np.float32(-2.0) * np.log(first))
    values = np.stack([np.sin(angle) * radius, np.cos(angle) * radius], axis=1).ravel()
    return (np.float32(deviation) * values[:count]).reshape(shape)


def orthogonal(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Return the weights of ``keras.initializers.Orthogonal(seed=seed)``, float32.

    Saxe et al. (2014), arXiv:1312.6120.
    """
    rows, columns = shape
    q, r = np.linalg.qr(normal((max(shape), min(shape)), seed))
    q = q * np.sign(np.diagonal(r))
    return np.ascontiguousarray(q.T if rows < columns else q, np.float32)


def _random_bits(count: int, seed: int) -> np.ndarray:
    """Return the numbers of ``tf.random.stateless_*`` with the seed [seed, 0], uint32."""
    first = np.array([[(seed & 0xFFFFFFFF) % LARGEST_SEED, 0, 0, 0]], np.uint32)
    mixed = _philox(first, SCRAMBLE)[0]
    blocks = -(-count // 4)
    counter = np.zeros((blocks, 4), np.uint32)
    counter[:, 0] = np.arange(blocks)  # fewer than 2**32 blocks: the next word stays 0
    counter[:, 2:] = mixed[2:]
    return _philox(counter, mixed[:2]).ravel()[:count]


def _philox(counter: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Return the blocks of four numbers that belong to counters (block, 4), uint32."""
    block, key = counter.copy(), key.copy()
    for _ in range(ROUNDS):
        products = block[:, [0, 2]].astype(np.uint64) * MULTIPLIERS
        high, low = (products >> np.uint64(32)).astype("u4"), (products & LOW).astype("u4")
        block = np.stack(
            [high[:, 1] ^ block[:, 1] ^ key[0], low[:, 1],
             high[:, 0] ^ block[:, 3] ^ key[1], low[:, 0]], axis=1
        )  # fmt: skip
        key = key + WEYL  # modulo 2**32
    return block


def _unit(bits: np.ndarray) -> np.ndarray:
    """Return numbers from 0 to below 1 from the lowest 23 bits."""
    fraction = (bits & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)
    return np.asarray(fraction.view(np.float32) - np.float32(1.0))
