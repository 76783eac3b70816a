"""Property models: what a composition is predicted to be, as calibrated distributions.

May import: `matenv.composition`, `matenv.data`, `matenv.elements`.
"""

from matenv.properties.distribution import Prediction
from matenv.properties.predictor import Predictor, load_predictor

__all__ = ["Prediction", "Predictor", "load_predictor"]
