"""Engines that train networks: compiled kernels of this package, and TensorFlow through Keras."""
