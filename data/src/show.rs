//! Rows for people: the first ones, or a random sample, of the cleaned rows.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};

use crate::cache::PartitionCache;
use crate::cache_exec::Arrival;
use crate::clean::CleaningReport;
use crate::dataset::Dataset;
use crate::engine::Engine;
use crate::error::{DataError, Result};
use crate::plan::IngestPlan;
use crate::spec::{SplitMethod, SplitSpec};
use crate::split::XorShiftRandom;

/// Rows to show, and what cleaning did to the rows that were read for it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The rows, all columns.
    pub rows: RecordBatch,
    /// What cleaning did.
    pub cleaning: CleaningReport,
}

/// The first `count` cleaned rows, in file order. Reads one partition when that has enough rows.
pub async fn head(plan: &IngestPlan, count: usize, deadline: Duration) -> Result<Shown> {
    let first = unsplit(plan, Some(1));
    let shown = match read(&first, deadline, |_, rows| (0..rows as u32).collect()).await {
        Ok(shown) if shown.rows.num_rows() >= count || plan.partition_count() <= 1 => shown,
        // Too few rows in the first partition, or none at all.
        _ => {
            read(&unsplit(plan, None), deadline, |_, rows| {
                (0..rows as u32).collect()
            })
            .await?
        }
    };
    let rows = shown.rows.slice(0, count.min(shown.rows.num_rows()));
    Ok(Shown { rows, ..shown })
}

/// A random sample without replacement, the rows of Spark's `sample(fraction, seed)`: one draw for each row of a
/// partition from a generator seeded with `seed + partition`.
///
/// # Errors
/// A fraction outside [0, 1], and what [`Dataset::materialize`] refuses.
pub async fn sample(plan: &IngestPlan, fraction: f64, seed: i64, deadline: Duration) -> Result<Shown> {
    if !(0.0..=1.0).contains(&fraction) {
        return Err(DataError::spec(format!(
            "a fraction of {fraction}, expected a number from 0 to 1"
        )));
    }
    read(&unsplit(plan, None), deadline, |partition, rows| {
        let mut random = XorShiftRandom::new(seed.wrapping_add(i64::from(partition)));
        (0..rows as u32)
            .filter(|_| random.next_double() < fraction)
            .collect()
    })
    .await
}

/// The plan with every row in part 0, in file order; over the first partitions only, if rows keep them.
fn unsplit(plan: &IngestPlan, partitions: Option<usize>) -> IngestPlan {
    let mut plan = plan.clone();
    plan.split = SplitSpec {
        method: SplitMethod::Row,
        weights: vec![1.0, 0.0],
        seed: 0,
        key: Vec::new(),
    };
    let in_order = plan.arrival() == Arrival::InOrder;
    if let (Some(count), [source]) = (partitions.filter(|_| in_order), plan.sources.as_mut_slice()) {
        let mut fewer = source.as_ref().clone();
        fewer.parts.truncate(count);
        *source = Arc::new(fewer);
    }
    plan
}

/// Reads in this process, and takes of each partition the rows that `choose` says.
async fn read(
    plan: &IngestPlan,
    deadline: Duration,
    mut choose: impl FnMut(u32, usize) -> Vec<u32>,
) -> Result<Shown> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let cache = PartitionCache::new("local");
    let dataset = Dataset::materialize(
        &Engine::local(Arc::clone(&cache), threads),
        plan,
        "shown",
        deadline,
    )
    .await?;
    let mut chosen = Vec::new();
    let mut schema = None;
    for partition in &dataset.partitions {
        let Some(cached) = cache.get(&dataset.id, partition.number)? else {
            continue;
        };
        let rows = cached.batch(0, 0, cached.rows_of(0))?;
        let taken = UInt32Array::from(choose(partition.number, rows.num_rows()));
        chosen.push(take_record_batch(&rows, &taken).map_err(|e| DataError::internal(e.to_string()))?);
        schema = Some(Arc::clone(&cached.schema));
    }
    let schema = schema.ok_or_else(|| DataError::internal("a dataset without partitions"))?;
    let rows = concat_batches(&schema, &chosen).map_err(|e| DataError::internal(e.to_string()))?;
    Ok(Shown {
        rows,
        cleaning: dataset.cleaning,
    })
}

/// Rows as a text table with a header.
pub fn to_table(rows: &RecordBatch) -> Result<String> {
    arrow::util::pretty::pretty_format_batches(std::slice::from_ref(rows))
        .map(|table| table.to_string())
        .map_err(|e| DataError::internal(e.to_string()))
}

/// Rows as JSON objects, one a line; nulls are left out.
pub fn to_json_lines(rows: &RecordBatch) -> Result<String> {
    let mut lines = Vec::new();
    for row in 0..rows.num_rows() {
        let mut object = serde_json::Map::new();
        for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
            if let Some(value) = json_value(column, row)? {
                object.insert(field.name().clone(), value);
            }
        }
        lines.push(serde_json::Value::Object(object).to_string());
    }
    Ok(lines.join("\n"))
}

fn json_value(column: &arrow::array::ArrayRef, row: usize) -> Result<Option<serde_json::Value>> {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type};
    if column.is_null(row) {
        return Ok(None);
    }
    Ok(Some(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        // As it is written: 39.1, not the 64-bit number next to it. What is no number in JSON is null.
        DataType::Float32 => {
            let text = column.as_primitive::<Float32Type>().value(row).to_string();
            serde_json::from_str(&text).unwrap_or_default()
        }
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).into(),
        other => return Err(DataError::internal(format!("no JSON for {other}"))),
    }))
}
