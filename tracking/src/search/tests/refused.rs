use super::*;
use crate::ErrorCode;

/// What is written, and how the message begins.
fn check(target: Target, table: &[(&str, &str)]) {
    for (text, head) in table {
        let error = Filter::parse(target, text).expect_err(text);
        assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
        let message = error.to_string();
        assert!(message.starts_with(head), "{text}: {message}");
    }
}

const CLAUSE: &str = "Invalid clause(s) in filter string: ";
const METRIC: &str = "Expected numeric value type for metric. Found ";
const UNQUOTED: &str =
    "Parameter value is either not quoted or unidentified quote types used for string value ";

#[test]
fn run_filters() {
    check(
        Target::Runs,
        &[
            ("metrics.a = - 1", CLAUSE),
            ("metrics.a = +1", CLAUSE),
            (
                "metrics.a = '1'",
                "Expected numeric value type for metric. Found '1'",
            ),
            ("metrics.a = nan", METRIC),
            ("metrics.a = inf", METRIC),
            ("metrics.a = 0x10", METRIC),
            ("metrics.a == 1", "Invalid comparator '==' not one of "),
            ("metrics.a <> 1", "Invalid comparator '<>' not one of "),
            ("metrics.a like 'x'", METRIC),
            ("metrics.a-b > 1", CLAUSE),
            ("metrics.a/b > 1", CLAUSE),
            ("metrics.a:b > 1", CLAUSE),
            (
                "metrics.a b > 1",
                "Invalid clause(s) in filter string: 'metrics.a'. A filter is ",
            ),
            (
                "`metrics.a` > 1",
                "Invalid attribute key 'metrics.a' specified. Valid keys are ",
            ),
            (
                "METRICS.a > 1",
                "Invalid entity type 'METRICS'. Valid values are ['metric', 'parameter', ",
            ),
            ("params.a = x", UNQUOTED),
            ("params.a = `x`", UNQUOTED),
            (
                "params.a = 1",
                "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 1",
            ),
            ("params.a = 'x", CLAUSE),
            ("params.a = '", CLAUSE),
            ("params.a = 'x''", CLAUSE),
            (r"params.a = 'x\' AND params.b = 'y'", CLAUSE),
            (
                "params.a NOT LIKE 'x'",
                "Invalid comparator 'NOT LIKE' not one of ",
            ),
            ("params.a RLIKE 'x'", "Invalid comparator 'RLIKE' not one of "),
            ("params.a > 'x'", "Invalid comparator '>' not one of "),
            ("params.a ISNULL", CLAUSE),
            (
                "metrics.a IS NULL",
                "IS NULL / IS NOT NULL is only supported for tags and params, not for 'metric' 'a'",
            ),
            (
                "run_id IS NULL",
                "IS NULL / IS NOT NULL is only supported for tags and params, not for 'attribute'",
            ),
            (
                "run_id IN ()",
                "While parsing a list in the query, expected a non-empty list of string values, but got empty",
            ),
            (
                "run_id IN (1,2)",
                "While parsing a list in the query, expected string value, punctuation, or whitespace",
            ),
            ("run_id IN ('a', 'b'", CLAUSE),
            ("run_id IN 'a'", CLAUSE),
            (
                "run_name IN ('a')",
                "Only ['run_id'] attributes support comparison with a list of quoted string values.",
            ),
            (
                "tags.a IN ('a')",
                "Expected a quoted string value for tag (e.g. 'my-value'). Got value ('a')",
            ),
            (
                "dataset.profile = 'x'",
                "Invalid dataset key 'profile' specified. Valid keys are ",
            ),
            (
                "foo.a = 'x'",
                "Invalid entity type 'foo'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset'",
            ),
            (
                "experiment_id = '1'",
                "Invalid attribute key 'experiment_id' specified. Valid keys are '{'run_id', ",
            ),
            ("CREATED > 1", "Invalid attribute key 'CREATED' specified"),
            (
                "start_time > '1'",
                "Expected numeric value type for numeric attribute: start_time. Found '1'",
            ),
            (
                "metrics.a > 1 or metrics.b > 1",
                "Invalid clause(s) in filter string: 'or'",
            ),
            ("not metrics.a > 1", "Invalid clause(s) in filter string: 'not'"),
            (
                "(metrics.a > 1)",
                "Invalid clause(s) in filter string: '(metrics.a > 1)'",
            ),
            ("metrics.a", "Invalid clause(s) in filter string: 'metrics.a'"),
            (
                "metrics.a >",
                "Invalid clause(s) in filter string: 'metrics.a', '>'. A filter ",
            ),
            ("> 1", CLAUSE),
            (
                "1 < metrics.a",
                "Invalid comparison clause. Expected 'Identifier' found '1'",
            ),
            ("metrics.a > metrics.b", METRIC),
            ("metrics.a > 1;", "Invalid clause(s) in filter string: ';'"),
            ("metrics.a > 1 -- comment", CLAUSE),
            (
                "metrics.a > 1, params.b = 'x'",
                "Invalid clause(s) in filter string: 'metrics.a > 1, params.b = 'x''.",
            ),
            (
                "metrics.a between 1 and 2",
                "Invalid clause(s) in filter string: 'metrics.a', 'between', '1', '2'.",
            ),
            (
                "metrics.a > 1; DROP TABLE runs",
                "Search filter contained multiple expression 'metrics.a > 1; DROP TABLE runs'. Provide",
            ),
            (
                "metrics.a IN (1)",
                "Expected numeric value type for metric. Found (1)",
            ),
            ("metrics.a > 1AND params.b = 'x'", METRIC),
            ("params.a = 'x' 'y'", CLAUSE),
        ],
    );
}

/// MLflow lets these pass, because of how it looks for clauses. They are mistakes of who wrote them.
#[test]
fn more_than_mlflow_refuses() {
    check(
        Target::Runs,
        &[
            (
                "metrics.a > 1 metrics.b > 1",
                "Invalid clause(s) in filter string: 'metrics.b > 1'",
            ),
            ("run_id = ('a')", CLAUSE),
            ("run_id IN ('a' 'b')", "While parsing a list in the query"),
            ("tags.`` = 'x'", "Invalid identifier"),
            ("metrics. a > 1", CLAUSE),
        ],
    );
}

#[test]
fn filters_of_the_other_targets() {
    let entity = "Invalid entity type 'attributes'. Valid entity types are ('attribute', 'tag', 'tags')";
    check(
        Target::Experiments,
        &[
            ("attributes.name = 'x'", entity),
            (
                "name IS NULL",
                "IS NULL / IS NOT NULL is only supported for tags, not for attribute 'name'",
            ),
            (
                "experiment_id = 1",
                "Expected a quoted string value for attribute",
            ),
            ("experiment_id LIKE '1'", "Invalid comparator 'LIKE'"),
            ("name IN ('1')", "Only ['experiment_id'] attributes support"),
            ("creation_time > 1.5", "Invalid value for numeric attribute"),
            (
                "lifecycle_stage = 'active'",
                "Invalid attribute key 'lifecycle_stage' specified",
            ),
        ],
    );
    check(
        Target::RegisteredModels,
        &[
            ("attributes.name = 'x'", entity),
            ("tags.a IS NULL", "Invalid comparator 'IS NULL'"),
            ("name > 'a'", "Invalid comparator for attribute: >"),
            ("name", "Invalid clause(s) in filter string: name. A filter"),
            (
                "creation_timestamp > 1",
                "Invalid attribute key 'creation_timestamp' specified. Valid keys are '{'name'}'",
            ),
        ],
    );
    check(
        Target::ModelVersions,
        &[
            (
                "version_number = 'x'",
                "Invalid value for numeric attribute 'version_number': 'x'",
            ),
            ("version_number > 1.5", "Invalid value for numeric attribute"),
            (
                "source_path IN ('/x')",
                "Only ['name', 'run_id'] attributes support",
            ),
            ("user_id = 'x'", "Invalid attribute key 'user_id' specified"),
        ],
    );
    check(
        Target::LoggedModels,
        &[
            (
                "metric.a > 1",
                "Invalid entity type: 'metric'. Expected one of ['attributes', 'metrics', 'params', 'tags'].",
            ),
            ("metrics.a > 'x'", METRIC),
            ("params.a > 'x'", "Invalid comparator '>'"),
            ("params.a IS NULL", "Invalid comparator 'IS NULL'"),
            (
                "name = 'a' OR name = 'b'",
                "Invalid filter string: \"name = 'a' OR name = 'b'\". Expected a list of comparisons",
            ),
        ],
    );
}

#[test]
fn too_much() {
    let clause = "metrics.a > 1 AND ";
    assert!(Filter::parse(Target::Runs, &clause.repeat(MAX_CLAUSES)).is_ok());
    let list = |len: usize| format!("run_id IN ({})", "'a',".repeat(len));
    assert!(Filter::parse(Target::Runs, &list(MAX_LIST_VALUES)).is_ok());
    for text in [
        clause.repeat(MAX_CLAUSES + 1),
        list(MAX_LIST_VALUES + 1),
        format!("params.a = '{}'", "x".repeat(MAX_FILTER_BYTES)),
    ] {
        let message = Filter::parse(Target::Runs, &text).unwrap_err().to_string();
        assert!(message.starts_with("Invalid filter string: "), "{message}");
    }
    let terms: Vec<String> = (0..=MAX_ORDER_TERMS).map(|i| format!("metrics.m{i}")).collect();
    assert!(OrderBy::parse(Target::Runs, &terms[1..]).is_ok());
    assert!(OrderBy::parse(Target::Runs, &terms).is_err());
    assert!(
        order(
            Target::Runs,
            &[&format!("metrics.{}", "m".repeat(MAX_ORDER_TERM_BYTES))]
        )
        .is_err()
    );
}
