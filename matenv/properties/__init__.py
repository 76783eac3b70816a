"""Property models: what a composition is predicted to be, as calibrated distributions.

The shipped ``default`` is a student that says in one pass what the shipped ``ensemble`` says in three.
"""

from matenv.properties.distribution import Prediction
from matenv.properties.learned import load_property
from matenv.properties.own import Property
from matenv.properties.predictor import Predictor, load_predictor

__all__ = ["Prediction", "Predictor", "Property", "load_predictor", "load_property"]
