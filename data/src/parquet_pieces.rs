//! Pieces of Parquet files on this machine's disk, read with the `parquet` crate's blocking reader: page by page and column by
//! column, so that what was read is still in the processor's cache when it is decoded, and a row group's bytes are never in
//! memory as a whole. DataFusion's scan, which fetches whole row groups as one would from a store, reads all others.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::catalog::memory::DataSourceExec;
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_datafusion_err, internal_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use datafusion::physical_expr::projection::Projector;
use datafusion::physical_expr::utils::reassign_expr_columns;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{TryStreamExt, stream};
use object_store::path::Path as Location;
use object_store::{GetOptions, GetRange, GetResultPayload};

use crate::partition::first_byte;
use crate::table::{bytes_of, with_groups};

/// Most rows of a batch. A piece with fewer is one batch, whose columns may be kept as they are.
const MOST_ROWS: usize = 1 << 20;

/// The rows of one group of a Parquet scan's pieces; `None` if it does more than to take columns and compute from them.
pub(crate) fn read_pieces(
    config: &FileScanConfig,
    group: usize,
    context: &Arc<TaskContext>,
) -> Result<Option<SendableRecordBatchStream>> {
    let source = config.file_source();
    let (Some(projection), None, None) = (source.projection(), source.filter(), config.limit) else {
        return Ok(None);
    };
    let table = source.table_schema();
    let wanted = projection.column_indices();
    let read: SchemaRef = Arc::new(table.table_schema().project(&wanted)?);
    let projection = projection
        .clone()
        .try_map_exprs(|expr| reassign_expr_columns(expr, &read))?;
    let in_file = table.file_schema().fields().len();
    let (of_file, of_piece): (Vec<usize>, Vec<usize>) = wanted.iter().partition(|i| **i < in_file);
    let columns = Columns {
        of_file: of_file.len(),
        of_piece: of_piece.iter().map(|i| i - in_file).collect(),
        projector: projection.make_projector(&read)?,
        read,
    };
    let schema = Arc::clone(columns.projector.output_schema());
    let mut files = config.file_groups[group].clone().into_inner();
    files.reverse();
    let pieces = Pieces {
        columns: Arc::new(columns),
        config: config.clone(),
        context: Arc::clone(context),
        files,
        footer: None,
    };
    let streams = stream::try_unfold(pieces, |mut pieces| async move {
        let next = pieces.next().await?;
        Ok::<_, DataFusionError>(next.map(|rows| (rows, pieces)))
    });
    Ok(Some(Box::pin(RecordBatchStreamAdapter::new(
        schema,
        streams.try_flatten(),
    ))))
}

/// Which columns are read, and what is made of them.
struct Columns {
    /// Columns of the file and, behind them, of values that a whole piece has in common.
    read: SchemaRef,
    /// How many are the file's.
    of_file: usize,
    /// Which of a piece's values the others are.
    of_piece: Vec<usize>,
    /// What is wanted of them.
    projector: Projector,
}

/// What is left to read.
struct Pieces {
    columns: Arc<Columns>,
    config: FileScanConfig,
    context: Arc<TaskContext>,
    /// The last one comes next.
    files: Vec<PartitionedFile>,
    /// The footer that was read last: pieces of one file follow each other.
    footer: Option<(Location, ArrowReaderMetadata)>,
}

impl Pieces {
    async fn next(&mut self) -> Result<Option<SendableRecordBatchStream>> {
        let Some(piece) = self.files.pop() else {
            return Ok(None);
        };
        let rows = match self.open(&piece).await? {
            Some(reader) => self.blocking(reader, piece.partition_values),
            None => self.by_the_engine(piece)?,
        };
        Ok(Some(rows))
    }

    /// A reader of the piece, if its file is on disk and has the columns as they are wanted.
    async fn open(&mut self, piece: &PartitionedFile) -> Result<Option<ParquetRecordBatchReader>> {
        let url: &ObjectStoreUrl = &self.config.object_store_url;
        let store = self.context.runtime_env().object_store(url)?;
        let range = bytes_of(piece);
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            ..GetOptions::default()
        };
        let location = &piece.object_meta.location;
        let GetResultPayload::File(file, _) = store.get_opts(location, options).await?.payload else {
            return Ok(None);
        };
        let footer = match self.footer.take() {
            Some((of, footer)) if of == *location => footer,
            _ => {
                let file = file.try_clone()?;
                blocking(move || Ok(ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())?)).await?
            }
        };
        self.footer = Some((location.clone(), footer.clone()));
        match self.columns.are_in(footer.schema()) {
            Some(roots) => Ok(Some(reader(file, footer, range, roots)?)),
            None => Ok(None),
        }
    }

    /// The rows that `reader` reads, on threads that may block.
    fn blocking(
        &self,
        reader: ParquetRecordBatchReader,
        values: Vec<ScalarValue>,
    ) -> SendableRecordBatchStream {
        let columns = Arc::clone(&self.columns);
        let schema = Arc::clone(columns.projector.output_schema());
        let batches = stream::try_unfold(reader, move |mut reader| {
            let (columns, values) = (Arc::clone(&columns), values.clone());
            blocking(move || {
                let batch = reader.next().transpose()?;
                let batch = batch.map(|batch| columns.project(&batch, &values)).transpose()?;
                Ok(batch.map(|batch| (batch, reader)))
            })
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }

    fn by_the_engine(&self, piece: PartitionedFile) -> Result<SendableRecordBatchStream> {
        let config = with_groups(&self.config, vec![FileGroup::new(vec![piece])]);
        DataSourceExec::from_data_source(config).execute(0, Arc::clone(&self.context))
    }
}

/// Runs `work` on a thread that may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| DataFusionError::External(Box::new(e)))?
}

fn reader(
    file: File,
    footer: ArrowReaderMetadata,
    range: std::ops::Range<u64>,
    roots: Vec<usize>,
) -> Result<ParquetRecordBatchReader> {
    let groups = footer.metadata().row_groups().iter().enumerate();
    let starts = groups.filter(|(_, group)| first_byte(group).is_some_and(|start| range.contains(&start)));
    let (groups, rows): (Vec<usize>, Vec<i64>) = starts.map(|(i, group)| (i, group.num_rows())).unzip();
    let rows = rows.iter().sum::<i64>().max(1) as usize;
    let mask = ProjectionMask::roots(footer.parquet_schema(), roots);
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, footer)
        .with_row_groups(groups)
        .with_projection(mask)
        .with_batch_size(rows.min(MOST_ROWS));
    Ok(builder.build()?)
}

impl Columns {
    /// Where the columns are in a file of this schema; `None` if it has not all of them, of the same types.
    fn are_in(&self, schema: &Schema) -> Option<Vec<usize>> {
        let position = |field: &FieldRef| {
            let (position, found) = schema.column_with_name(field.name())?;
            (found.data_type() == field.data_type()).then_some(position)
        };
        self.read.fields()[..self.of_file].iter().map(position).collect()
    }

    /// What the plan wants of rows of a file, of a piece with these `values`.
    fn project(&self, rows: &RecordBatch, values: &[ScalarValue]) -> Result<RecordBatch> {
        let count = rows.num_rows();
        let of_file = self.read.fields()[..self.of_file].iter().map(|field| {
            let column = rows.column_by_name(field.name());
            column
                .cloned()
                .ok_or_else(|| internal_datafusion_err!("column {} was not read", field.name()))
        });
        let of_piece = self.of_piece.iter().map(|i| match values.get(*i) {
            Some(value) => value.to_array_of_size(count),
            None => internal_err!("a piece of a file without its number"),
        });
        let columns = of_file.chain(of_piece).collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let read = RecordBatch::try_new_with_options(Arc::clone(&self.read), columns, &options)?;
        self.projector.project_batch(&read)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float32Array, Int64Array, StringArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::{DataType, Field};
    use datafusion::datasource::provider_as_source;
    use datafusion::logical_expr::{LogicalPlanBuilder, col};
    use datafusion::parquet::arrow::ArrowWriter;
    use datafusion::parquet::file::properties::WriterProperties;
    use datafusion::physical_expr::projection::ProjectionExprs;

    use super::*;
    use crate::source::Source;
    use crate::stores::{AnnouncedStore, Environment};
    use crate::table::{PARTITION_COLUMN, PartitionedTable, partitioned_scan};

    /// Two files of 1,000 rows in row groups of 90, columns with and without nulls.
    async fn source(folder: &tempfile::TempDir) -> Source {
        for (name, first) in [("a.parquet", 0_i64), ("b.parquet", 1000)] {
            let rows = || first..first + 1000;
            let columns: Vec<(&str, ArrayRef)> = vec![
                ("id", Arc::new(Int64Array::from_iter_values(rows()))),
                (
                    "x",
                    Arc::new(Float32Array::from_iter_values(
                        rows().map(|i| (i * 37 % 101) as f32),
                    )),
                ),
                (
                    "y",
                    Arc::new(
                        rows()
                            .map(|i| (i % 7 != 0).then_some(i as f32 / 3.0))
                            .collect::<Float32Array>(),
                    ),
                ),
                (
                    "t",
                    Arc::new(
                        rows()
                            .map(|i| (i % 5 != 0).then(|| format!("ñ{}", i % 11)))
                            .collect::<StringArray>(),
                    ),
                ),
            ];
            let batch = RecordBatch::try_from_iter(columns).unwrap();
            let groups = WriterProperties::builder()
                .set_max_row_group_row_count(Some(90))
                .build();
            let file = File::create(folder.path().join(name)).unwrap();
            let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(groups)).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
        }
        let spec = serde_json::from_str(r#"{"path": "*.parquet"}"#).unwrap();
        // Two or three row groups in a piece.
        Source::open("t", &spec, folder.path(), 3000, &Environment::none(), 0)
            .await
            .unwrap()
    }

    async fn all(rows: SendableRecordBatchStream) -> RecordBatch {
        let schema = rows.schema();
        let batches: Vec<RecordBatch> = rows.try_collect().await.unwrap();
        concat_batches(&schema, &batches).unwrap()
    }

    #[tokio::test]
    async fn rows_are_those_that_the_engine_reads() {
        let folder = tempfile::tempdir().unwrap();
        let source = source(&folder).await;
        assert!(source.parts.len() > 6, "{} pieces", source.parts.len());
        let session = crate::engine::local_session();
        let store = AnnouncedStore::new("d", source.files.clone());
        let table = Arc::new(PartitionedTable::new(Arc::new(source), "d").unwrap());
        let url = crate::stores::url_of("d").unwrap();
        session.runtime_env().register_object_store(url.as_ref(), store);
        let scan =
            || LogicalPlanBuilder::scan("t", provider_as_source(Arc::clone(&table) as _), None).unwrap();
        let number = || col(PARTITION_COLUMN);
        for columns in [
            vec![number(), col("id"), col("x"), col("y"), col("t")],
            vec![col("t"), number(), col("x") + col("y")],
            vec![number()],
        ] {
            let plan = scan().project(columns).unwrap().build().unwrap();
            let plan = session
                .execute_logical_plan(plan)
                .await
                .unwrap()
                .create_physical_plan()
                .await
                .unwrap();
            let mut node = Arc::clone(&plan);
            while partitioned_scan(&node).is_none() {
                node = Arc::clone(node.children()[0]);
            }
            let config = partitioned_scan(&node).unwrap();
            let mut seen = 0;
            for group in 0..2 {
                let own = read_pieces(config, group, &session.task_ctx())
                    .unwrap()
                    .expect("nothing but columns");
                let (own, engines) = (
                    all(own).await,
                    all(node.execute(group, session.task_ctx()).unwrap()).await,
                );
                assert_eq!(own.columns(), engines.columns());
                seen += own.num_rows();
            }
            assert_eq!(seen, 2000);
            let mut limited = config.clone();
            limited.limit = Some(3);
            assert!(read_pieces(&limited, 0, &session.task_ctx()).unwrap().is_none());
        }
    }

    #[test]
    fn columns_of_another_type_are_for_the_engine() {
        let field = |name, data_type| Field::new(name, data_type, true);
        let read = Arc::new(Schema::new(vec![
            field("x", DataType::Float32),
            field("n", DataType::UInt32),
        ]));
        let columns = Columns {
            projector: ProjectionExprs::from_indices(&[0, 1], &read)
                .make_projector(&read)
                .unwrap(),
            read,
            of_file: 1,
            of_piece: vec![0],
        };
        let file = |x: DataType| Schema::new(vec![field("n", DataType::Utf8), field("x", x)]);
        assert_eq!(columns.are_in(&file(DataType::Float32)), Some(vec![1]));
        assert_eq!(columns.are_in(&file(DataType::Float64)), None);
        assert_eq!(columns.are_in(&Schema::empty()), None);
    }
}
