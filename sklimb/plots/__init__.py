"""Pictures of fitted classifiers, as scikit-learn's Displays (extra `plot`)."""

from sklimb.plots._class_report import ClassReportDisplay
from sklimb.plots._embedding import EmbeddingDisplay
from sklimb.plots._gain import GainDisplay
from sklimb.plots._history import HistoryDisplay
from sklimb.plots._input_report import InputReportDisplay
from sklimb.plots._landscape import LandscapeDisplay
from sklimb.plots._reasons import ReasonsDisplay
from sklimb.plots._search import SearchDisplay
from sklimb.plots._spectrum import SpectrumDisplay
from sklimb.plots._thresholds import ThresholdDisplay

__all__ = [
    "ClassReportDisplay",
    "EmbeddingDisplay",
    "GainDisplay",
    "HistoryDisplay",
    "InputReportDisplay",
    "LandscapeDisplay",
    "ReasonsDisplay",
    "SearchDisplay",
    "SpectrumDisplay",
    "ThresholdDisplay",
]
