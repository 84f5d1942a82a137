"""How far drawn rows are from real ones: column by column, pair by pair, and for a classifier.

Rows come as columns by name, name → (N,). Numbers (a missing one is NaN) are compared as numbers. Everything
else is taken for categories, with None and NaN for a category of their own.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rheon.errors import DataError

Columns = Mapping[str, NDArray[Any]]


def ks_by_column(real: Columns, drawn: Columns) -> dict[str, float]:
    """max |F_real - F_drawn| of each column: 0 for the same distribution, 1 where nothing overlaps.

    Categories stand in the order of their frequency among real rows; missing numbers count as
    larger than all others.

    Reference: Kolmogorov, *Sulla determinazione empirica di una legge di distribuzione*, 1933.

    >>> ks_by_column({"a": np.arange(4.0)}, {"a": np.array([0.0, 1.0, 2.0, 9.0])})
    {'a': 0.25}
    """
    _check(real, drawn)
    return {name: _ks(*_as_numbers(real[name], drawn[name])) for name in real}


def two_sample_auc(real: Columns, drawn: Columns, seed: int = 0, most: int = 10_000) -> dict[str, float]:
    """How well classifiers tell drawn from real rows: area under the ROC curve, 0.5 where they cannot.

    Logistic regression sees means of standardised columns and indicators of categories; gradient boosting
    sees nearly everything that a table shows. Both are scored on rows that they were not fitted on (two
    folds, of ``most`` rows of each kind at most).

    Reference: Lopez-Paz, Oquab, *Revisiting Classifier Two-Sample Tests*, 2017, arXiv:1610.06545.

    >>> x = np.random.default_rng(0).normal(size=(2, 400))
    >>> auc = two_sample_auc({"a": x[0]}, {"a": x[1] + 3.0})
    >>> sorted(auc), auc["boosting"] > 0.95
    (['boosting', 'logistic'], True)
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    _check(real, drawn)
    rng = np.random.default_rng(seed)
    few = min(most, *(len(next(iter(part.values()))) for part in (real, drawn)))
    if few < 10:
        raise DataError(f"two_sample_auc: {few} rows of a kind tell too little; give at least 10.")
    chosen = [rng.permutation(len(next(iter(part.values()))))[:few] for part in (real, drawn)]
    pairs = [_as_numbers(real[name][chosen[0]], drawn[name][chosen[1]]) for name in real]
    wide = [_features(name, real, drawn, chosen) for name in real]
    y = np.repeat([0, 1], few)
    folds = StratifiedKFold(2, shuffle=True, random_state=seed)

    def auc(model: Any, x: NDArray[np.float64]) -> float:
        probability = cross_val_predict(model, x, y, cv=folds, method="predict_proba")[:, 1]
        return float(roc_auc_score(y, probability))

    narrow = np.column_stack([np.concatenate(pair) for pair in pairs])
    return {
        "logistic": auc(LogisticRegression(max_iter=1000), np.column_stack(wide)),
        "boosting": auc(HistGradientBoostingClassifier(max_iter=100, random_state=seed), narrow),
    }


def correlations(columns: Columns) -> tuple[list[str], NDArray[np.float64]]:
    """Spearman's rank correlation of the columns of numbers: their names (D,), and the matrix (D, D).

    Missing numbers are left out pair by pair; a column that does not vary has correlation 0 with all others.

    Reference: Spearman, *The proof and measurement of association between two things*, 1904.

    >>> correlations({"a": np.arange(9.0), "b": -(np.arange(9.0) ** 3), "c": np.array(list("xyzxyzxyz"))})[1]
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    from scipy.stats import rankdata

    names = [name for name, values in columns.items() if _is_number(values)]
    x = {name: np.asarray(columns[name], float) for name in names}
    matrix = np.eye(len(names))
    for i, a in enumerate(names):
        for j, b in enumerate(names[:i]):
            both = ~(np.isnan(x[a]) | np.isnan(x[b]))
            ranks = [rankdata(x[name][both]) for name in (a, b)]
            if both.sum() > 1 and all(rank.std() > 0 for rank in ranks):
                matrix[i, j] = matrix[j, i] = np.corrcoef(*ranks)[0, 1]
            else:
                matrix[i, j] = matrix[j, i] = 0.0
    return names, matrix


def _check(real: Columns, drawn: Columns) -> None:
    if list(real) != list(drawn) or not real:
        raise DataError(
            f"real and drawn rows must have the same columns, got {list(real)[:8]} and {list(drawn)[:8]}."
        )
    if any(len(values) == 0 for part in (real, drawn) for values in part.values()):
        raise DataError("real and drawn rows must be at least one each.")


def _is_number(values: NDArray[Any]) -> bool:
    return np.asarray(values).dtype.kind in "iuf"


def _as_numbers(real: NDArray[Any], drawn: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as numbers: categories by their place in the order of frequency among real rows."""
    if _is_number(real) and _is_number(drawn):
        return np.asarray(real, float), np.asarray(drawn, float)
    a, b = _texts(real), _texts(drawn)
    levels, counts = np.unique(a, return_counts=True)
    order = list(levels[np.argsort(-counts, kind="stable")])
    place = {level: i for i, level in enumerate([*order, *sorted(set(b) - set(order))])}
    return np.array([place[v] for v in a], float), np.array([place[v] for v in b], float)


def _texts(values: NDArray[Any]) -> NDArray[np.str_]:
    missing = "\x00"  # a name that no category has
    return np.array([missing if v is None or v != v else str(v) for v in np.asarray(values).tolist()])


def _ks(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    a, b = (np.sort(np.where(np.isnan(part), np.inf, part)) for part in (a, b))
    at = np.unique(np.concatenate((a, b)))
    gaps = [np.searchsorted(part, at, side="right") / len(part) for part in (a, b)]
    return float(np.abs(gaps[0] - gaps[1]).max())


def _features(name: str, real: Columns, drawn: Columns, chosen: list[Any]) -> NDArray[np.float64]:
    """What a linear model can see of a column: its standardised value, or an indicator of each category."""
    a, b = real[name][chosen[0]], drawn[name][chosen[1]]
    if _is_number(a) and _is_number(b):
        x = np.concatenate((np.asarray(a, float), np.asarray(b, float)))
        missing = np.isnan(x)
        x = np.where(missing, np.nanmean(x) if not missing.all() else 0.0, x)
        spread = x.std()
        return np.column_stack(((x - x.mean()) / (spread if spread > 0 else 1.0), missing))
    both = np.concatenate(_as_numbers(a, b)).astype(int)
    return np.eye(min(both.max() + 1, 51))[np.minimum(both, 50)]
