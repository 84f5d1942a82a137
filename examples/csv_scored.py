"""A CSV table: learn it, score new rows, find the odd ones, draw rows like it."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv

import rheon

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 600
path = sys.argv[2] if len(sys.argv) > 2 else "clinic.csv"

# Without a table of your own: patients with numbers, categories, dates and missing values, made by code.
if path == "clinic.csv":
    pyarrow.csv.write_csv(pa.table(dict(rheon.datasets.clinic(600))), path)

table = rheon.tables.read_table(path)
for column in rheon.tables.guess(table.data).columns:
    print(f"{column.name:<12}{column.kind}")

learn, test = rheon.datasets.random_split(len(table), 0.2, seed=0)
model = rheon.TableDensity().fit(table.take(learn), steps=steps)
scores = model.log_prob(table.take(test))
print(f"{scores.mean():.2f} nats a row, over {len(test)} rows that it did not learn from")

print("the oddest rows, by their number in the file:")
for i in np.argsort(scores)[:5]:
    print(f"  row {test[i] + 1}: {scores[i]:.1f}")

rheon.tables.write_table("new.csv", model.sample_table(100, seed=0))
print("100 new rows, with the columns' own types, are in new.csv")
