"""Groundwater level forecasting: networks and honest baselines on xarray Datasets.

The public names are listed in the type stub beside this file, ``__init__.pyi``. Each is loaded when
it is first used, so importing the package loads neither TensorFlow nor matplotlib.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, _names, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


def __dir__() -> list[str]:
    return __all__.copy()
