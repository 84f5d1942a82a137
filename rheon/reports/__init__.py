"""What a trained model is worth, on one page: verdicts with their numbers, figures, and what was measured."""

from rheon.reports.page import Facts, Page, Picture, Section
from rheon.reports.report import report
from rheon.verdicts import Verdict

__all__ = ["Facts", "Page", "Picture", "Section", "Verdict", "report"]
