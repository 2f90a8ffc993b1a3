"""What all are judged by: mean log-loss + λ/2·‖w‖² in doubles, over the rows of a Parquet file."""

import numpy as np
import pyarrow.parquet

CHUNK = 200_000


def columns_of(names):
    """The numbers, and the categories."""
    return [name for name in names if name.startswith("x")], [name for name in names if name.startswith("c")]


def categories(path):
    """The distinct values of each category of a training file, ascending."""
    table = pyarrow.parquet.read_table(path)
    _, names = columns_of(table.column_names)
    return [np.unique(table[name].to_numpy()) for name in names]


def one_hot(numbers, codes, known, dtype=np.float64):
    """Numbers, then a column for each category known, as a CSR matrix; others are zeros throughout."""
    import scipy.sparse

    rows, width = numbers.shape
    indices = np.empty((rows, width + len(known)), np.int32)
    values = np.ones(indices.shape, dtype)
    indices[:, :width], values[:, :width] = np.arange(width), numbers
    first = width
    for j, distinct in enumerate(known):
        place = np.searchsorted(distinct, codes[:, j]).clip(max=len(distinct) - 1)
        indices[:, width + j] = first + place
        values[:, width + j] = distinct[place] == codes[:, j]
        first += len(distinct)
    starts = np.arange(0, indices.size + 1, indices.shape[1], dtype=np.int64)
    return scipy.sparse.csr_matrix((values.ravel(), indices.ravel(), starts), shape=(rows, first))


def chunks(path, known=None):
    """(features, labels) of so many rows at a time."""
    for batch in pyarrow.parquet.ParquetFile(path).iter_batches(CHUNK):
        table = {name: batch.column(i).to_numpy() for i, name in enumerate(batch.schema.names)}
        numbers, codes = columns_of(batch.schema.names)
        features = np.stack([table[name] for name in numbers], 1).astype(np.float64)
        if codes:
            features = one_hot(features, np.stack([table[name] for name in codes], 1), known)
        yield features, table["y"].astype(np.float64)


def judge(path, coefficients, intercepts, known=None):
    """Mean log-loss and accuracy; one row of coefficients for two classes, one for each class for more."""
    coefficients = np.atleast_2d(np.asarray(coefficients, np.float64))
    intercepts = np.atleast_1d(np.asarray(intercepts, np.float64))
    loss, right, rows = 0.0, 0, 0
    for features, labels in chunks(path, known):
        margins = np.asarray(features @ coefficients.T) + intercepts
        rows += len(labels)
        if len(intercepts) == 1:
            margin = margins[:, 0]
            loss += np.logaddexp(0, margin).sum() - labels @ margin
            right += ((margin > 0) == (labels > 0.5)).sum()
        else:
            largest = margins.max(1)
            own = margins[np.arange(len(labels)), labels.astype(int)]
            loss += (np.log(np.exp(margins - largest[:, None]).sum(1)) + largest - own).sum()
            right += (margins.argmax(1) == labels).sum()
    return loss / rows, right / rows


def objective(path, coefficients, intercepts, strength, known=None):
    loss, _ = judge(path, coefficients, intercepts, known)
    return loss + strength / 2 * float((np.asarray(coefficients, np.float64) ** 2).sum())
