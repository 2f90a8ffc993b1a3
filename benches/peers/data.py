"""Seeded data sets as CSV and Parquet: `python data.py FOLDER NAME...`; what exists is left alone."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

ROWS = {"higgs1k": 1_000, "higgs100k": 100_000, "higgs1m": 1_000_000, "higgs5m": 5_000_000, "multi": 500_000, "clicks": 1_000_000}
# Distinct values of the categories.
CATEGORIES = [1460, 583, 100_000, 80_000, 305, 24, 12_517, 633, 3, 60_000, 5683, 100_000, 3194, 27, 14_992, 90_000, 10, 5652]
CATEGORIES += [2173, 4, 70_000, 18, 15, 50_000, 105, 40_000]


def dense(rows, rng):
    """28 features from 9 factors, of uneven scale and offset, a quarter of them with a heavy tail; the truth is not linear."""
    model = np.random.default_rng(2024)
    factors, width = 9, 28
    loadings = model.normal(size=(factors, width)) * model.uniform(0.3, 1.0, width) / 2
    noise, scale = model.uniform(0.3, 0.8, width), np.exp(model.uniform(-1.2, 1.2, width))
    offset, weights = model.uniform(-0.5, 1.5, width), model.normal(size=width) / 5
    x, y = np.empty((rows, width), np.float32), np.empty(rows, np.float32)
    for start in range(0, rows, 250_000):
        part = slice(start, min(start + 250_000, rows))
        count = part.stop - part.start
        hidden = rng.normal(size=(count, factors))
        values = hidden @ loadings + rng.normal(size=(count, width)) * noise
        margin = values @ weights + 0.5 * hidden[:, 0] * hidden[:, 1] + 0.1
        y[part] = rng.random(count) < 1 / (1 + np.exp(-margin))
        values[:, ::4] = np.exp(0.6 * values[:, ::4])
        x[part] = (values + offset) * scale
    return {"y": y} | {f"x{j}": x[:, j] for j in range(width)}


def multi(rows, rng):
    """10 classes of three styles each, 64 whole numbers from 0 to 16, as pixels have."""
    model = np.random.default_rng(2025)
    styles = np.clip(model.normal(2, 6, size=(10, 3, 64)), 0, 16)
    classes = rng.integers(0, 10, rows)
    x = styles[classes, rng.integers(0, 3, rows)] + rng.normal(size=(rows, 64)) * 5.5
    x = np.clip(np.rint(x), 0, 16).astype(np.float32)
    changed = rng.random(rows) < 0.03
    classes[changed] = rng.integers(0, 10, changed.sum())
    return {"y": classes.astype(np.float32)} | {f"x{j}": x[:, j] for j in range(64)}


def clicks(rows, rng):
    """13 numbers and 26 categories whose frequencies fall as a power of their rank."""
    model = np.random.default_rng(2026)
    numbers = np.log1p(np.floor(np.exp(rng.normal(model.uniform(0, 2, 13), 1.2, size=(rows, 13))))).astype(np.float32)
    margin = -1.6 + (numbers - 1.2) @ (model.normal(size=13) * 0.12)
    columns = {f"x{j}": numbers[:, j] for j in range(13)}
    for j, distinct in enumerate(CATEGORIES):
        power = 1.05 + 0.06 * (j % 5)
        rank = (rng.random(rows) * ((distinct + 1.0) ** (1 - power) - 1) + 1) ** (1 / (1 - power)) - 1
        rank = np.minimum(rank.astype(np.int64), distinct - 1)
        margin += (model.normal(size=distinct) * 0.35)[rank]
        columns[f"c{j}"] = model.permutation(distinct)[rank].astype(np.int32)
    y = (rng.random(rows) < 1 / (1 + np.exp(-margin))).astype(np.float32)
    return {"y": y} | columns


def make(folder, name):
    kind = {"multi": multi, "clicks": clicks}.get(name, dense)
    for file, rows, seed in [(name, ROWS[name], 1), (f"{name}_test", min(ROWS[name] // 5, 200_000), 2)]:
        parquet = folder / f"{file}.parquet"
        if parquet.exists():
            continue
        table = pa.table(kind(rows, np.random.default_rng(seed)))
        pyarrow.csv.write_csv(table, folder / f"{file}.csv")
        pyarrow.parquet.write_table(table, folder / "part", row_group_size=131_072)
        (folder / "part").rename(parquet)


if __name__ == "__main__":
    for wanted in sys.argv[2:]:
        make(Path(sys.argv[1]), wanted)
