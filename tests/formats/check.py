"""Reads models that Rookery wrote with the systems they were written for, and compares their answers with Rookery's.

    python check.py MANIFEST.json

The manifest is a list of models: `name`, `folder` (an exported MLflow directory), `rows` (a CSV file of its input
columns), `types` (column to Spark's type) and `answers` (a file with a line of JSON for each row: prediction and
probability, null where a row is skipped), and `refuses`, a text column whose unknown values the
model refuses, or null. Exits with 1 if an answer differs.
"""

import json
import math
import pathlib
import sys

import numpy
import pandas

# Largest difference of probabilities that each format promises.
TOLERANCE = {"onnx": 1e-6, "spark": 1e-12, "pmml": 1e-12}
# Spark's types and how pandas holds them, nulls included.
DTYPES = {
    "string": "object",
    "float": "float64",
    "double": "float64",
    "int": "Int64",
    "bigint": "Int64",
    "boolean": "boolean",
}


class Model:
    """What the manifest says of a model, and the rows it is asked about."""

    def __init__(self, entry):
        self.name, self.folder, self.types = entry["name"], pathlib.Path(entry["folder"]), entry["types"]
        self.csv, self.refuses = entry["rows"], entry["refuses"]
        dtypes = {column: DTYPES[kind] for column, kind in self.types.items()}
        self.rows = pandas.read_csv(self.csv, dtype=dtypes, keep_default_na=False, na_values=[""])
        lines = pathlib.Path(entry["answers"]).read_text().splitlines()
        self.answers = [json.loads(line) for line in lines]
        assert len(self.answers) == len(self.rows) > 0, self.name
        # Whole numbers and truth values without nulls are what a caller would have.
        for column, kind in self.types.items():
            if not self.rows[column].isna().any() and kind in ("int", "bigint", "boolean"):
                self.rows[column] = self.rows[column].astype("bool" if kind == "boolean" else "int64")

    @property
    def inputs(self):
        return self.rows[list(self.types)]

    def compare(self, what, answers, tolerance):
        """Compares {row: (prediction, probabilities)}; rows that are skipped have no entry."""
        expected = {row for row, answer in enumerate(self.answers) if answer["prediction"] is not None}
        assert set(answers) == expected, f"{self.name}, {what}: other rows are skipped: {set(answers) ^ expected}"
        largest = 0.0
        for row, (prediction, probability) in answers.items():
            own = self.answers[row]
            assert prediction == own["prediction"], f"{self.name}, {what}, row {row}: {prediction} instead of {own}"
            assert len(probability) == len(own["probability"]), f"{self.name}, {what}: {probability}"
            for given, wanted in zip(probability, own["probability"]):
                assert math.isfinite(given), f"{self.name}, {what}, row {row}: {probability}"
                largest = max(largest, abs(given - wanted))
        assert largest <= tolerance, f"{self.name}, {what}: probabilities differ by {largest}"
        print(f"{self.name}: {what}: {len(answers)} rows, probabilities within {largest:.1e}")


def must_fail(what, call, kind, *words):
    """Calls, and expects an error of this kind that says these words."""
    try:
        answer = call()
    except kind as error:
        assert all(word in str(error) for word in words), f"{what}: {error}"
    else:
        raise AssertionError(f"{what} answered {answer}")


def by_row(frame):
    """The answers of a data frame whose index is the rows' position."""
    pairs = zip(frame["prediction"], frame["probability"])
    return {
        int(row): (float(prediction), list(probability)) for row, (prediction, probability) in zip(frame.index, pairs)
    }


def with_onnxruntime(model):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model.folder / "model.onnx"), providers=["CPUExecutionProvider"])
    null_text = session.get_modelmeta().custom_metadata_map["rookery.null_text"]
    kinds = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64", "tensor(bool)": "bool"}
    fed = {}
    for column in session.get_inputs():
        values = model.rows[column.name]
        if column.type == "tensor(string)":
            fed[column.name] = values.astype(object).where(values.notna(), null_text).to_numpy(object)
        else:
            values = values.astype("Float64") if values.isna().any() else values
            nulls = {"na_value": numpy.nan} if values.isna().any() else {}
            fed[column.name] = values.to_numpy(dtype=kinds[column.type], **nulls)
    prediction, *rest = session.run(None, fed)
    rows = rest.pop() if session.get_outputs()[-1].type == "tensor(int64)" else range(len(model.rows))
    probability = numpy.stack(rest, axis=1)
    return {int(row): (float(p), list(q)) for row, p, q in zip(rows, prediction, probability)}


def with_mlflow(model):
    """`mlflow.pyfunc`, the scoring server's own function, and the stock loader of ONNX."""
    import mlflow
    from mlflow.pyfunc import scoring_server
    from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

    mlflow.onnx.load_model(str(model.folder))
    loaded = mlflow.pyfunc.load_model(str(model.folder))
    has_nulls = model.inputs.select_dtypes(["Int64", "boolean"]).shape[1] > 0
    # MLflow's schema has no whole numbers with nulls; the model behind it takes them.
    predict = loaded._model_impl.predict if has_nulls else loaded.predict
    model.compare("mlflow.pyfunc", by_row(predict(model.inputs)), TOLERANCE["onnx"])
    if model.refuses:
        unknown = model.inputs.head(1).assign(**{model.refuses: "Atlantis"})
        what = f"{model.name}: mlflow.pyfunc"
        words = f"unseen label in {model.refuses}", "out of data bounds"
        must_fail(what, lambda: loaded.predict(unknown), InvalidArgument, *words)

    schema = loaded.metadata.get_input_schema()
    example = loaded.input_example
    answer = loaded.predict(example)
    assert len(answer) == 1 and len(answer["probability"].iloc[0]) >= 2, f"{model.name}: {answer}"
    serving = (model.folder / "serving_input_example.json").read_text()
    served = scoring_server.invocations(serving, "application/json", loaded, schema)
    assert served.status == 200, f"{model.name}: {served}"
    served = json.loads(served.response)["predictions"]
    assert served[0]["prediction"] == answer["prediction"].iloc[0], f"{model.name}: {served}"
    if not model.inputs.isna().any().any():
        asked = json.dumps({"dataframe_split": json.loads(model.inputs.to_json(orient="split", double_precision=15))})
        served = scoring_server.invocations(asked, "application/json", loaded, schema)
        assert served.status == 200, f"{model.name}: {served}"
        answers = json.loads(served.response)["predictions"]
        kept = [row for row, answer in enumerate(model.answers) if answer["prediction"] is not None]
        answers = {row: (answer["prediction"], answer["probability"]) for row, answer in zip(kept, answers)}
        model.compare("the scoring server", answers, TOLERANCE["onnx"])


def with_spark(model, spark):
    import mlflow
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException
    from pyspark.ml import PipelineModel
    from pyspark.sql.functions import lit, monotonically_increasing_id

    header = pandas.read_csv(model.csv, nrows=0).columns
    schema = ", ".join(f"`{column}` {model.types[column]}" for column in header)
    # One small file is one partition, whose rows count from 0.
    rows = spark.read.csv(model.csv, schema=schema, header=True).withColumn("row", monotonically_increasing_id())
    for what, loaded in [
        ("PipelineModel.load", PipelineModel.load(str(model.folder / "sparkml"))),
        ("mlflow.spark", mlflow.spark.load_model(str(model.folder))),
    ]:
        scored = loaded.transform(rows).select("row", "prediction", "probability").collect()
        answers = {line["row"]: (line["prediction"], list(line["probability"])) for line in scored}
        model.compare(what, answers, TOLERANCE["spark"])
        if model.refuses:
            unknown = loaded.transform(rows.limit(1).withColumn(model.refuses, lit("Atlantis")))
            must_fail(
                f"{model.name}: {what}", unknown.collect, (PySparkException, Py4JJavaError), "Unseen label: Atlantis"
            )


def with_pmml(model):
    import pypmml

    loaded = pypmml.Model.load(str(model.folder / "model.pmml"))
    # PMML4S has no 32-bit numbers: it gets what such a number is in 64 bits.
    narrow = {column: numpy.float32 for column, kind in model.types.items() if kind == "float"}
    inputs = model.inputs.astype(narrow).astype({column: numpy.float64 for column in narrow})
    records = inputs.astype(object).where(inputs.notna(), None).to_dict(orient="records")
    answers = {}
    for row, record in enumerate(records):
        scored = loaded.predict(record)
        probability = [scored[name] for name in sorted(scored, key=len_first) if name.startswith("probability_")]
        if scored["prediction"] is not None and not any(p is None or math.isnan(p) for p in probability):
            answers[row] = (float(scored["prediction"]), probability)
    model.compare("pypmml", answers, TOLERANCE["pmml"])
    if model.refuses:
        scored = loaded.predict(records[0] | {model.refuses: "Atlantis"})
        assert all(value is None or math.isnan(value) for value in scored.values()), f"{model.name}: {scored}"


def len_first(name):
    return len(name), name


def main():
    models = [Model(entry) for entry in json.loads(pathlib.Path(sys.argv[1]).read_text())]
    for model in models:
        model.compare("onnxruntime", with_onnxruntime(model), TOLERANCE["onnx"])
        with_mlflow(model)
    for model in models:
        with_pmml(model)
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    for model in models:
        with_spark(model, spark)
    spark.stop()
    print(f"{len(models)} models answer alike in every format")


main()
