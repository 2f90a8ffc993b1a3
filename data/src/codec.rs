//! [`PlanCodec`]: our own operators as bytes, for plans that travel to workers.

use std::sync::Arc;

use datafusion::common::{Result, exec_datafusion_err, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use serde::{Deserialize, Serialize};

use crate::cache_exec::{CachePartitionExec, CacheSpec};
use crate::compression::CompressedScanExec;
use crate::csv_decode::{DecodeSpec, DecodedScanExec};
use crate::spec::Compression;

#[derive(Debug)]
pub(crate) struct PlanCodec;

/// An operator without its inputs, as JSON.
#[derive(Debug, Serialize, Deserialize)]
enum Node {
    CachePartition(CacheSpec),
    CompressedScan(Compression),
    DecodedScan(DecodeSpec),
}

impl PhysicalExtensionCodec for PlanCodec {
    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buffer: &mut Vec<u8>,
        _converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let node = if let Some(cache) = node.downcast_ref::<CachePartitionExec>() {
            Node::CachePartition(cache.spec().clone())
        } else if let Some(scan) = node.downcast_ref::<CompressedScanExec>() {
            Node::CompressedScan(scan.compression())
        } else if let Some(scan) = node.downcast_ref::<DecodedScanExec>() {
            Node::DecodedScan(scan.spec().clone())
        } else {
            return internal_err!("no bytes for operator {}", node.name());
        };
        serde_json::to_writer(buffer, &node).map_err(|e| exec_datafusion_err!("{e}"))
    }

    fn try_decode(
        &self,
        buffer: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        _context: &TaskContext,
        _converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [input] = inputs else {
            return internal_err!("expected one input, got {}", inputs.len());
        };
        match serde_json::from_slice(buffer)
            .map_err(|e| exec_datafusion_err!("not an operator of ours: {e}"))?
        {
            Node::CachePartition(spec) => Ok(Arc::new(CachePartitionExec::try_new(Arc::clone(input), spec)?)),
            Node::CompressedScan(compression) => CompressedScanExec::decoded(input, compression),
            Node::DecodedScan(spec) => Ok(Arc::new(DecodedScanExec::new(Arc::clone(input), Arc::new(spec)))),
        }
    }
}
