//! The passes over a dataset that the driver asks for: fitting stages, building blocks, rounds, scoring, comparing formats.
//! Each is: ask all holders, merge in the fixed order.

use rookery_formats::{Parity, Written};
use rookery_ml::{
    FittedPipeline, KernelCoefficients, Model, MulticlassMetrics, Partial, PipelineFit, Profile, Summary,
};
use rookery_proto::{ErrorClass, Failure};

use tracing::Instrument as _;

use crate::error::{internal, of_ml};
use crate::placement::{Placement, Round};
use crate::training::group::Group;
use crate::worker_channel::{BlockSpec, Judging, Task};

/// Fits the feature stages on the training part, pass by pass, and counts what the fit is to profile.
pub(crate) async fn fit_stages(
    placement: &Placement,
    job_id: &str,
    mut fit: PipelineFit,
) -> Result<(FittedPipeline, Option<Profile>), Failure> {
    let task = Task::of_job(job_id);
    while let Some(pass) = fit.next_pass() {
        let json = serde_json::to_string(&pass).map_err(internal)?;
        let answers = placement
            .ask_all(|worker, holding| {
                let (task, json) = (task.clone(), json.clone());
                async move { worker.fit_stages(&task, &holding, json).await }
            })
            .await?;
        let mut total = pass.empty_statistics();
        for answer in &answers {
            total.merge(answer).map_err(|e| of_ml(&e))?;
        }
        fit.complete(total).map_err(|e| of_ml(&e))?;
    }
    let profile = fit.profile().cloned();
    Ok((fit.finish().map_err(|e| of_ml(&e))?, profile))
}

/// Turns cached rows into blocks on the workers; returns the summary of the training part.
pub(crate) async fn build_blocks(
    placement: &Placement,
    job_id: &str,
    spec: &BlockSpec,
) -> Result<Summary, Failure> {
    let task = Task::of_job(job_id);
    let answers = placement
        .ask_all(|worker, holding| {
            let (task, spec) = (task.clone(), spec.clone());
            async move { worker.build_blocks(&task, &holding, &spec).await }
        })
        .await?;
    let summaries = answers.into_iter().map(|(summaries, _)| summaries).collect();
    placement.set_blocks(&task, spec).await;
    placement
        .merge(summaries, &Summary::merge)?
        .ok_or_else(|| Failure::new(ErrorClass::Data, "no partition holds rows"))
}

/// Summarises blocks once more, the rows weighed by their class.
pub(crate) async fn summarize(
    placement: &Placement,
    job_id: &str,
    blocks_id: &str,
    class_weights: Vec<f64>,
) -> Result<Summary, Failure> {
    let task = &Task::of_job(job_id);
    let factors = &class_weights;
    let answers = placement
        .ask_all(|worker, holding| async move {
            worker.summarize_blocks(task, &holding, blocks_id, factors).await
        })
        .await?;
    let merged = placement.merge(answers, &Summary::merge)?;
    let summary = merged.ok_or_else(|| Failure::new(ErrorClass::Data, "no partition holds rows"))?;
    Ok(Summary {
        class_weights,
        ..summary
    })
}

/// Rounds for all trainings side by side, until each optimiser stops, or is stopped between two rounds. What a training
/// is told does not depend on the others.
pub(crate) async fn train(
    placement: &Placement,
    job_id: &str,
    blocks_id: &str,
    group: &mut Group<'_>,
) -> Result<(), Failure> {
    // Trainings that are resumed have rounds behind them, and maybe were not done with the last.
    let mut round = group.rounds();
    group
        .between_rounds(|training| training.evaluations() > 0)
        .await?;
    loop {
        let asked = group.asked();
        if asked.is_empty() {
            return Ok(());
        }
        round += 1;
        let task = Task {
            job_id: job_id.to_string(),
            round,
        };
        let span = tracing::debug_span!("round", job_id, round, trainings = asked.len());
        let partials = evaluate_in_parts(placement, &task, blocks_id, &asked)
            .instrument(span)
            .await?;
        placement.count_round();
        group.tell(&partials)?;
        group.between_rounds(|_| true).await?;
    }
}

/// A round that no optimiser asks for.
pub(crate) async fn look(
    placement: &Placement,
    job_id: &str,
    blocks_id: &str,
    coefficients: &KernelCoefficients,
) -> Result<Partial, Failure> {
    let task = Task::of_job(job_id);
    let asked = std::slice::from_ref(coefficients);
    let mut partials = evaluate(placement, &task, blocks_id, asked).await?;
    partials
        .pop()
        .ok_or_else(|| internal("a round without an answer"))
}

/// Most numbers of the partials that a pass sums up for each partition, 16 MiB, unless one partial alone has more.
const MOST_NUMBERS: usize = 1 << 21;

/// A round at several coefficients: in one pass, or where their partials are large in as few as they fit in.
async fn evaluate_in_parts(
    placement: &Placement,
    task: &Task,
    blocks_id: &str,
    asked: &[KernelCoefficients],
) -> Result<Vec<Partial>, Failure> {
    let mut partials = Vec::with_capacity(asked.len());
    while partials.len() < asked.len() {
        let rest = &asked[partials.len()..];
        let mut numbers = 0;
        let fitting = rest.iter().take_while(|asked| {
            numbers += asked.partial_length();
            numbers <= MOST_NUMBERS
        });
        let part = &rest[..fitting.count().max(1)];
        partials.extend(evaluate(placement, task, blocks_id, part).await?);
    }
    Ok(partials)
}

/// One pass: coefficients out, partials back, merged along the fixed tree; a partial for each of the coefficients.
async fn evaluate(
    placement: &Placement,
    task: &Task,
    blocks_id: &str,
    coefficients: &[KernelCoefficients],
) -> Result<Vec<Partial>, Failure> {
    let round = Round {
        task,
        blocks_id,
        coefficients,
    };
    let answers = placement.evaluate(round).await?;
    Ok(placement
        .merge(answers, &Partial::merge_each)?
        .unwrap_or_else(|| {
            coefficients
                .iter()
                .map(KernelCoefficients::zero_partial)
                .collect()
        }))
}

/// Scores a part of the split with a model.
pub(crate) async fn score(
    placement: &Placement,
    job_id: &str,
    model: &Model,
    judging: &Judging<'_>,
) -> Result<MulticlassMetrics, Failure> {
    let task = Task::of_job(job_id);
    let json = model.to_json().map_err(|e| of_ml(&e))?;
    let answers = placement
        .ask_all(|worker, holding| {
            let (task, json, label) = (&task, json.clone(), &model.label);
            async move { worker.score_model(task, &holding, json, label, judging).await }
        })
        .await?;
    Ok(placement
        .merge(answers, &MulticlassMetrics::merge)?
        .unwrap_or_default())
}

/// Compares a model with what was written of it, on the test part.
pub(crate) async fn compare_formats(
    placement: &Placement,
    job_id: &str,
    model: &Model,
    written: &[Written],
) -> Result<Parity, Failure> {
    let task = Task::of_job(job_id);
    let json = model.to_json().map_err(|e| of_ml(&e))?;
    let answers = placement
        .ask_all(|worker, holding| {
            let (task, json) = (&task, &json);
            async move { worker.compare_formats(task, &holding, json, written).await }
        })
        .await?;
    Ok(placement.merge(answers, &Parity::merge)?.unwrap_or_default())
}
