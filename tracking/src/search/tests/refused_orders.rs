use super::*;

#[test]
fn orders() {
    const UNPARSABLE: &str = "Invalid order_by clause '";
    let table: &[(Target, &[&str], &str)] = &[
        (Target::Runs, &[""], UNPARSABLE),
        (Target::Runs, &["   "], UNPARSABLE),
        (Target::Runs, &["desc"], UNPARSABLE),
        (Target::Runs, &["metrics.a DESC DESC"], UNPARSABLE),
        (Target::Runs, &["metrics.a, metrics.b"], UNPARSABLE),
        (Target::Runs, &["metrics.a-b"], UNPARSABLE),
        (Target::Runs, &["start_time NULLS LAST"], UNPARSABLE),
        (
            Target::Runs,
            &["params.a b"],
            "Invalid ordering key in order_by clause 'params.a b'.",
        ),
        (
            Target::Runs,
            &["foo"],
            "Invalid attribute key 'foo' specified. Valid keys are ",
        ),
        (
            Target::Runs,
            &["foo.a"],
            "Invalid entity type 'foo'. Valid values are ",
        ),
        (
            Target::Runs,
            &["dataset.name"],
            "Invalid identifier type 'dataset'",
        ),
        (
            Target::Runs,
            &["Created", "start_time DESC"],
            "`order_by` contains duplicate fields: ",
        ),
        (
            Target::Runs,
            &["attributes.`Run Name`"],
            "Invalid attribute key 'Run Name' specified",
        ),
        (
            Target::RegisteredModels,
            &["nope"],
            "Invalid order by key 'nope' specified",
        ),
        (Target::Experiments, &["tags.a"], "Invalid order_by entity: tag"),
        (
            Target::ModelVersions,
            &["run_id"],
            "Invalid attribute key 'run_id' specified",
        ),
        (
            Target::ModelVersions,
            &["version"],
            "Invalid attribute key 'version' specified",
        ),
    ];
    for (target, terms, head) in table {
        let message = order(*target, terms).expect_err(head).to_string();
        assert!(message.starts_with(head), "{terms:?}: {message}");
    }
}
