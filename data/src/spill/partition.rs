//! [`SpilledPartition`]: a partition on disk, a file for each part of the split, since mostly one part is asked for. Columns that
//! blocks share lie in the file as in memory; the others are an Arrow stream behind them. Either way nothing is copied out
//! of what was read.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, RecordBatch, RecordBatchOptions};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{Float32Type, Float64Type, SchemaRef, ToByteSlice as _};
use arrow::error::ArrowError;
use arrow_ipc::writer::StreamWriter;
use rookery_ml::{SharedColumn, SharedValues};

use super::file::{AlignedBytes, SpillFile, SpillWriter, Unreadable};
use super::folder::SpillFolder;
use super::rows::{decoded, written_badly};
use crate::cache::CachedPartition;
use crate::error::{DataError, Result};
use crate::gather::PartitionReport;
use crate::lean::{self, Kept};

/// A partition on disk. What is not its rows stays in memory.
#[derive(Debug)]
pub(crate) struct SpilledPartition {
    schema: SchemaRef,
    parts: Vec<SpilledPart>,
    pub(crate) report: PartitionReport,
    pub(crate) attempt: u32,
}

#[derive(Debug)]
struct SpilledPart {
    file: SpillFile,
    rows: usize,
    /// The types that its columns are kept in.
    schema: SchemaRef,
    columns: Vec<Place>,
    /// Where the columns are that blocks don't share; `None` if there are none.
    others: Option<Range<usize>>,
}

/// Where a column is.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Its values, with the zeros behind them, from this byte on.
    Single(usize),
    Double(usize),
    /// The next of the others.
    Other,
}

impl SpilledPartition {
    /// Writes a partition.
    ///
    /// # Errors
    /// The operating system says no.
    pub(crate) fn write(partition: &CachedPartition, folder: &SpillFolder) -> Result<Self> {
        let parts = (0..partition.parts.len()).map(|part| SpilledPart::write(partition.part(part)?, folder));
        Ok(Self {
            schema: Arc::clone(&partition.schema),
            parts: parts.collect::<Result<_>>()?,
            report: partition.report.clone(),
            attempt: partition.attempt,
        })
    }

    /// Reads the partition, or `only` one part of it.
    ///
    /// # Errors
    /// A file was damaged, or can't be read.
    pub(crate) fn read(&self, only: Option<usize>) -> std::result::Result<CachedPartition, Unreadable> {
        let read = |(number, part): (usize, &SpilledPart)| match only.is_none_or(|only| only == number) {
            true => part.read().map(Some),
            false => Ok(None),
        };
        let parts = self.parts.iter().enumerate().map(read);
        Ok(CachedPartition {
            schema: Arc::clone(&self.schema),
            parts: parts.collect::<std::result::Result<_, _>>()?,
            report: self.report.clone(),
            attempt: self.attempt,
            is_passing: true,
            held: None,
        })
    }
}

impl SpilledPart {
    fn write(kept: &Kept, folder: &SpillFolder) -> Result<Self> {
        let mut file = folder.file()?;
        let (mut columns, mut others) = (Vec::new(), Vec::new());
        for column in 0..kept.rows.num_columns() {
            columns.push(match kept.shared(column) {
                Some(SharedColumn::Single(values)) => Place::Single(file.put((**values).to_byte_slice())?),
                Some(SharedColumn::Double(values)) => Place::Double(file.put((**values).to_byte_slice())?),
                None => {
                    others.push(column);
                    Place::Other
                }
            });
        }
        let others = match others.is_empty() {
            true => None,
            false => Some(write_stream(&kept.rows, &others, &mut file)?),
        };
        Ok(Self {
            file: file.finish()?,
            rows: kept.rows.num_rows(),
            schema: kept.rows.schema(),
            columns,
            others,
        })
    }

    fn read(&self) -> std::result::Result<Kept, Unreadable> {
        let bytes = self.file.read()?;
        self.kept(&bytes).map_err(Unreadable::Failed)
    }

    fn kept(&self, bytes: &AlignedBytes) -> Result<Kept> {
        let others = match &self.others {
            Some(range) => decoded(bytes, range.clone())?,
            None => Vec::new(),
        };
        let mut others = others.iter().flat_map(|batch| batch.columns().iter().cloned());
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        let mut shared = Vec::with_capacity(self.columns.len());
        for place in &self.columns {
            let (column, values) = match place {
                Place::Single(start) => {
                    let values = self.values::<Float32Type>(bytes, *start);
                    let column = lean::unpadded::<Float32Type>(&values, self.rows);
                    (column, Some(SharedColumn::Single(SharedValues::new(values))))
                }
                Place::Double(start) => {
                    let values = self.values::<Float64Type>(bytes, *start);
                    let column = lean::unpadded::<Float64Type>(&values, self.rows);
                    (column, Some(SharedColumn::Double(SharedValues::new(values))))
                }
                Place::Other => {
                    let column = others.next();
                    (
                        column.ok_or_else(|| DataError::internal("a spilled column is missing"))?,
                        None,
                    )
                }
            };
            columns.push(column);
            shared.push(values);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
        let rows = rows.map_err(|e| DataError::internal(e.to_string()))?;
        Ok(Kept::new(rows, shared))
    }

    /// The values of a shared column, with the zeros behind them.
    fn values<T: ArrowPrimitiveType>(&self, bytes: &AlignedBytes, start: usize) -> ScalarBuffer<T::Native> {
        let first = start / size_of::<T::Native>();
        ScalarBuffer::new(bytes.buffer().clone(), first, SharedColumn::padded(self.rows))
    }
}

/// Writes some columns as one Arrow stream; returns where it is.
fn write_stream(rows: &RecordBatch, columns: &[usize], file: &mut SpillWriter) -> Result<Range<usize>> {
    let start = file.align()?;
    let mut write = || -> std::result::Result<(), ArrowError> {
        let rows = rows.project(columns)?;
        let mut stream = StreamWriter::try_new(&mut *file, rows.schema_ref())?;
        stream.write(&rows)?;
        stream.finish()
    };
    if let Err(error) = write() {
        return Err(written_badly(file, &error));
    }
    Ok(start..file.position())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::array::{Array, BooleanArray, Float64Array, Int64Array, StringArray, UInt32Array};
    use arrow::datatypes::{Field, Schema};

    use super::*;
    use crate::spill::MemoryLimit;

    /// Columns that are kept as floats and as doubles, some with nulls, and text; of two parts one has no rows.
    fn partition(rows: usize) -> CachedPartition {
        let doubles = |value: fn(usize) -> f64| -> ArrayRef {
            Arc::new((0..rows).map(|row| Some(value(row))).collect::<Float64Array>())
        };
        let some = |row: usize| (row % 3 != 1).then_some(row as f64 / 7.0);
        let columns: Vec<(&str, ArrayRef)> = vec![
            (
                "floats",
                doubles(|row| if row == 1 { -0.0 } else { row as f64 / 4.0 }),
            ),
            (
                "text",
                Arc::new(
                    (0..rows)
                        .map(|row| Some(format!("ü{row}")))
                        .collect::<StringArray>(),
                ),
            ),
            (
                "doubles",
                doubles(|row| if row == 2 { f64::NAN } else { row as f64 / 3.0 }),
            ),
            ("some", Arc::new((0..rows).map(some).collect::<Float64Array>())),
            (
                "whole",
                Arc::new((0..rows).map(|row| Some(row as i64)).collect::<Int64Array>()),
            ),
            (
                "yes",
                Arc::new((0..rows).map(|row| Some(row % 2 == 0)).collect::<BooleanArray>()),
            ),
        ];
        let field = |(name, column): &(&str, ArrayRef)| Field::new(*name, column.data_type().clone(), true);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<Field>>()));
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        let all = UInt32Array::from_iter_values(0..rows as u32);
        let none = UInt32Array::from_iter_values([]);
        let kept = |rows| Some(lean::gather(&schema, std::slice::from_ref(&batch), &[rows]).unwrap());
        CachedPartition {
            parts: vec![kept(all), kept(none)],
            schema,
            report: PartitionReport {
                partition: 3,
                rows_read: rows as u64,
                dropped: BTreeMap::new(),
                parts: vec![rows as u64, 0],
                memory_bytes: 0,
                content_hash: "a".to_string(),
            },
            attempt: 0,
            is_passing: false,
            held: None,
        }
    }

    /// Everything that there is of a column, zeros behind it included.
    fn bits(partition: &CachedPartition, part: usize) -> Vec<String> {
        let rows = &partition.part(part).unwrap().rows;
        let column = |(i, column): (usize, &ArrayRef)| {
            let shared: Option<Vec<u64>> = match partition.part(part).unwrap().shared(i) {
                Some(SharedColumn::Single(values)) => {
                    Some(values.iter().map(|x| u64::from(x.to_bits())).collect())
                }
                Some(SharedColumn::Double(values)) => Some(values.iter().map(|x| x.to_bits()).collect()),
                None => None,
            };
            let data = column.to_data();
            assert_eq!(data.len(), rows.num_rows());
            match shared {
                Some(shared) => format!("{:?} {shared:?}", column.data_type()),
                None => format!("{:?} {column:?}", column.data_type()),
            }
        };
        rows.columns().iter().enumerate().map(column).collect()
    }

    #[test]
    fn a_partition_is_read_back_bit_for_bit() {
        let directory = tempfile::tempdir().unwrap();
        let limit = MemoryLimit::new(1, directory.path(), "http://here/").unwrap();
        for rows in [0, 1, 8, 1000] {
            let partition = partition(rows);
            let spilled = SpilledPartition::write(&partition, limit.folder()).unwrap();
            let back = spilled.read(None).unwrap();
            assert!(back.is_passing && !partition.is_passing);
            assert_eq!(back.schema, partition.schema);
            assert_eq!((back.rows_of(0), back.rows_of(1)), (rows, 0));
            for part in [0, 1] {
                assert_eq!(bits(&back, part), bits(&partition, part), "{rows} rows");
                assert_eq!(back.rows_within(part, 1000), partition.rows_within(part, 1000));
                let kept = |partition: &CachedPartition| partition.part(part).unwrap().rows.schema();
                assert_eq!(kept(&back), kept(&partition));
            }
            // The second row is the first that lacks a value.
            if rows > 1 {
                assert!(back.shared_column(0, "floats").is_some() && back.shared_column(0, "some").is_none());
            }
        }
        assert_eq!(limit.disk_bytes(), 0, "files go with their partition");
    }

    #[test]
    fn one_part_is_read_alone() {
        let directory = tempfile::tempdir().unwrap();
        let limit = MemoryLimit::new(1, directory.path(), "http://here/").unwrap();
        let spilled = SpilledPartition::write(&partition(10), limit.folder()).unwrap();
        let back = spilled.read(Some(1)).unwrap();
        assert_eq!(
            (back.rows_of(0), back.rows_of(1)),
            (10, 0),
            "how many rows there are is known"
        );
        assert!(back.batch(0, 0, 10).is_err(), "a part that was not asked for");
        assert_eq!(back.batch(1, 0, 10).unwrap().num_rows(), 0);
    }
}
