"""Loads a model that Rookery wrote as ONNX, as a Python function of MLflow.

MLflow's own loader for ONNX can't feed texts from pandas 3, knows no nulls, and returns a column for each class. This one
takes what the model's signature names and returns a prediction and the list of probabilities for each row.
"""

import numpy
import onnxruntime
import pandas

_NUMBERS = {"tensor(float)": numpy.float32, "tensor(double)": numpy.float64}
_WHOLE = {"tensor(int64)": numpy.int64, "tensor(bool)": numpy.bool_}


class RookeryModel:
    """Scores rows with onnxruntime."""

    def __init__(self, path):
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        metadata = self._session.get_modelmeta().custom_metadata_map
        self._null_text = metadata["rookery.null_text"]

    def predict(self, model_input, params=None):
        """Returns a data frame with `prediction` and `probability`; rows that the model skips are left out."""
        frame = model_input if isinstance(model_input, pandas.DataFrame) else pandas.DataFrame(model_input)
        inputs = self._session.get_inputs()
        missing = [column.name for column in inputs if column.name not in frame.columns]
        if missing:
            raise ValueError(f"the input lacks the columns {missing}")
        fed = {column.name: self._tensor(frame[column.name], column) for column in inputs}
        prediction, *rest = self._session.run(None, fed)
        # A model that skips rows says last which it kept.
        kept = rest.pop() if rest[-1].dtype == numpy.int64 else None
        index = frame.index if kept is None else frame.index[kept]
        probability = numpy.stack(rest, axis=1).tolist()
        return pandas.DataFrame({"prediction": prediction, "probability": probability}, index=index)

    def _tensor(self, column, described):
        if described.type == "tensor(string)":
            texts = column.astype(object).where(column.notna(), self._null_text)
            return numpy.array([str(text) for text in texts], dtype=object)
        if described.type in _NUMBERS:
            values = pandas.to_numeric(column).to_numpy(dtype=numpy.float64, na_value=numpy.nan)
            return values.astype(_NUMBERS[described.type])
        if column.isna().any():
            row = int(numpy.flatnonzero(column.isna())[0])
            raise ValueError(f"column {described.name!r}, row {row}: the model does not take nulls")
        return column.to_numpy().astype(_WHOLE[described.type])


def _load_pyfunc(path):
    return RookeryModel(path)
