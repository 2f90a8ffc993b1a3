//! [`DecodedTable`]: a CSV source as the engine reads it for a job without a query: typed, cleaned rows.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::physical_plan::FileSource;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::expressions::Column;
use datafusion::physical_plan::projection::ProjectionExec;

use super::opener::DecodedCsv;
use super::{DecodeSpec, DecodedScanExec};
use crate::table::PartitionedTable;

/// The table.
#[derive(Debug)]
pub(crate) struct DecodedTable {
    pieces: PartitionedTable,
    spec: Arc<DecodeSpec>,
    schema: SchemaRef,
}

impl DecodedTable {
    /// The rows that `spec` makes of the pieces of `pieces`: its columns, `__dropped` and `__partition`.
    pub(crate) fn new(pieces: PartitionedTable, spec: DecodeSpec) -> Self {
        let spec = Arc::new(spec);
        let source = DecodedCsv::new(Arc::clone(&spec));
        Self {
            pieces,
            schema: Arc::clone(source.table_schema().table_schema()),
            spec,
        }
    }
}

#[async_trait]
impl TableProvider for DecodedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let pieces = self.pieces.scan(session, None, filters, None).await?;
        let scan = Arc::new(DecodedScanExec::new(pieces, Arc::clone(&self.spec)));
        let Some(projection) = projection else {
            return Ok(scan);
        };
        let columns = projection.iter().map(|i| {
            let name = self.schema.field(*i).name();
            (
                Arc::new(Column::new(name, *i)) as Arc<dyn PhysicalExpr>,
                name.clone(),
            )
        });
        Ok(Arc::new(ProjectionExec::try_new(
            columns.collect::<Vec<_>>(),
            scan,
        )?))
    }
}
