//! The expressions of a SQLTransformer against Spark's stored answers (`fixtures/spark_stages.py` asks for them).
//!
//! Where Spark's answer is a decimal ours is a double, and Spark's 32-bit whole numbers are 64-bit ones in a column; what
//! Spark knows and we do not is listed, and refused with its place.

use std::collections::BTreeMap;

use rookery_ml::{Column, Frame, PipelineFit, PipelineSpec};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::spark_stages::{Values, frame};

/// Expressions that Spark computes and that are refused here.
const REFUSED: [&str; 8] = [
    "s rlike '^[A-Z]'",
    "initcap(s)",
    "i & j",
    "cast(a as decimal(10, 2))",
    "rand()",
    "current_date()",
    "(select 1)",
    "date '2020-01-01'",
];

#[derive(Deserialize)]
struct Fixture {
    columns: BTreeMap<String, Values>,
    expressions: Vec<Expression>,
}

#[derive(Deserialize)]
struct Expression {
    sql: String,
    error: Option<String>,
    #[serde(default)]
    values: Vec<Value>,
}

fn computed(frame: &Frame, sql: &str) -> Result<Frame, String> {
    let stage =
        json!({ "type": "SQLTransformer", "statement": format!("SELECT *, {sql} AS out FROM __THIS__") });
    let spec: PipelineSpec =
        serde_json::from_value(json!({ "stages": [stage] })).map_err(|e| e.to_string())?;
    let kinds: Vec<_> = frame
        .columns()
        .iter()
        .map(|(name, column)| (name.clone(), column.kind()))
        .collect();
    spec.check(&kinds).map_err(|e| e.to_string())?;
    let fitted = PipelineFit::new(spec).finish().map_err(|e| e.to_string())?;
    fitted.transform(frame.clone()).map_err(|e| e.to_string())
}

/// Whether a value is the one that Spark gives. Java's logarithms and powers differ from ours in the last digit.
fn is_alike(column: &Column, spark: &Value) -> bool {
    match (column.is_null(0), spark) {
        (is_null, Value::Null) => is_null,
        (true, _) => false,
        (_, Value::Bool(truth)) => column.text(0).as_deref() == Some(if *truth { "true" } else { "false" }),
        (_, Value::Object(decimal)) => {
            let decimal = decimal["Decimal"].as_str().and_then(|text| text.parse().ok());
            column.number(0) == decimal
                || (column.number(0).zip(decimal)).is_some_and(|(a, b)| (a - b).abs() < 1e-15)
        }
        (_, Value::String(text)) if column.number(0).is_none() => column.text(0).as_deref() == Some(text),
        (_, spark) => {
            let expected = match spark.as_str() {
                Some(name) => name
                    .replace("Infinity", "inf")
                    .parse()
                    .expect("NaN or an infinity"),
                None => spark.as_f64().expect("a number"),
            };
            let own = column.number(0).expect("a number");
            own == expected
                || own.is_nan() && expected.is_nan()
                || (own - expected).abs() <= 5e-16 * expected.abs()
        }
    }
}

fn check(columns: &Frame, Expression { sql, error, values }: &Expression) {
    if let Some(spark) = error {
        let own = computed(columns, sql).err();
        assert!(own.is_some(), "{sql}: Spark refuses: {spark}");
        return;
    }
    if REFUSED.contains(&sql.as_str()) {
        let own = computed(columns, sql).expect_err(sql);
        assert!(own.contains("is not known here"), "{sql}: {own}");
        return;
    }
    for (row, spark) in values.iter().enumerate() {
        let mask: Vec<bool> = (0..columns.rows()).map(|other| other == row).collect();
        let one = columns.clone().retain(&mask).expect("masks fit");
        match (computed(&one, sql), spark.get("error")) {
            (Ok(frame), None) => {
                let out = frame.column("out").expect("added");
                assert!(
                    is_alike(out, spark),
                    "{sql}, row {row}: {out:?} instead of {spark}"
                );
            }
            (Err(own), Some(spark)) => {
                let class = spark
                    .as_str()
                    .and_then(|text| text.split_once(']'))
                    .map_or("", |(class, _)| class);
                assert!(own.contains(class), "{sql}, row {row}: {own} instead of {spark}");
            }
            (own, _) => panic!("{sql}, row {row}: {own:?} instead of {spark}"),
        }
    }
}

#[test]
fn expressions_answer_as_spark_does() {
    let text = include_str!("../fixtures/spark_sql.json");
    let fixture: Fixture = serde_json::from_str(text).expect("the fixture");
    assert!(fixture.expressions.len() > 200);
    let columns = frame(&fixture.columns);
    fixture
        .expressions
        .iter()
        .for_each(|expression| check(&columns, expression));
}

#[test]
fn statements_that_do_more_are_refused_with_the_place() {
    let refused = |statement: &str| {
        let stage = json!({ "stages": [{ "type": "SQLTransformer", "statement": statement }] });
        serde_json::from_value::<PipelineSpec>(stage)
            .expect_err(statement)
            .to_string()
    };
    for statement in [
        "SELECT *, a FROM __THIS__ WHERE a > 0",
        "SELECT *, sum(a) AS s FROM __THIS__ GROUP BY b",
        "SELECT DISTINCT *, a AS b FROM __THIS__",
        "SELECT *, a AS b FROM other",
        "SELECT *, a AS b FROM __THIS__ LIMIT 3",
        "SELECT * FROM __THIS__",
        "DROP TABLE x",
    ] {
        assert!(
            refused(statement).contains("expected SELECT *, expression AS name"),
            "{statement}"
        );
    }
    assert!(refused("SELECT a AS b FROM __THIS__").contains("the list begins with *"));
    assert!(refused("SELECT *, a + 1 FROM __THIS__").contains("line 1, column 11: a + 1 has no name"));
    let own = computed(&frame(&BTreeMap::new()), "rand()").expect_err("not known");
    assert!(
        own.contains("line 1, column 11: rand() is not known here"),
        "{own}"
    );
    assert!(refused("SELECT *, (a + FROM __THIS__").contains("Line: 1"));
    let deep = format!(
        "SELECT *, {}1{} AS a FROM __THIS__",
        "(".repeat(5000),
        ")".repeat(5000)
    );
    assert!(refused(&deep).contains("recursion"), "a parser has bounds");
}

#[test]
fn later_columns_may_name_earlier_ones() {
    let stage = json!({
        "type": "SQLTransformer",
        "statement": "SELECT *, `my x` * 2 AS y, y + 1 AS z FROM __THIS__",
    });
    let spec: PipelineSpec = serde_json::from_value(json!({ "stages": [stage] })).expect("a statement");
    assert_eq!(spec.stages[0].inputs(), ["my x"]);
    assert_eq!(spec.stages[0].outputs(), ["y", "z"]);
    let frame = Frame::new(1)
        .with_column("my x", Column::new(rookery_ml::ColumnData::Integer(vec![20])))
        .expect("one column");
    let fitted = PipelineFit::new(spec.clone()).finish().expect("nothing to fit");
    let out = fitted.transform(frame).expect("numbers");
    assert_eq!(out.column("z").expect("added").number(0), Some(41.0));
    let json = serde_json::to_string(&spec).expect("writable");
    assert_eq!(
        serde_json::from_str::<PipelineSpec>(&json).expect("readable"),
        spec
    );
}
