"""scikit-learn: densities, outliers and normal scores of a table, in pipelines and a search."""

import sys

from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rheon import FlowDensity, FlowOutlierDetector, FlowTransformer

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 200
wine, kind = load_wine(return_X_y=True, as_frame=True)

# Outliers, as IsolationForest tells them: -1, and the lower the score the more unusual.
detector = make_pipeline(StandardScaler(), FlowOutlierDetector(steps=steps, random_state=0)).fit(wine)
print("outliers among the wines:", int((detector.predict(wine) == -1).sum()))

# Columns made normal and independent, as QuantileTransformer does for one column at a time.
classify = make_pipeline(FlowTransformer(steps=steps, random_state=0), LogisticRegression(max_iter=500))
print(f"accuracy behind normal scores: {cross_val_score(classify, wine, kind, cv=2).mean():.2f}")

# The mean log-density of rows held out chooses the settings.
search = GridSearchCV(FlowDensity(random_state=0), {"steps": [max(1, steps // 2), steps]}, cv=2).fit(wine)
print("best:", search.best_params_, f"{search.best_score_:.2f} nats in all")
