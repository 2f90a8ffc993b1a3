//! Adds file and line to a failure that a worker raised about a row: it knows the partition only.

use std::collections::BTreeSet;

use rookery_data::IngestPlan;
use rookery_data::unusable::first_unusable;
use rookery_ml::PipelineSpec;
use rookery_proto::{ErrorClass, Failure};

use crate::job_spec::ValidJobSpec;

/// The failure, with the place of the first record that can't be trained on, if it is about the data and there is
/// one. Reads the files once more.
pub(crate) async fn locate_record(failure: Failure, plan: &IngestPlan, spec: &ValidJobSpec) -> Failure {
    let in_partition = failure
        .location
        .as_ref()
        .is_some_and(|location| location.starts_with("partition"));
    if failure.class != ErrorClass::Data || !in_partition {
        return failure;
    }
    let features = source_columns(&spec.pipeline, &spec.features);
    match first_unusable(plan, &features, &spec.label).await {
        Some(record) => {
            let hint = format!(
                "column \"{}\" holds \"{}\" there; mend it, or drop such rows with drop_nulls and null_tokens",
                record.column, record.value
            );
            failure.at(record.place).hint(hint)
        }
        None => failure,
    }
}

/// Columns of the source that `column` is made of.
fn source_columns(pipeline: &PipelineSpec, column: &str) -> Vec<String> {
    let mut needed = BTreeSet::from([column.to_string()]);
    for stage in pipeline.stages.iter().rev() {
        let outputs = stage.outputs();
        if outputs.iter().any(|output| needed.contains(*output)) {
            needed.retain(|column| !outputs.contains(&column.as_str()));
            needed.extend(stage.inputs().into_iter().map(str::to_string));
        }
    }
    needed.into_iter().collect()
}
