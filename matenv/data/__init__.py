"""Datasets: the embedded tables, user tables, frozen splits and provenance."""

from matenv.data.dataset import Dataset, Split
from matenv.data.embedded import load_dataset
from matenv.data.report import TableReport
from matenv.data.schemes import Conversion, fit_conversion
from matenv.data.table import Table, read_table

__all__ = [
    "Conversion",
    "Dataset",
    "Split",
    "Table",
    "TableReport",
    "fit_conversion",
    "load_dataset",
    "read_table",
]
