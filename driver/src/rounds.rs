//! The passes over a dataset that the driver asks for: fitting stages, building blocks, rounds, scoring, comparing formats.
//! Each is: ask all holders, merge in the fixed order.

use rookery_formats::{Parity, Written};
use rookery_ml::{
    Ask, FittedPipeline, KernelCoefficients, Model, MulticlassMetrics, Partial, PipelineFit, Profile,
    Summary, Training,
};
use rookery_proto::{ErrorClass, Failure};

use tracing::Instrument as _;

use crate::error::{internal, of_ml};
use crate::placement::Placement;
use crate::worker_channel::{BlockSpec, Task};

/// Fits the feature stages on the training part, pass by pass, and counts what the fit is to profile.
pub(crate) async fn fit_stages(
    placement: &Placement,
    job_id: &str,
    mut fit: PipelineFit,
) -> Result<(FittedPipeline, Option<Profile>), Failure> {
    let task = Task {
        job_id: job_id.to_string(),
        round: 0,
    };
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
    let task = Task {
        job_id: job_id.to_string(),
        round: 0,
    };
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

/// Rounds until the optimiser stops. `progress` is told after each.
pub(crate) async fn train(
    placement: &Placement,
    job_id: &str,
    blocks_id: &str,
    training: &mut Training,
    mut progress: impl FnMut(&Training),
) -> Result<(), Failure> {
    // A training that is resumed has rounds behind it.
    let mut round = training.evaluations() as u64;
    while let Ask::Evaluate(coefficients) = training.ask() {
        round += 1;
        let task = Task {
            job_id: job_id.to_string(),
            round,
        };
        let span = tracing::debug_span!("round", job_id, round);
        let partial = evaluate(placement, &task, blocks_id, &coefficients)
            .instrument(span)
            .await?;
        placement.count_round();
        training.tell(&partial).map_err(|e| of_ml(&e))?;
        progress(training);
    }
    Ok(())
}

/// One round: coefficients out, partials back, merged along the fixed tree.
async fn evaluate(
    placement: &Placement,
    task: &Task,
    blocks_id: &str,
    coefficients: &KernelCoefficients,
) -> Result<Partial, Failure> {
    let answers = placement
        .ask_all(|worker, holding| async move {
            worker
                .evaluate_objective(task, &holding, blocks_id, coefficients)
                .await
        })
        .await?;
    Ok(placement
        .merge(answers, &Partial::merge)?
        .unwrap_or_else(|| coefficients.zero_partial()))
}

/// Scores the test part with a model.
pub(crate) async fn score(
    placement: &Placement,
    job_id: &str,
    model: &Model,
    weight: Option<&str>,
) -> Result<MulticlassMetrics, Failure> {
    let task = Task {
        job_id: job_id.to_string(),
        round: 0,
    };
    let json = model.to_json().map_err(|e| of_ml(&e))?;
    let answers = placement
        .ask_all(|worker, holding| {
            let (task, json, label) = (&task, json.clone(), &model.label);
            async move { worker.score_model(task, &holding, json, label, weight).await }
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
    let task = Task {
        job_id: job_id.to_string(),
        round: 0,
    };
    let json = model.to_json().map_err(|e| of_ml(&e))?;
    let answers = placement
        .ask_all(|worker, holding| {
            let (task, json) = (&task, &json);
            async move { worker.compare_formats(task, &holding, json, written).await }
        })
        .await?;
    Ok(placement.merge(answers, &Parity::merge)?.unwrap_or_default())
}
