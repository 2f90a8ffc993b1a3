use super::*;

/// What is written, and how the tree prints.
fn check(target: Target, table: &[(&str, &str)]) {
    for (text, printed) in table {
        assert_eq!(parse(target, text).to_string(), *printed, "{text}");
    }
}

#[test]
fn run_filters() {
    check(
        Target::Runs,
        &[
            ("", ""),
            ("metrics.a > 0.5", "metrics.a > 0.5"),
            ("metrics.a>0.5", "metrics.a > 0.5"),
            (
                "metric.a >= 1e3 and params.b = 'x'",
                "metrics.a >= 1000.0 AND params.b = 'x'",
            ),
            ("metrics.a=-1", "metrics.a = -1.0"),
            ("metrics.a>-.5", "metrics.a > -0.5"),
            ("metrics.a = 5.", "metrics.a = 5.0"),
            ("metrics.a = 1E-3", "metrics.a = 0.001"),
            ("metrics.a > 1e400", "metrics.a > 1e999"),
            ("metrics.`a b` > 1", "metrics.`a b` > 1.0"),
            ("metrics.\"a b\" > 1", "metrics.`a b` > 1.0"),
            ("metrics.'a' > 1", "metrics.a > 1.0"),
            ("`metrics`.a > 1", "metrics.a > 1.0"),
            ("metrics.a.b > 1", "metrics.`a.b` > 1.0"),
            ("metrics.a. > 1", "metrics.`a.` > 1.0"),
            ("metrics.1a > 1", "metrics.`1a` > 1.0"),
            ("metrics.é > 1", "metrics.é > 1.0"),
            ("metrics.like > 1", "metrics.like > 1.0"),
            ("params.and = 'AND'", "params.and = 'AND'"),
            ("params.a = \"x\"", "params.a = 'x'"),
            ("params.a = 'it''s'", "params.a = \"it''s\""),
            (r"params.a = 'it\'s'", r#"params.a = "it\'s""#),
            ("params.a = \"it's\"", "params.a = \"it's\""),
            ("params.a = 'say \"x\"'", "params.a = 'say \"x\"'"),
            (r"params.a = 'C:\'", r"params.a = 'C:\'"),
            ("params.a = ''", "params.a = ''"),
            (
                "params.a = 'a''b' AND params.c = 'd'",
                "params.a = \"a''b\" AND params.c = 'd'",
            ),
            ("params.a LIKE '%x%'", "params.a LIKE '%x%'"),
            ("parameters.a ilike 'x_'", "params.a ILIKE 'x_'"),
            (
                "params.a = 'x'and params.b = 'y'",
                "params.a = 'x' AND params.b = 'y'",
            ),
            ("param.a is null", "params.a IS NULL"),
            ("tags.a IS NOT NULL and", "tags.a IS NOT NULL"),
            ("run_id IN ('a','b')", "run_id IN ('a', 'b')"),
            ("run_id in (\"a\",)", "run_id IN ('a')"),
            ("attr.run_id not  in('a')", "run_id NOT IN ('a')"),
            ("dataset.name IN ('a')", "datasets.name IN ('a')"),
            ("datasets.digest LIKE 'x%'", "datasets.digest LIKE 'x%'"),
            ("dataset.context != 'train'", "datasets.context != 'train'"),
            ("status = 'bogus'", "status = 'bogus'"),
            ("attributes.status != \"FAILED\"", "status != 'FAILED'"),
            ("run.run_name = 'x'", "run_name = 'x'"),
            ("`run name` = 'x'", "run_name = 'x'"),
            ("\"Run name\" LIKE 'x%'", "run_name LIKE 'x%'"),
            ("attributes.`Run Name` = 'x'", "run_name = 'x'"),
            ("Created > 1", "start_time > 1"),
            ("start_time > 1.5", "start_time > 1.5"),
            ("start_time > 99999999999999999999", "start_time > 1e20"),
            ("end_time < 1", "end_time < 1"),
            (
                "artifact_uri = 'x' and user_id != 'y'",
                "artifact_uri = 'x' AND user_id != 'y'",
            ),
            ("metrics.a > 1 and", "metrics.a > 1.0"),
            ("and metrics.a > 1", "metrics.a > 1.0"),
            (
                "metrics.a > 1 and AND metrics.b > 1",
                "metrics.a > 1.0 AND metrics.b > 1.0",
            ),
            ("and", ""),
            (
                "tags.`mlflow.source.name` = 'x'",
                "tags.`mlflow.source.name` = 'x'",
            ),
            ("tags.mlflow.source.name = 'x'", "tags.`mlflow.source.name` = 'x'"),
            ("tags.`a\"b` = \"x'y\"", "tags.`a\"b` = \"x'y\""),
            ("tags.`a``b` = 'x'", "tags.\"a``b\" = 'x'"),
            ("tags.日本 = '日本'", "tags.日本 = '日本'"),
            ("tag.a\n=\t'x\ny'", "tags.a = 'x\ny'"),
            (
                "tags.version = 'v1' AND tags.date = 'x'",
                "tags.version = 'v1' AND tags.date = 'x'",
            ),
        ],
    );
}

/// Not in MLflow: blank filters, signs in exponents, more space between keywords, and our own entities.
#[test]
fn more_than_mlflow_takes() {
    check(
        Target::Runs,
        &[
            (" \n ", ""),
            ("metrics.a> 1.5e+3", "metrics.a > 1500.0"),
            ("metrics.1 > 1", "metrics.`1` > 1.0"),
            ("params.a IS  NOT  NULL", "params.a IS NOT NULL"),
            (
                "metrics_min.a < 1 AND metric_max.`a b` > 2",
                "metrics_min.a < 1.0 AND metrics_max.`a b` > 2.0",
            ),
        ],
    );
}

#[test]
fn filters_of_the_other_targets() {
    check(
        Target::Experiments,
        &[
            ("name ilike 'x%'", "name ILIKE 'x%'"),
            ("attribute.name = 'x'", "name = 'x'"),
            ("tag.`a b` != 'x'", "tags.`a b` != 'x'"),
            ("tags.a IS NULL", "tags.a IS NULL"),
            ("experiment_id IN ('1','2')", "experiment_id IN ('1', '2')"),
            (
                "last_update_time <= 5 AND name != 'y'",
                "last_update_time <= 5 AND name != 'y'",
            ),
        ],
    );
    check(
        Target::RegisteredModels,
        &[
            ("name IN ('a','b')", "name IN ('a', 'b')"),
            (
                "name ILIKE 'x%' AND tag.`mlflow.prompt.is_prompt` != 'true'",
                "name ILIKE 'x%' AND tags.`mlflow.prompt.is_prompt` != 'true'",
            ),
        ],
    );
    check(
        Target::ModelVersions,
        &[
            ("name='x'", "name = 'x'"),
            ("run_id IN ('a','b')", "run_id IN ('a', 'b')"),
            ("source_path = '/x'", "source_path = '/x'"),
            ("version_number > '1'", "version_number > 1"),
            ("tags.a != 'x'", "tags.a != 'x'"),
        ],
    );
    check(
        Target::LoggedModels,
        &[
            ("name = x", "name = 'x'"),
            ("name = \"x\"", "name = 'x'"),
            ("params.lr = 0.01", "params.lr = '0.01'"),
            (
                "metrics.a > 0.1 AND params.b = 'x'",
                "metrics.a > 0.1 AND params.b = 'x'",
            ),
            ("attributes.creation_timestamp > 1", "creation_timestamp_ms > 1"),
            ("creation_time >= 1e3", "creation_timestamp_ms >= 1000.0"),
            ("params.a NOT IN ('a','b')", "params.a NOT IN ('a', 'b')"),
            (
                "status = 'READY' AND model_id LIKE 'm-%'",
                "status = 'READY' AND model_id LIKE 'm-%'",
            ),
        ],
    );
}

#[test]
fn trees() {
    let metric = |value| NumberColumn::Metric {
        key: "a".to_owned(),
        value,
    };
    let number = |column, value| Clause::Number {
        column,
        op: NumberOp::Gt,
        value,
    };
    assert_eq!(
        parse(
            Target::Runs,
            "metrics.a > 1 AND metrics_min.a > 1 AND created > 1"
        )
        .clauses,
        [
            number(metric(MetricValue::Latest), Number::Real(1.0)),
            number(metric(MetricValue::Min), Number::Real(1.0)),
            number(
                NumberColumn::Attribute(NumberAttribute::StartTime),
                Number::Integer(1)
            ),
        ]
    );
    assert_eq!(
        parse(Target::LoggedModels, "metrics.a > 1").clauses,
        [number(metric(MetricValue::Any), Number::Real(1.0))]
    );
}

#[test]
fn models_without_the_prompt_tag_are_no_prompts() {
    let tag = TextColumn::Tag("mlflow.prompt.is_prompt".to_owned());
    assert_eq!(tag.value_when_missing(Target::RegisteredModels), Some("false"));
    assert_eq!(tag.value_when_missing(Target::Runs), None);
    let other = TextColumn::Tag("a".to_owned());
    assert_eq!(other.value_when_missing(Target::RegisteredModels), None);
}

#[test]
fn orders() {
    let table: &[(Target, &[&str], &str)] = &[
        (Target::Runs, &[], "start_time DESC, run_id ASC"),
        (Target::Runs, &["Created asc"], "start_time ASC, run_id ASC"),
        (Target::Runs, &["run_id DESC"], "run_id DESC, start_time DESC"),
        (
            Target::Runs,
            &["metrics.\"a b\" dEsC"],
            "metrics.`a b` DESC, start_time DESC, run_id ASC",
        ),
        (
            Target::Runs,
            &["metrics.desc"],
            "metrics.desc ASC, start_time DESC, run_id ASC",
        ),
        (
            Target::Runs,
            &["metrics_max.`it's`"],
            "metrics_max.`it's` ASC, start_time DESC, run_id ASC",
        ),
        (
            Target::Runs,
            &["tags.`a.b c`", "params.a"],
            "tags.`a.b c` ASC, params.a ASC, start_time DESC, run_id ASC",
        ),
        (
            Target::Runs,
            &["attributes.run_name"],
            "run_name ASC, start_time DESC, run_id ASC",
        ),
        (Target::Experiments, &[], "creation_time DESC, experiment_id ASC"),
        (
            Target::Experiments,
            &["attribute.name"],
            "name ASC, experiment_id DESC",
        ),
        (Target::RegisteredModels, &[], "name ASC"),
        (
            Target::RegisteredModels,
            &["timestamp desc"],
            "last_updated_timestamp DESC, name ASC",
        ),
        (
            Target::ModelVersions,
            &[],
            "last_updated_timestamp DESC, name ASC, version_number DESC",
        ),
        (
            Target::ModelVersions,
            &["version_number"],
            "version_number ASC, name ASC",
        ),
        (
            Target::LoggedModels,
            &[],
            "creation_timestamp_ms DESC, model_id ASC",
        ),
    ];
    for (target, terms, printed) in table {
        let order = order(*target, terms).unwrap_or_else(|e| panic!("{terms:?}: {e}"));
        assert_eq!(order.to_string(), *printed, "{terms:?}");
    }
}

#[test]
fn orders_of_logged_models() {
    let field = |name: &str, dataset: Option<&str>| OrderField {
        field_name: name.to_owned(),
        ascending: false,
        dataset_name: dataset.map(str::to_owned),
        dataset_digest: None,
    };
    let order = OrderBy::of_logged_models(&[
        field("metrics.my loss", Some("train")),
        field("metrics.my loss", Some("")),
        field("creation_timestamp", None),
    ])
    .unwrap();
    let printed = "metrics.`my loss` DESC, metrics.`my loss` DESC, creation_timestamp_ms DESC, model_id ASC";
    assert_eq!(order.to_string(), printed);
    assert_eq!(order.terms[0].dataset_name.as_deref(), Some("train"));
    assert_eq!(order.terms[1].dataset_name, None);

    for (name, head) in [
        (
            "params.a",
            "Invalid order by field name: params.a. Only metrics are supported.",
        ),
        ("foo", "Invalid order by field name: foo"),
    ] {
        let message = OrderBy::of_logged_models(&[field(name, None)])
            .unwrap_err()
            .to_string();
        assert_eq!(message, head);
    }
}
