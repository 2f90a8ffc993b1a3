//! Blocks of a partition's training part. Where the features are columns that are cached anyway, at most scaled and shifted,
//! blocks share them; where they are computed in another way, or rows may go, they are copied. Which of the two follows from
//! plan and rows alone.

use rookery_data::cache::CachedPartition;
use rookery_data::spill::AlignedBytes;
use rookery_ml::{
    Affine, Assembled, Block, BlockBuilder, BlockLayout, FittedPipeline, Frame, KernelCoefficients, MlError,
    Partial, SharedBlocks, Summary, evaluate_blocks,
};
use rookery_proto::{ErrorClass, Failure};

use super::{FRAME_ROWS, LabelColumns, TRAINING_PART, frames};
use crate::error::of_ml;

/// The blocks of a partition.
#[derive(Debug)]
pub(crate) struct Blocks {
    blocks: Vec<Block>,
    /// How the blocks' columns become features; `None` if they are features.
    affine: Option<Affine>,
    /// Whether they share columns of the partition.
    is_shared: bool,
}

impl Blocks {
    /// Rows of them all.
    pub(super) fn rows(&self) -> usize {
        self.blocks.iter().map(Block::rows).sum()
    }

    /// Whether they share columns of their partition, and keep it in memory.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// The blocks as bytes, with what they share.
    pub(crate) fn packed(&self) -> Result<(BlockLayout, AlignedBytes), MlError> {
        let layout = BlockLayout::of(&self.blocks);
        let mut packed = Ok(());
        let bytes = AlignedBytes::filled(layout.bytes(), |bytes| packed = layout.pack(&self.blocks, bytes));
        packed.map(|()| (layout, bytes))
    }

    /// The blocks that such bytes hold. They share the bytes alone.
    pub(crate) fn unpacked(
        layout: &BlockLayout,
        bytes: &AlignedBytes,
        affine: Option<Affine>,
    ) -> Result<Self, MlError> {
        Ok(Self {
            blocks: layout.unpack(&bytes.packed())?,
            affine,
            is_shared: false,
        })
    }

    pub(crate) fn into_affine(self) -> Option<Affine> {
        self.affine
    }

    #[cfg(test)]
    pub(crate) fn for_tests(blocks: Vec<Block>, is_shared: bool) -> Self {
        Self {
            blocks,
            affine: None,
            is_shared,
        }
    }

    #[cfg(test)]
    pub(crate) fn all(&self) -> &[Block] {
        &self.blocks
    }

    /// Bytes that they take, without those that they share.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.blocks.iter().map(Block::memory_bytes).sum()
    }

    /// The summary of the features, the rows' weights times the factors of their classes, where there are such factors.
    pub(super) fn summary(&self, class_weights: &[f64]) -> Result<Summary, MlError> {
        let summary = Summary::of_weighted_blocks(&self.blocks, class_weights)?;
        Ok(match &self.affine {
            Some(affine) => affine.summary(summary),
            None => summary,
        })
    }

    /// Losses and gradients at each of the coefficients of the features.
    pub(super) fn evaluate(&self, asked: &[KernelCoefficients]) -> Result<Vec<Partial>, MlError> {
        let of_columns = self.affine.as_ref().map(|affine| {
            let coefficients = asked.iter().map(|asked| affine.coefficients(asked));
            coefficients.collect::<Vec<_>>()
        });
        let coefficients = of_columns.as_deref().unwrap_or(asked);
        let partials = evaluate_blocks(&self.blocks, coefficients)?;
        Ok(match &self.affine {
            Some(affine) => {
                let of_features = partials.into_iter().zip(asked);
                of_features
                    .map(|(partial, asked)| affine.partial(partial, asked.classes))
                    .collect()
            }
            None => partials,
        })
    }
}

pub(super) fn blocks_of(
    partition: &CachedPartition,
    pipeline: &FittedPipeline,
    features: &str,
    columns: &LabelColumns,
) -> Result<Blocks, Failure> {
    if let Some(blocks) = shared(partition, pipeline, features, columns) {
        return Ok(blocks);
    }
    Ok(Blocks {
        blocks: copied(partition, pipeline, features, columns)?,
        affine: None,
        is_shared: false,
    })
}

/// Blocks that share the cached columns; `None` where that can't be done, or where a row has to be refused, which is the
/// affair of [`copied`].
fn shared(
    partition: &CachedPartition,
    pipeline: &FittedPipeline,
    features: &str,
    columns: &LabelColumns,
) -> Option<Blocks> {
    let names = [Some(&columns.label), columns.weight.as_ref()];
    let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
    let Assembled { inputs, affine, rest } = pipeline.assembled(features, &names)?;
    let inputs = inputs
        .iter()
        .map(|name| partition.shared_column(TRAINING_PART, name));
    let mut blocks = SharedBlocks::new(inputs.collect::<Option<_>>()?, columns.weight.is_some());
    let read = names.iter().flat_map(|name| rest.source_columns(name));
    let read: std::collections::BTreeSet<String> = read.collect();
    for start in (0..partition.rows_of(TRAINING_PART)).step_by(FRAME_ROWS) {
        let names = read.iter().map(String::as_str);
        let frame = partition.frame_of(names, TRAINING_PART, start, FRAME_ROWS).ok()?;
        let frame = rest.transform(frame).ok()?;
        blocks.push_labels(&frame, &columns.label, columns.weight.as_deref())?;
    }
    Some(Blocks {
        blocks: blocks.finish()?,
        affine: (!affine.is_identity()).then_some(affine),
        is_shared: true,
    })
}

fn copied(
    partition: &CachedPartition,
    pipeline: &FittedPipeline,
    features: &str,
    columns: &LabelColumns,
) -> Result<Vec<Block>, Failure> {
    let mut builder: Option<BlockBuilder> = None;
    for frame in frames(partition, TRAINING_PART) {
        let frame = pipeline.transform(frame?).map_err(|e| of_ml(&e))?;
        let width = vector_width(&frame, features)?;
        builder
            .get_or_insert_with(|| BlockBuilder::new(width))
            .push_frame(&frame, features, &columns.label, columns.weight.as_deref())
            .map_err(|e| of_ml(&e))?;
    }
    Ok(builder.map(BlockBuilder::finish).unwrap_or_default())
}

fn vector_width(frame: &Frame, features: &str) -> Result<usize, Failure> {
    let column = frame.column(features).map_err(|e| of_ml(&e))?;
    column.vector_width().ok_or_else(|| {
        Failure::new(ErrorClass::Config, format!("column \"{features}\" is no vector"))
            .hint("assemble the features with a VectorAssembler stage")
    })
}
