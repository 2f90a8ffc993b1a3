//! Distributed fitting of a pipeline.
//!
//! A pass is one trip over the training rows. It fits every estimator whose inputs can be computed already, so
//! stages that do not depend on each other share a pass: the lab's StringIndexer and MinMaxScaler need one pass,
//! not two. The driver loops
//! `while let Some(pass) = fit.next_pass() { … accumulate on every partition, merge … fit.complete(statistics)? }`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{FittedPipeline, PipelineSpec};
use crate::block::SharedColumn;
use crate::error::MlError;
use crate::frame::Frame;
use crate::profile::{Profile, ProfileStatistics, ProfiledColumn};
use crate::stages::{Attributes, FittedStage, Fitting, StageSpec, StageStatistics};

/// The progress of fitting one pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PipelineFit {
    stages: Vec<(StageSpec, Option<FittedStage>)>,
    /// What the next pass starts with, for stages that one pass has not fitted.
    #[serde(default)]
    begun: BTreeMap<u32, StageStatistics>,
    /// The columns to be counted in the next pass.
    to_profile: Vec<ProfiledColumn>,
    profile: Option<Profile>,
}

/// One pass over the training rows: what to apply and what to fit, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitPass {
    /// The stages that take part.
    pub stages: Vec<PassStage>,
    /// The columns to be counted as they come, before any stage.
    pub profile: Vec<ProfiledColumn>,
}

/// One stage's part in a pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PassStage {
    /// Add this stage's column to the rows.
    Apply {
        /// Position in the pipeline.
        stage: u32,
        /// The stage.
        fitted: FittedStage,
    },
    /// Collect this stage's statistics.
    Fit {
        /// Position in the pipeline.
        stage: u32,
        /// The stage.
        spec: StageSpec,
        /// What it starts with; without it, with nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        begun: Option<StageStatistics>,
    },
}

/// What a pass learnt from some rows, by position of the stage in the pipeline. A commutative monoid under
/// [`merge`](FitStatistics::merge), exact in any order; [`FitPass::empty_statistics`] is its neutral element.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FitStatistics {
    /// One entry for each stage the pass fits.
    pub stages: BTreeMap<u32, StageStatistics>,
    /// What was counted for the profile.
    pub profile: ProfileStatistics,
}

impl FitStatistics {
    /// Adds what `other` saw.
    ///
    /// # Errors
    /// [`MlError::ForeignStatistics`] or [`MlError::Shape`] if `other` is not of the same pass.
    pub fn merge(&mut self, other: &FitStatistics) -> Result<(), MlError> {
        self.profile.merge(&other.profile)?;
        if self.stages.keys().ne(other.stages.keys()) {
            let keys = |statistics: &FitStatistics| statistics.stages.keys().copied().collect::<Vec<_>>();
            let text = format!("stages {:?} against {:?}", keys(self), keys(other));
            return Err(MlError::ForeignStatistics(text));
        }
        self.stages
            .values_mut()
            .zip(other.stages.values())
            .try_for_each(|(mine, others)| mine.merge(others))
    }
}

impl FitPass {
    /// Returns the statistics of no rows.
    pub fn empty_statistics(&self) -> FitStatistics {
        let fits = self.stages.iter().filter_map(|stage| match stage {
            PassStage::Apply { .. } => None,
            PassStage::Fit { stage, spec, begun } => {
                let begun = begun.clone();
                Some((*stage, begun.unwrap_or_else(|| spec.no_statistics())))
            }
        });
        FitStatistics {
            stages: fits.collect(),
            profile: ProfileStatistics::empty(&self.profile),
        }
    }

    /// Adds the rows of `frame` to `statistics`.
    ///
    /// # Errors
    /// [`MlError::Stage`] naming the stage that met a row or column it cannot use.
    pub fn accumulate(&self, frame: &Frame, statistics: &mut FitStatistics) -> Result<(), MlError> {
        statistics.profile.accumulate(frame)?;
        self.accumulate_stages(frame, statistics)
    }

    /// Adds the rows of a partition to `statistics`: of the columns that are counted as they come, those that `shared` knows are
    /// read where they are, without a copy. The rest is done by [`Rest::accumulate`] with the same rows in frames.
    pub fn accumulate_shared(
        &self,
        rows: usize,
        shared: impl Fn(&str) -> Option<SharedColumn>,
        statistics: &mut FitStatistics,
    ) -> Rest<'_> {
        let counted = statistics.profile.accumulate_shared(rows, shared);
        let is_nothing = self.used() == 0 && !statistics.profile.has_more_than(&counted);
        Rest {
            pass: self,
            counted,
            is_nothing,
        }
    }

    /// How many stages are of use: what comes after the last stage to be fitted is not.
    fn used(&self) -> usize {
        let is_fit = |part: &PassStage| matches!(part, PassStage::Fit { .. });
        self.stages.iter().rposition(is_fit).map_or(0, |last| last + 1)
    }

    fn accumulate_stages(&self, frame: &Frame, statistics: &mut FitStatistics) -> Result<(), MlError> {
        let used = self.used();
        if used == 0 {
            return Ok(());
        }
        let mut frame = frame.clone();
        for part in &self.stages[..used] {
            match part {
                PassStage::Apply { stage, fitted } => {
                    let applied = fitted.transform(frame);
                    frame = applied.map_err(|e| e.in_stage(*stage as usize, fitted.spec().type_name()))?;
                }
                PassStage::Fit { stage, spec, .. } => {
                    let own = statistics.stages.get_mut(stage).ok_or_else(|| missing(*stage))?;
                    let done = spec.accumulate(&frame, own);
                    done.map_err(|e| e.in_stage(*stage as usize, spec.type_name()))?;
                }
            }
        }
        Ok(())
    }
}

/// What is left to do of a partition's rows; see [`FitPass::accumulate_shared`].
#[derive(Debug)]
pub struct Rest<'a> {
    pass: &'a FitPass,
    counted: BTreeSet<String>,
    is_nothing: bool,
}

impl Rest<'_> {
    /// Whether no frames are needed.
    pub fn is_nothing(&self) -> bool {
        self.is_nothing
    }

    /// Adds what is left of the rows of `frame` to `statistics`.
    ///
    /// # Errors
    /// As [`FitPass::accumulate`].
    pub fn accumulate(&self, frame: &Frame, statistics: &mut FitStatistics) -> Result<(), MlError> {
        statistics.profile.accumulate_but(&self.counted, frame)?;
        self.pass.accumulate_stages(frame, statistics)
    }
}

impl PipelineFit {
    /// Starts with nothing fitted.
    pub fn new(spec: PipelineSpec) -> Self {
        let stages = spec.stages.into_iter().map(|stage| {
            let fitted = stage.as_transformer();
            (stage, fitted)
        });
        let mut fit = PipelineFit {
            stages: stages.collect(),
            begun: BTreeMap::new(),
            to_profile: Vec::new(),
            profile: None,
        };
        fit.fit_without_rows();
        fit
    }

    /// Fits the stages that follow from what is known of their input columns.
    fn fit_without_rows(&mut self) {
        let (mut known, mut unknown) = (Attributes::default(), BTreeSet::new());
        for (spec, fitted) in &mut self.stages {
            let is_known = spec.inputs().iter().all(|input| !unknown.contains(*input));
            if fitted.is_none() && is_known {
                *fitted = spec.without_rows(&known);
            }
            match fitted {
                Some(fitted) if is_known => known.add(fitted),
                _ => unknown.extend(spec.outputs().into_iter().map(str::to_owned)),
            }
        }
    }

    /// What is known of the columns that the stages before `position` make.
    fn known_before(&self, position: usize) -> Attributes {
        Attributes::after(
            self.stages[..position]
                .iter()
                .filter_map(|(_, fitted)| fitted.as_ref()),
        )
    }

    /// The first pass counts these columns too; a pipeline with nothing to fit gets one for it.
    #[must_use]
    pub fn with_profile_of(mut self, columns: Vec<ProfiledColumn>) -> Self {
        self.to_profile = columns;
        self
    }

    /// What was counted, once the first pass is complete.
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }

    /// Returns the next pass; `None` once every stage is fitted and the columns are counted.
    pub fn next_pass(&self) -> Option<FitPass> {
        if self.unfitted().is_empty() && self.to_profile.is_empty() {
            return None;
        }
        let mut pass = Vec::new();
        let mut unavailable = BTreeSet::new();
        for ((spec, fitted), stage) in self.stages.iter().zip(0_u32..) {
            let ready = spec.inputs().iter().all(|input| !unavailable.contains(input));
            match fitted {
                Some(fitted) if ready => pass.push(PassStage::Apply {
                    stage,
                    fitted: fitted.clone(),
                }),
                None if ready => pass.push(PassStage::Fit {
                    stage,
                    spec: spec.clone(),
                    begun: self.begun.get(&stage).cloned(),
                }),
                _ => {}
            }
            if ready && fitted.is_some() {
                continue;
            }
            unavailable.extend(spec.outputs());
            // Later stages must be fitted on the rows this one leaves over, as a stage-by-stage fit would.
            if spec.drops_rows() {
                break;
            }
        }
        Some(FitPass {
            stages: pass,
            profile: self.to_profile.clone(),
        })
    }

    /// Takes the merged statistics of the pass that [`next_pass`](PipelineFit::next_pass) returned.
    ///
    /// # Errors
    /// [`MlError::ForeignStatistics`] if they belong to another pass; [`MlError::Stage`] around
    /// [`MlError::NothingSummarized`] if a stage that needs rows saw none.
    pub fn complete(&mut self, mut statistics: FitStatistics) -> Result<(), MlError> {
        let pass = self.next_pass().unwrap_or(FitPass {
            stages: Vec::new(),
            profile: Vec::new(),
        });
        if !pass.profile.is_empty() {
            self.profile = Some(statistics.profile.finish());
            self.to_profile.clear();
        }
        for part in pass.stages {
            let PassStage::Fit { stage, spec, .. } = part else {
                continue;
            };
            let own = statistics.stages.remove(&stage).ok_or_else(|| missing(stage))?;
            let known = self.known_before(stage as usize);
            let fitting = spec
                .fit(own, &known)
                .map_err(|e| e.in_stage(stage as usize, spec.type_name()))?;
            match fitting {
                Fitting::Done(fitted) => {
                    self.begun.remove(&stage);
                    self.stages[stage as usize].1 = Some(fitted);
                }
                Fitting::Again(next) => drop(self.begun.insert(stage, next)),
            }
        }
        self.fit_without_rows();
        match statistics.stages.keys().next() {
            Some(stage) => Err(MlError::ForeignStatistics(format!(
                "stage {stage} is not fitted in it"
            ))),
            None => Ok(()),
        }
    }

    /// Returns the fitted pipeline.
    ///
    /// # Errors
    /// [`MlError::NotFitted`] with the stages still missing.
    pub fn finish(self) -> Result<FittedPipeline, MlError> {
        let unfitted = self.unfitted();
        if !unfitted.is_empty() {
            return Err(MlError::NotFitted(unfitted));
        }
        Ok(FittedPipeline {
            stages: self.stages.into_iter().filter_map(|(_, fitted)| fitted).collect(),
        })
    }

    fn unfitted(&self) -> Vec<usize> {
        let stages = self.stages.iter().enumerate();
        stages
            .filter(|(_, (_, fitted))| fitted.is_none())
            .map(|(index, _)| index)
            .collect()
    }
}

fn missing(stage: u32) -> MlError {
    MlError::ForeignStatistics(format!("stage {stage} is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Column, ColumnData, ColumnKind};

    fn spec(json: &str) -> PipelineSpec {
        serde_json::from_str(&format!("{{\"stages\": [{json}]}}")).expect("a pipeline")
    }

    fn fitted_stages(pass: &FitPass) -> Vec<u32> {
        pass.empty_statistics().stages.into_keys().collect()
    }

    const LAB: &str = r#"{"type": "StringIndexer", "input": "island", "output": "island_index"},
        {"type": "VectorAssembler", "inputs": ["mass"], "output": "numbers"},
        {"type": "MinMaxScaler", "input": "numbers", "output": "scaled"},
        {"type": "VectorAssembler", "inputs": ["island_index", "scaled"], "output": "features"}"#;

    fn rows(islands: &[&str], masses: &[f64]) -> Frame {
        let islands = islands.iter().map(|island| (*island).to_owned()).collect();
        Frame::new(masses.len())
            .with_column("island", Column::new(ColumnData::Text(islands)))
            .and_then(|frame| frame.with_column("mass", Column::new(ColumnData::Double(masses.to_vec()))))
            .expect("columns fit")
    }

    #[test]
    fn independent_estimators_share_one_pass() {
        let mut fit = PipelineFit::new(spec(LAB));
        let pass = fit.next_pass().expect("there is something to fit");
        assert_eq!(fitted_stages(&pass), [0, 2]);

        let mut total = pass.empty_statistics();
        for frame in [rows(&["b", "a"], &[3.0, 1.0]), rows(&["a"], &[2.0])] {
            let mut statistics = pass.empty_statistics();
            pass.accumulate(&frame, &mut statistics).expect("rows are fine");
            total.merge(&statistics).expect("same pass");
        }
        fit.complete(total).expect("same pass");
        assert_eq!(fit.next_pass(), None);
        let out = fit
            .finish()
            .and_then(|p| p.transform(rows(&["b"], &[2.0])))
            .expect("fitted");
        let features = &out.column("features").expect("the last stage").data;
        assert_eq!(
            *features,
            ColumnData::Vector {
                width: 2,
                values: vec![1.0, 0.5]
            }
        );
    }

    #[test]
    fn the_first_pass_counts_the_inputs_before_any_row_is_dropped() {
        let skipping = LAB.replacen(
            "\"island_index\"",
            "\"island_index\", \"handle_invalid\": \"skip\"",
            1,
        );
        let columns = [
            ("island".to_owned(), ColumnKind::Text),
            ("mass".to_owned(), ColumnKind::Double),
            ("year".to_owned(), ColumnKind::Integer),
        ];
        for (stages, label) in [(skipping.as_str(), "year"), (LAB, "year"), ("", "mass")] {
            let spec = spec(stages);
            let features = if stages.is_empty() { "island" } else { "features" };
            let profiled = spec.profiled_columns(&columns, features, label);
            let mut fit = PipelineFit::new(spec).with_profile_of(profiled);
            let mut passes = 0;
            while let Some(pass) = fit.next_pass() {
                passes += 1;
                let mut statistics = pass.empty_statistics();
                let mut rows = rows(&["b", "a"], &[3.0, 1.0]);
                rows = Frame::new(2)
                    .with_column("island", {
                        let mut island = rows.column("island").expect("made above").clone();
                        island.validity = Some(vec![passes > 1, true]);
                        island
                    })
                    .and_then(|frame| {
                        frame.with_column("mass", rows.column("mass").expect("made above").clone())
                    })
                    .expect("columns fit");
                pass.accumulate(&rows, &mut statistics).expect("rows are fine");
                fit.complete(statistics).expect("the same pass");
            }
            assert!(passes >= 1);
            let profile = fit.profile().expect("columns were counted");
            assert_eq!((profile.rows, profile.columns[0].nulls), (2, 1), "{stages}");
            let names: Vec<&str> = profile
                .columns
                .iter()
                .map(|column| column.name.as_str())
                .collect();
            assert_eq!(
                names,
                if stages.is_empty() {
                    vec!["island"]
                } else {
                    vec!["island", "mass"]
                }
            );
        }
    }

    #[test]
    fn dependent_estimators_need_two_passes() {
        let fit = PipelineFit::new(spec(
            r#"{"type": "StringIndexer", "input": "island", "output": "i"},
               {"type": "VectorAssembler", "inputs": ["i"], "output": "v"},
               {"type": "MinMaxScaler", "input": "v", "output": "s"}"#,
        ));
        assert_eq!(fitted_stages(&fit.next_pass().expect("a pass")), [0]);
        assert_eq!(fit.finish(), Err(MlError::NotFitted(vec![0, 2])));
    }

    #[test]
    fn a_stage_that_drops_rows_is_fitted_before_those_after_it() {
        let skipping = LAB.replacen(
            "\"island_index\"",
            "\"island_index\", \"handle_invalid\": \"skip\"",
            1,
        );
        let fit = PipelineFit::new(spec(&skipping));
        assert_eq!(fitted_stages(&fit.next_pass().expect("a pass")), [0]);
    }

    #[test]
    fn foreign_and_empty_statistics_are_refused() {
        let mut fit = PipelineFit::new(spec(LAB));
        let pass = fit.next_pass().expect("a pass");
        let error = fit
            .complete(FitStatistics::default())
            .expect_err("nothing told")
            .to_string();
        assert_eq!(error, "statistics do not belong to this pass: stage 0 is missing");
        let error = fit
            .complete(pass.empty_statistics())
            .expect_err("no rows")
            .to_string();
        assert_eq!(
            error,
            "stage 2 (MinMaxScaler): requirement failed: Nothing has been added to this summarizer."
        );
    }
}
