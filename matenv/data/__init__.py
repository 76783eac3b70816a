"""Datasets: the embedded tables, user tables, frozen splits and provenance."""

from matenv.data.dataset import Dataset, Split
from matenv.data.embedded import load_dataset

__all__ = ["Dataset", "Split", "load_dataset"]
