"""Small tables that need no download: three that scikit-learn carries, and one of mixed columns.

Reference:
    M. Forina and others, PARVUS, 1991, UCI Machine Learning Repository (wine); W. Street, W. Wolberg,
    O. Mangasarian, *Nuclear feature extraction for breast tumor diagnosis*, 1993 (breast_cancer); B. Efron,
    T. Hastie, I. Johnstone, R. Tibshirani, *Least Angle Regression*, 2004,
    doi:10.1214/009053604000000067 (diabetes).
"""

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np

Columns = dict[str, Any]
"""Name → values of all rows: arrays, or lists in which None stands for a missing value."""


def load_table(name: str) -> Columns:
    """A table by its name in :data:`TABLES`.

    >>> columns = load_table("wine")
    >>> len(columns), len(columns["alcohol"])
    (14, 178)
    """
    return TABLES[name]()


def _of_sklearn(name: str) -> Columns:
    from sklearn import datasets  # loaded when used: it is the slowest import of all that reads data

    bunch = getattr(datasets, f"load_{name}")()
    columns = dict(zip(map(str, bunch.feature_names), bunch.data.T, strict=True))
    names = getattr(bunch, "target_names", None)
    if names is None:
        return {**columns, "target": bunch.target}
    return {**columns, "target": [str(names[i]) for i in bunch.target]}


def clinic(n: int = 1200, seed: int = 0) -> Columns:
    """Visits to a clinic that is not: every kind of column, and missing values, drawn by a seed.

    Whoever smokes coughs more and pays more; a measure is missing more often where it is bad; half of the
    visits cost nothing, and none costs more than 300.
    """
    draws = np.random.default_rng(seed)
    sex = draws.choice(["female", "male"], n, p=[0.55, 0.45])
    site = draws.choice(["north", "south", "harbour", "hill"], n, p=[0.4, 0.3, 0.2, 0.1])
    age = np.clip(draws.gamma(9, 5, n), 18, 95).astype(int)
    smokes = draws.random(n) < np.where(site == "harbour", 0.45, 0.2)
    height = np.where(sex == "male", 178, 165) + draws.normal(0, 7, n)
    weight = 22 * (height / 100) ** 2 * np.exp(draws.normal(0, 0.15, n))
    coughs = draws.poisson(np.where(smokes, 4.0, 1.0))
    pressure = 100 + 0.5 * age + 0.2 * weight + draws.normal(0, 8, n)
    cost = np.minimum(draws.gamma(2, 40 + 30 * smokes + age, n), 300)
    cost[draws.random(n) < 0.5] = 0
    days = draws.integers(0, 1400, n)
    first = datetime.date(2021, 1, 4)

    def holed(values: np.ndarray, share: Any) -> list[Any]:
        gone = draws.random(n) < share
        return [None if hole else value for value, hole in zip(values.tolist(), gone, strict=True)]

    return {
        "sex": sex,
        "site": site,
        "age": age,
        "smokes": holed(smokes, 0.05),
        "height_cm": holed(height.round(1), 0.02),
        "weight_kg": weight.round(1),
        "coughs": coughs,
        "pressure": holed(pressure.round(0), np.where(pressure > 150, 0.3, 0.05)),
        "cost": cost.round(2),
        "visited": [first + datetime.timedelta(int(day)) for day in days],
    }


TABLES: dict[str, Callable[[], Columns]] = {
    "wine": lambda: _of_sklearn("wine"),
    "breast_cancer": lambda: _of_sklearn("breast_cancer"),
    "diabetes": lambda: _of_sklearn("diabetes"),
    "clinic": clinic,
}
"""Name → a function that gives the columns."""
