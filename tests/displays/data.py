"""Data and parameters shared by the tests of the displays."""

import numpy as np
import pandas as pd

from ..cases import color_images, gray_images, low_rank

QUICK = {"max_iter": 2, "random_state": 0}
GRAY = gray_images(40, 6, 5)
COLOR = color_images(40, 6, 5, dtype=np.uint8)
TABLE = pd.DataFrame(low_rank(60, 8), columns=[f"column {i}" for i in range(8)])
SIGNALS = low_rank(40, 50)
CHANNELS = gray_images(40, 30, 2) * [1000, 0.01]
