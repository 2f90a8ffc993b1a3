use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::search::target::Attribute;

const TARGETS: [Target; 5] = [
    Target::Runs,
    Target::Experiments,
    Target::RegisteredModels,
    Target::ModelVersions,
    Target::LoggedModels,
];

/// Pieces of the grammar and of what comes near it.
const SOUP: &[&str] = &[
    "metrics",
    "metrics_min",
    "params",
    "tags",
    "attributes",
    "dataset",
    ".",
    ".a",
    ".`a b`",
    ".\"a\"",
    "run_id",
    "name",
    "start_time",
    "`run name`",
    " ",
    "  ",
    "\n",
    "=",
    "!=",
    ">",
    "<=",
    "<>",
    " LIKE ",
    " ilike ",
    " IN ",
    " NOT ",
    " IS ",
    " NULL",
    " AND ",
    "and",
    " or ",
    "(",
    ")",
    ",",
    "'x'",
    "\"y\"",
    "'",
    "\"",
    "`",
    "\\",
    "\\'",
    "''",
    "1",
    "-",
    "1.5",
    "1e",
    "e5",
    "1e999",
    "é",
    "日",
    "\u{0}",
    ";",
    "--",
    "DESC",
    " asc",
];

/// Text that the grammar can write: not with both kinds of quotes, and no backslash that would hide a quote.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[^'\\\\]{0,12}".prop_filter("both quotes pair up or are absent", |text| !text.contains('"')),
        "[a-z' ]{0,12}",
        "[a-z\"% _]{0,12}",
        "\\PC{0,8}".prop_map(|text| text.replace(['\'', '\\'], "")),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9_.]{1,12}", "[^`]{1,12}", "[a-z` ]{1,12}", "\\w{1,8}"]
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::Integer),
        any::<f64>()
            .prop_filter("nothing writes NaN", |real| !real.is_nan())
            .prop_map(Number::Real),
    ]
}

fn metric_values(target: Target) -> &'static [MetricValue] {
    match target {
        Target::Runs => &[MetricValue::Latest, MetricValue::Min, MetricValue::Max],
        Target::LoggedModels => &[MetricValue::Any],
        _ => &[],
    }
}

fn number_clauses(target: Target) -> BoxedStrategy<Clause> {
    let attributes: Vec<NumberAttribute> = target
        .attributes()
        .iter()
        .filter(|key| key.in_filters)
        .filter_map(|key| match key.attribute {
            Attribute::Number(number) => Some(number),
            Attribute::Text(_) => None,
        })
        .collect();
    let takes_fractions = matches!(target, Target::Runs | Target::LoggedModels);
    let mut columns = Vec::new();
    if !attributes.is_empty() {
        columns.push(select(attributes).prop_map(NumberColumn::Attribute).boxed());
    }
    if !metric_values(target).is_empty() {
        let metric = (key(), select(metric_values(target)));
        columns.push(
            metric
                .prop_map(|(key, value)| NumberColumn::Metric { key, value })
                .boxed(),
        );
    }
    if columns.is_empty() {
        return text_clauses(target);
    }
    let columns = proptest::strategy::Union::new(columns);
    (columns, select(&NumberOp::ALL[..]), number())
        .prop_map(move |(column, op, value)| {
            let value = match (&column, value) {
                (NumberColumn::Metric { .. }, Number::Integer(integer)) => Number::Real(integer as f64),
                (NumberColumn::Attribute(_), Number::Real(real)) if !takes_fractions => {
                    Number::Integer(real as i64)
                }
                (_, value) => value,
            };
            Clause::Number { column, op, value }
        })
        .boxed()
}

fn text_clauses(target: Target) -> BoxedStrategy<Clause> {
    let has_params = matches!(target, Target::Runs | Target::LoggedModels);
    let has_nulls = matches!(target, Target::Runs | Target::Experiments);
    let tag = key().prop_map(TextColumn::Tag).boxed();
    let param = if has_params {
        key().prop_map(TextColumn::Param).boxed()
    } else {
        tag.clone()
    };
    let field = select(&DatasetField::ALL[..])
        .prop_map(TextColumn::Dataset)
        .boxed();
    let listed: Vec<TextColumn> = target
        .attributes()
        .iter()
        .filter(|key| key.in_lists)
        .filter_map(|key| match key.attribute {
            Attribute::Text(text) => Some(TextColumn::Attribute(text)),
            Attribute::Number(_) => None,
        })
        .collect();
    let in_list =
        (select(listed.clone()), any::<bool>(), vec(text(), 1..5)).prop_map(|(column, negated, values)| {
            Clause::In {
                column,
                negated,
                values,
            }
        });
    let attribute = select(listed).boxed();
    let dataset = if target == Target::Runs {
        field
    } else {
        attribute.clone()
    };
    let compare = (
        prop_oneof![tag.clone(), param.clone(), dataset],
        select(&TextOp::ALL[..]),
        text(),
    )
        .prop_map(move |(column, op, value)| {
            let is_id = column == TextColumn::Attribute(TextAttribute::ExperimentId);
            let op = if is_id { TextOp::Eq } else { op };
            Clause::Text { column, op, value }
        });
    let null = (prop_oneof![tag, param], any::<bool>())
        .prop_map(|(column, negated)| Clause::Null { column, negated });
    if has_nulls {
        prop_oneof![in_list, compare, null].boxed()
    } else {
        prop_oneof![in_list, compare].boxed()
    }
}

fn filters() -> impl Strategy<Value = Filter> {
    select(&TARGETS[..]).prop_flat_map(|target| {
        vec(prop_oneof![number_clauses(target), text_clauses(target)], 0..6)
            .prop_map(move |clauses| Filter { target, clauses })
    })
}

fn order_terms() -> impl Strategy<Value = (Target, Vec<String>)> {
    let term = prop_oneof![
        key()
            .prop_filter("back ticks", |key| !key.contains('`'))
            .prop_map(|key| format!("metrics.`{key}` DESC")),
        "(params|tags|metrics_min)\\.[a-z]{1,3}( (asc|DESC))?",
        select(
            &[
                "name",
                "Created",
                "run_id desc",
                "experiment_id",
                "last_updated_timestamp",
                "version_number"
            ][..]
        )
        .prop_map(str::to_owned),
    ];
    (select(&TARGETS[..]), vec(term, 0..4))
}

proptest! {
    #[test]
    fn what_prints_parses_to_the_same(filter in filters()) {
        let printed = filter.to_string();
        let parsed = Filter::parse(filter.target, &printed);
        prop_assert_eq!(parsed.expect(&printed), filter, "{}", printed);
    }

    #[test]
    fn orders_print_and_parse_to_the_same((target, terms) in order_terms()) {
        if let Ok(order) = OrderBy::parse(target, &terms) {
            prop_assert_eq!(OrderBy::parse(target, &order.to_strings()).unwrap(), order);
        }
    }

    #[test]
    fn any_text_is_a_filter_or_an_error(target in select(&TARGETS[..]), text in any::<String>()) {
        let _ = Filter::parse(target, &text);
        let _ = OrderBy::parse(target, &[text]);
    }

    #[test]
    fn any_soup_is_a_filter_or_an_error(target in select(&TARGETS[..]), pieces in vec(select(SOUP), 0..20)) {
        let text = pieces.concat();
        let _ = Filter::parse(target, &text);
        let _ = OrderBy::parse(target, std::slice::from_ref(&text));
        let field = OrderField { field_name: text, ascending: true, dataset_name: None, dataset_digest: None };
        let _ = OrderBy::of_logged_models(&[field]);
    }
}
