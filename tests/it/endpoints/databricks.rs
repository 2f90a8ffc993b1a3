//! The lab's second half with the stock clients. What is checked is in `tests/mlflow/serving`; here is what starts it.

use super::{MODEL, trained};
use crate::mlflow::{Server, python, succeeds};

#[tokio::test(flavor = "multi_thread")]
async fn the_labs_second_half_works_with_the_stock_clients() {
    let Some(python) = python("the lab's second half").await else {
        return;
    };
    let cluster = trained(&[]).await;
    let server = Server::of(cluster);
    let mut command = server.command(&python, &["-m", "pytest", "serving"]);
    command.env("ROOKERY_TEST_MODEL", MODEL);
    succeeds(command).await;
}
