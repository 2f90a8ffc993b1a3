//! A model behind MLflow's scoring protocol: what it answers, what it refuses, and how it ends.

use rookery_tests::{Python, Rookery, ServedModel, http, say};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{BINARY, lab, repository};

const JSON: Option<&str> = Some("application/json");
/// The lab's request, as its notebook sends it.
const LAB: &str = r#"{"dataframe_records": [{"Island": "Biscoe", "CulmenLength": 48.7, "CulmenDepth": 14.1, "FlipperLength": 210, "BodyMass": 4450}]}"#;

/// A state directory with the lab's two runs, and the model of the second.
async fn trained() -> (Rookery, String) {
    let rookery = Rookery::new(BINARY);
    let job = rookery
        .run_json(&["run", &lab(), "--workers", "1"])
        .await
        .succeeded()
        .last_json();
    let model = format!("runs:/{}", job["runs"][1]["run_id"].as_str().unwrap());
    (rookery, model)
}

/// The lab's request with one value replaced.
fn with(column: &str, value: Value) -> String {
    let mut body: Value = serde_json::from_str(LAB).unwrap();
    body["dataframe_records"][0][column] = value;
    body.to_string()
}

fn without(column: &str) -> String {
    let mut body: Value = serde_json::from_str(LAB).unwrap();
    body["dataframe_records"][0]
        .as_object_mut()
        .unwrap()
        .remove(column);
    body.to_string()
}

#[tokio::test]
async fn a_served_model_answers_and_refuses_as_mlflow_does() {
    let (rookery, model) = trained().await;
    let served = ServedModel::start(&rookery, &model, &[]).await;
    what_is_there(&served).await;
    rows_are_answered(&served).await;
    wrong_rows_are_refused(&served).await;
    answers_are_those_of_predict(&rookery, &model, &served).await;
    metrics_tell(&served).await;
    assert_eq!(served.terminate().await, Some(0));
}

async fn what_is_there(served: &ServedModel) {
    for path in ["/ping", "/health"] {
        let answer = http::get(served.url(), path, None).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "\n"), "{answer:?}");
        assert!(
            answer.head.contains("content-type: application/json"),
            "{answer:?}"
        );
    }
    let version = http::get(served.url(), "/version", None).await;
    assert_eq!((version.status, version.body.as_str()), (200, "3.17.2"));
    for path in ["/", "/nothing"] {
        let answer = http::get(served.url(), path, None).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (404, r#"{"detail":"Not Found"}"#)
        );
    }
    let answer = http::get(served.url(), "/invocations", served.token()).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (405, r#"{"detail":"Method Not Allowed"}"#)
    );
    assert!(answer.head.contains("allow: POST"), "{answer:?}");
    for token in [None, Some("another")] {
        let body: Value = serde_json::from_str(LAB).unwrap();
        let answer = http::post(served.url(), "/invocations", token, &body).await;
        assert_eq!(
            (answer.status, &answer.json()["error_code"]),
            (401, &json!("UNAUTHENTICATED"))
        );
        assert_eq!(http::get(served.url(), "/metrics", token).await.status, 401);
    }
}

async fn rows_are_answered(served: &ServedModel) {
    let row = r#"["Biscoe", 48.7, 14.1, 210, 4450]"#;
    let columns = r#""columns": ["Island", "CulmenLength", "CulmenDepth", "FlipperLength", "BodyMass"]"#;
    let record = LAB
        .trim_start_matches(r#"{"dataframe_records": ["#)
        .trim_end_matches("]}");
    for body in [
        LAB.to_string(),
        format!(r#"{{"dataframe_split": {{{columns}, "data": [{row}]}}}}"#),
        format!(r#"{{"dataframe_split": {{"index": [0], "data": [{row}], {columns}}}}}"#),
        format!(r#"{{"instances": [{record}]}}"#),
        format!(r#"{{"inputs": [{record}]}}"#),
        format!(r#"{{"inputs": {record}, "params": {{}}}}"#),
        r#"{"inputs": {"Island": ["Biscoe"], "CulmenLength": [48.7], "CulmenDepth": [14.1], "FlipperLength": [210], "BodyMass": [4450]}}"#.to_string(),
        with("Sex", json!("MALE")),
        with("BodyMass", json!("4450")),
        with("BodyMass", json!(4450.0)),
    ] {
        let answer = served.ask_json(&body).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"predictions": [1.0]}"#), "{body}");
    }
    let csv = "BodyMass,Island,CulmenLength,CulmenDepth,FlipperLength\n4450,Biscoe,48.7,14.1,210\n3700,Dream,39.5,17.4,186\n";
    let answer = served
        .ask("", Some("text/csv; charset=utf-8"), csv.as_bytes())
        .await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"predictions": [1.0, 0.0]}"#)
    );
    let told = served
        .ask("?probabilities=true&contributions=true", JSON, LAB.as_bytes())
        .await
        .json();
    let row = &told["predictions"][0];
    for (class, spark) in [0.0637290036, 0.7962890834, 0.1399819129].into_iter().enumerate() {
        assert!(
            (row["probabilities"][class].as_f64().unwrap() - spark).abs() < 5e-11,
            "{told}"
        );
    }
    assert_eq!(row["contributions"].as_array().unwrap().len(), 3);
}

/// The inputs of MLflow's table, and more: each refused with a 4xx that says what is wrong.
async fn wrong_rows_are_refused(served: &ServedModel) {
    for (body, code, texts) in [
        (
            without("BodyMass"),
            "INVALID_PARAMETER_VALUE",
            &["Model is missing inputs ['BodyMass']", "CulmenLength (float)"][..],
        ),
        (
            with("BodyMass", json!("heavy")),
            "BAD_REQUEST",
            &["row 1", "column BodyMass", "\"heavy\"", "float"],
        ),
        (
            with("BodyMass", Value::Null),
            "BAD_REQUEST",
            &["row 1", "column BodyMass", "got null"],
        ),
        (
            with("BodyMass", json!([1])),
            "BAD_REQUEST",
            &["column BodyMass", "got [1]"],
        ),
        (
            with("BodyMass", json!(1e300)),
            "BAD_REQUEST",
            &["column BodyMass", "got 1e300"],
        ),
        (
            with("Island", json!("Atlantis")),
            "BAD_REQUEST",
            &["\"Atlantis\"", "allowed: Biscoe, Dream, Torgersen"],
        ),
        (
            with("Island", Value::Null),
            "BAD_REQUEST",
            &["column Island", "got null", "allowed"],
        ),
        (
            with("Island", json!(5)),
            "BAD_REQUEST",
            &["column Island", "got \"5\""],
        ),
        (
            r#"{"dataframe_records": []}"#.to_string(),
            "BAD_REQUEST",
            &["There is no row"],
        ),
        (
            r#"{"dataframe_records": ["#.to_string(),
            "BAD_REQUEST",
            &["valid JSON", "line 1 column 23"],
        ),
        (String::new(), "BAD_REQUEST", &["valid JSON"]),
        (
            "[1]".to_string(),
            "BAD_REQUEST",
            &["exactly one of the input fields", "Received a list"],
        ),
        (
            "{}".to_string(),
            "BAD_REQUEST",
            &["Received dictionary with input fields: []"],
        ),
        (
            r#"{"instances": [], "dataframe_records": []}"#.to_string(),
            "BAD_REQUEST",
            &["['instances', 'dataframe_records']"],
        ),
        (
            r#"{"dataframe_records": {"Island": "Biscoe"}}"#.to_string(),
            "BAD_REQUEST",
            &["must be a list of records"],
        ),
        (LAB.replace("4450", "NaN"), "BAD_REQUEST", &["JSON has no NaN"]),
        (
            LAB.replace("\"BodyMass\"", "\"Island\""),
            "BAD_REQUEST",
            &["\"Island\" is there twice"],
        ),
    ] {
        let answer = served.ask_json(&body).await;
        assert_eq!(answer.status, 400, "{body} {answer:?}");
        assert_eq!(answer.json()["error_code"], code, "{body} {answer:?}");
        for text in texts {
            let message = answer.json()["message"].as_str().unwrap().to_string();
            assert!(message.contains(text), "{text}: {body} {message}");
        }
        assert!(
            !answer.body.contains("stack_trace") && !answer.body.contains("Traceback"),
            "{answer:?}"
        );
    }
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/json; charset=latin-1"),
    ] {
        let answer = served.ask("", content_type, LAB.as_bytes()).await;
        assert_eq!(answer.status, 415, "{answer:?}");
        assert!(
            answer.body.contains("only supports the following content types"),
            "{answer:?}"
        );
    }
    let answer = served.ask("", JSON, b"\xff").await;
    assert_eq!(
        (answer.status, answer.json()["message"].as_str()),
        (400, Some("Invalid input. Byte 0 is no UTF-8"))
    );
    let long = format!("{}{LAB}", " ".repeat(17 << 20));
    let announced = format!(
        "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        served.token().unwrap(),
        long.len()
    );
    assert!(
        raw(served, announced.as_bytes())
            .await
            .starts_with("HTTP/1.1 413")
    );
    let encoded = "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\nConnection: close\r\n";
    let encoded = format!(
        "{encoded}Authorization: Bearer {}\r\n\r\n{{}}",
        served.token().unwrap()
    );
    let answer = raw(served, encoded.as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 415") && answer.contains("gzip"),
        "{answer}"
    );
}

/// Sends bytes and reads what comes back.
async fn raw(served: &ServedModel, request: &[u8]) -> String {
    let (_, address) = served.url().split_once("://").unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn answers_are_those_of_predict(rookery: &Rookery, model: &str, served: &ServedModel) {
    let records = &serde_json::from_str::<Value>(LAB).unwrap()["dataframe_records"];
    let row = records[0].to_string();
    let predicted = rookery
        .run(&["predict", "--model", model, "--json", &row, "--output", "json"])
        .await;
    let answered = served.ask("?probabilities=1", JSON, LAB.as_bytes()).await.json();
    // As text: every digit.
    assert_eq!(
        answered["predictions"][0]["probabilities"].to_string(),
        predicted.succeeded().last_json()["probability"].to_string()
    );
}

async fn metrics_tell(served: &ServedModel) {
    let text = http::get(served.url(), "/metrics", served.token()).await.body;
    let value = |start: &str| {
        let lines = text
            .lines()
            .filter(|line| line.starts_with(start) && !line.contains("_bucket"));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum::<f64>()
    };
    assert_eq!(value("rookery_scorer_answered_requests_total{"), 13.0, "{text}");
    assert_eq!(value("rookery_scorer_rows_total{"), 14.0, "{text}");
    assert_eq!(value("rookery_scorer_latency_seconds_count{"), 13.0, "{text}");
    assert_eq!(value("rookery_scorer_refused_requests_total{"), 21.0, "{text}");
    assert!(text.contains(r#"error_code="INVALID_PARAMETER_VALUE""#), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test]
async fn flags_say_what_becomes_of_values_that_the_model_cannot_use() {
    let (rookery, model) = trained().await;
    let served = ServedModel::start(
        &rookery,
        &model,
        &["--unseen", "keep", "--null", "keep", "--insecure"],
    )
    .await;
    assert_eq!(served.token(), None, "nobody needs one");
    let unseen = served.ask_json(&with("Island", json!("Atlantis"))).await;
    assert_eq!(
        (unseen.status, unseen.body.as_str()),
        (200, r#"{"predictions": [null]}"#)
    );
    let null = served.ask_json(&with("BodyMass", Value::Null)).await;
    assert_eq!(
        (null.status, null.body.as_str()),
        (200, r#"{"predictions": [null]}"#)
    );
    let text = http::get(served.url(), "/metrics", None).await.body;
    for line in [
        "rookery_scorer_unseen_categories_total{",
        "rookery_scorer_nulls_total{",
    ] {
        assert!(
            text.lines()
                .any(|found| found.starts_with(line) && found.ends_with("} 1")),
            "{text}"
        );
    }
    let reference = ServedModel::start(&rookery, &model, &["--unseen", "reference"]).await;
    let biscoe = reference.ask("?probabilities", JSON, LAB.as_bytes()).await;
    let unseen = reference
        .ask(
            "?probabilities",
            JSON,
            with("Island", json!("Atlantis")).as_bytes(),
        )
        .await;
    assert_eq!(unseen.body, biscoe.body, "most birds live on Biscoe");

    let refused = rookery
        .run(&[
            "serve",
            &model,
            "--listen",
            "0.0.0.0:0",
            "--insecure",
            "--advertise",
            "x",
        ])
        .await;
    assert_eq!(refused.code, 2, "{refused}");
    assert!(
        refused.stderr.contains("--insecure would let everybody in"),
        "{refused}"
    );
    let secure = ServedModel::start(&rookery, &model, &["--tls"]).await;
    assert!(secure.url().starts_with("https://"), "{}", secure.started);
    assert!(
        secure.started["ca_file"]
            .as_str()
            .unwrap()
            .ends_with("tls/ca.pem")
    );
    let plain = raw(&secure, b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(plain.contains("TLS") && !plain.contains("200 OK"), "{plain}");
    let nothing = rookery.run(&["serve", "runs:/nothing"]).await;
    assert_eq!(nothing.code, 2, "{nothing}");
    assert_eq!(rookery.run(&["serve", "nothing"]).await.code, 2);
}

#[tokio::test]
async fn a_stopped_server_answers_what_it_was_asked() {
    let (rookery, model) = trained().await;
    let served = ServedModel::start(&rookery, &model, &["--insecure"]).await;
    let mut connection = TcpStream::connect(served.url().trim_start_matches("http://"))
        .await
        .unwrap();
    let head = format!(
        "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        LAB.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(&LAB.as_bytes()[..10]).await.unwrap();
    // Another request that comes after the first one's head: once it is answered, the server has both.
    assert_eq!(served.ask_json(LAB).await.status, 200);
    let stopping = tokio::spawn(served.terminate());
    let address = connection.peer_addr().unwrap();
    // The port closes at once; what was begun goes on.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    connection.write_all(&LAB.as_bytes()[10..]).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with(r#"{"predictions": [1.0]}"#), "{answer}");
    assert_eq!(stopping.await.unwrap(), Some(0));
}

#[tokio::test]
async fn mlflows_own_scoring_client_is_content() {
    let requirements = repository().join("tests/mlflow/requirements.txt");
    let python = match Python::with_requirements(&requirements).await {
        Ok(python) => python,
        Err(why) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{why}"),
        Err(why) => return say(&format!("SKIPPED: mlflows_own_scoring_client_is_content: {why}")),
    };
    let (rookery, model) = trained().await;
    let served = ServedModel::start(&rookery, &model, &["--insecure"]).await;
    let port = served.url().rsplit(':').next().unwrap().to_string();
    let script = repository().join("tests/mlflow/scoring_client.py");
    let output = python.command().arg(script).arg(port).output().await.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), "[1.0, 0.0]\n");
}
