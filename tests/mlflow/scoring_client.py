"""Asks a served model through MLflow's own client of scoring servers; prints the predictions."""

import sys

import pandas
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

COLUMNS = ["Island", "CulmenLength", "CulmenDepth", "FlipperLength", "BodyMass"]


def main() -> None:
    client = ScoringServerClient("127.0.0.1", int(sys.argv[1]))
    client.wait_server_ready(timeout=30)
    rows = pandas.DataFrame([["Biscoe", 48.7, 14.1, 210, 4450], ["Dream", 39.5, 17.4, 186, 3700]], columns=COLUMNS)
    print(client.invoke(rows).get_predictions(predictions_format="ndarray").tolist())


if __name__ == "__main__":
    main()
