"""The peers. Each has `read(path)`, which is its fastest way from a file to what it trains on, `fit(setting)`, which returns
coefficients and intercepts, and `settings(name)`, tolerances or numbers of iterations from loose to tight."""

import os

import numpy as np
from objective import columns_of, one_hot


class Arrays:
    """Those that train on numpy arrays: polars reads, CSV or Parquet."""

    dtype, order = np.float64, "C"

    def __init__(self, strength, threads):
        self.strength, self.threads = strength, threads

    def read(self, path):
        os.environ["POLARS_MAX_THREADS"] = str(self.threads)
        import polars

        read = polars.read_parquet if path.endswith(".parquet") else polars.read_csv
        frame = read(path)
        numbers, codes = columns_of(frame.columns)
        self.y = frame["y"].to_numpy().astype(self.dtype)
        x = np.empty((len(frame), len(numbers)), self.dtype, self.order)
        for j, name in enumerate(numbers):
            x[:, j] = frame[name].to_numpy()
        self.known = None
        if codes:
            self.known = [np.unique(frame[name].to_numpy()) for name in codes]
            x = one_hot(x, np.stack([frame[name].to_numpy() for name in codes], 1), self.known, self.dtype)
        self.x = x

    def warm_up(self):
        """A fit of a few rows, so that no import is timed."""
        x, y = self.x, self.y
        self.x, self.y = x[:2000], y[:2000]
        self.fit(self.settings("")[0])
        self.x, self.y = x, y

    @property
    def inverse(self):
        return 1 / (self.strength * len(self.y))


class Sklearn(Arrays):
    solver = "lbfgs"

    def settings(self, name):
        return [{"tol": tol, "max_iter": 1000} for tol in (1e-3, 1e-4, 1e-6)]

    def version(self):
        import sklearn

        return sklearn.__version__

    def estimator(self, **setting):
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=self.inverse, solver=self.solver, **setting)

    def fit(self, setting):
        model = self.estimator(**setting).fit(self.x, self.y)
        return model.coef_, model.intercept_


class SklearnSingle(Sklearn):
    dtype = np.float32


class SklearnNewton(Sklearn):
    solver = "newton-cholesky"

    def settings(self, name):
        return [{"tol": tol, "max_iter": 100} for tol in (1e-2, 1e-4, 1e-8)]


class Sklearnex(Sklearn):
    """Intel's extension; its tolerance is not kept, so that iterations are counted."""

    dtype = np.float32

    def settings(self, name):
        counts = (25, 50, 100, 200) if name in ("multi", "clicks") else (25, 35, 45, 55)
        return [{"tol": 1e-12, "max_iter": count} for count in counts]

    def version(self):
        import importlib.metadata

        return importlib.metadata.version("scikit-learn-intelex")

    def estimator(self, **setting):
        from sklearnex.linear_model import LogisticRegression

        return LogisticRegression(C=self.inverse, solver=self.solver, **setting)


class Glum(Arrays):
    order = "F"

    def settings(self, name):
        return [{"gradient_tol": tol} for tol in (1e-2, 1e-4, 1e-8)]

    def version(self):
        import glum

        return glum.__version__

    def fit(self, setting):
        from glum import GeneralizedLinearRegressor

        model = GeneralizedLinearRegressor(
            alpha=self.strength, l1_ratio=0, family="binomial", solver="irls-ls", max_iter=200, copy_X=False, **setting
        ).fit(self.x, self.y)
        return model.coef_, model.intercept_


class GlumSingle(Glum):
    dtype = np.float32


class Liblinear(Arrays):
    def settings(self, name):
        return [{"e": tol} for tol in (1e-2, 1e-3, 1e-4)]

    def version(self):
        import importlib.metadata

        return importlib.metadata.version("liblinear-official")

    def read(self, path):
        from liblinear.liblinearutil import problem

        super().read(path)
        import scipy.sparse

        self.problem = problem(self.y, scipy.sparse.csr_matrix(self.x), bias=1)

    def warm_up(self):
        import liblinear.liblinearutil  # noqa: F401

    def fit(self, setting):
        from liblinear.liblinearutil import parameter, train

        model = train(self.problem, parameter(f"-s 0 -c {self.inverse:.17g} -e {setting['e']:g} -B 1 -R -q"))
        sign = 1 if model.get_labels()[0] == 1 else -1
        coefficients, intercept = model.get_decfun()
        return sign * np.array(coefficients), sign * intercept


class Spark:
    """MLlib on local[threads]; what it trains on is cached, and a short fit before warms the JVM."""

    def __init__(self, strength, threads):
        self.strength, self.threads, self.known = strength, threads, None

    def settings(self, name):
        counts = (10, 20, 40) if name in ("multi", "clicks") else (12, 16, 20, 30)
        return [{"tol": 1e-12, "maxIter": count} for count in counts]

    def version(self):
        import pyspark

        return pyspark.__version__

    def read(self, path):
        from pyspark.ml import Pipeline
        from pyspark.ml.feature import OneHotEncoder, StringIndexer, VectorAssembler
        from pyspark.sql import SparkSession

        session = SparkSession.builder.master(f"local[{self.threads}]").config("spark.driver.memory", "8g")
        session = session.config("spark.ui.enabled", "false").config("spark.driver.bindAddress", "127.0.0.1")
        session = session.config("spark.driver.host", "127.0.0.1").getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        parquet = path.endswith(".parquet")
        frame = session.read.parquet(path) if parquet else session.read.csv(path, header=True, inferSchema=True)
        numbers, codes = columns_of(frame.columns)
        if codes:
            raise SystemExit("categories are not compared with Spark: its columns have another order")
        stages = [VectorAssembler(inputCols=numbers, outputCol="features")]
        prepared = Pipeline(stages=stages).fit(frame).transform(frame)
        self.frame = prepared.select(prepared["y"].cast("double").alias("label"), "features").coalesce(self.threads).cache()
        self.frame.count()

    def fit(self, setting):
        from pyspark.ml.classification import LogisticRegression

        model = LogisticRegression(regParam=self.strength, standardization=False, **setting).fit(self.frame)
        if model.numClasses == 2:
            return model.coefficients.toArray(), model.intercept
        return model.coefficientMatrix.toArray(), model.interceptVector.toArray()

    def warm_up(self):
        self.fit({"maxIter": 3})


# Name → class, and the venv it lives in.
PEERS = {
    "scikit-learn lbfgs": (Sklearn, "main"),
    "scikit-learn lbfgs, 32 bits": (SklearnSingle, "main"),
    "scikit-learn newton-cholesky": (SklearnNewton, "main"),
    "sklearnex lbfgs, 32 bits": (Sklearnex, "intel"),
    "glum irls-ls": (Glum, "main"),
    "glum irls-ls, 32 bits": (GlumSingle, "main"),
    "liblinear": (Liblinear, "main"),
    "Spark MLlib": (Spark, "main"),
}
