//! What a job says while it runs: events for those who watch, and facts for the record.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use rookery_data::{Dataset, IngestPlan};
use rookery_formats::ParityReport;
use rookery_ml::{Metric, Training, WarningKind};
use rookery_proto::Failure;
use rookery_proto::v1::job_event::Event;
use rookery_proto::v1::{self, Phase};
use tracing::Span;
use tracing::field::Empty;

use super::{Job, Prepared};
use crate::error::of_ml;
use crate::events::EventLog;
use crate::job_spec::ValidRun;
use crate::recording::{self, JobFacts, Outcome, RunRecord};

impl Job {
    /// What the record of the job is about.
    pub(super) fn facts<'a>(
        &'a self,
        prepared: &'a Prepared,
        plan: &IngestPlan,
        (started_ms, started): (i64, Instant),
    ) -> JobFacts<'a> {
        let (spec, dataset) = (&self.spec, &prepared.dataset);
        JobFacts {
            id: &self.id,
            name: &spec.name,
            experiment: &spec.experiment,
            user: &self.user,
            owner: &self.owner,
            toml: &self.toml,
            base_dir: &self.base_dir,
            fingerprint: &dataset.fingerprint,
            params: recording::data_params(spec, dataset),
            inputs: recording::dataset_inputs(&spec.name, plan, dataset),
            trainings: spec.runs.len(),
            started_ms,
            started,
            cores: prepared.cores,
        }
    }

    pub(super) fn report(&self, dataset: &Dataset) {
        if self
            .resumption
            .as_ref()
            .is_some_and(|before| before.fingerprint.is_some())
        {
            return;
        }
        let cleaning = &dataset.cleaning;
        let owners: BTreeSet<&str> = dataset.partitions.iter().map(|p| p.owner.as_str()).collect();
        self.events.push(Event::Cleaning(v1::CleaningReport {
            rows_read: cleaning.rows_read,
            rows_kept: cleaning.rows_kept,
            rows_dropped: cleaning.rows_dropped(),
            reasons: cleaning
                .dropped
                .iter()
                .map(|(reason, rows)| v1::DropReason {
                    reason: reason.clone(),
                    rows: *rows,
                })
                .collect(),
        }));
        self.events.push(Event::Split(v1::SplitReport {
            rows: dataset.part_rows.clone(),
            partitions: dataset.partitions.len() as u32,
            workers: owners.len() as u32,
            data_fingerprint: dataset.fingerprint.clone(),
        }));
    }

    /// Says that a phase begins; returns the span that its work belongs to.
    pub(super) fn phase(&self, phase: Phase, detail: &str) -> Span {
        self::phase(&self.events, &self.id, phase, detail)
    }

    /// Says that a phase of one run begins.
    pub(super) fn phase_of(&self, run: &RunRecord, phase: Phase, detail: &str) -> Span {
        let span = self.phase(phase, detail);
        span.record("run_id", run.run_id());
        span
    }

    pub(super) fn warn(&self, message: String) {
        warn(&self.events, &self.id, message);
    }

    pub(super) fn tell_started(&self, run: &RunRecord, index: u32, params: Vec<(String, String)>) {
        if self
            .resumption
            .as_ref()
            .is_some_and(|before| before.told.contains(run.run_id()))
        {
            return;
        }
        self.events.push(Event::RunStarted(v1::RunStarted {
            run_id: run.run_id().to_string(),
            run_name: run.run_name().to_string(),
            index,
            params: params.into_iter().collect(),
        }));
    }

    pub(super) fn tell_finished(&self, run: &RunRecord, index: u32, outcome: &Outcome<'_>) {
        let fit = outcome.fit;
        for warning in outcome
            .warnings
            .iter()
            .filter(|warning| !warning.kind.is_of_rows())
        {
            let colon = if warning.kind == WarningKind::NotConverged {
                ""
            } else {
                ":"
            };
            self.warn(format!("run {}{colon} {}", run.run_name(), warning.text));
        }
        self.events.push(Event::RunFinished(v1::RunFinished {
            run_id: run.run_id().to_string(),
            run_name: run.run_name().to_string(),
            index,
            metrics: outcome
                .metrics
                .iter()
                .map(|(metric, value)| v1::MetricValue {
                    name: metric.name().to_string(),
                    value: *value,
                })
                .collect(),
            coefficients_sha256: outcome.coefficients_sha256.to_string(),
            stop_reason: fit.termination.name().to_string(),
            converged: fit.termination.converged(),
            iterations: fit.iterations as u64,
            loss: fit.objective_history.last().copied().unwrap_or(f64::NAN),
            formats: outcome.directory.parity().map(format_reports).unwrap_or_default(),
        }));
    }
}

/// What is said of each format.
fn format_reports(report: &ParityReport) -> Vec<v1::FormatReport> {
    let compared = report.parity.0.iter().map(|(format, parity)| v1::FormatReport {
        format: format.name().to_string(),
        rows: parity.rows,
        max_difference: parity.max_difference,
        differing_predictions: parity.differing_predictions,
        holds: parity.holds(*format),
        problem: parity.error.clone().unwrap_or_default(),
    });
    let not_written = report.not_written.iter().map(|(format, why)| v1::FormatReport {
        format: format.name().to_string(),
        problem: why.clone(),
        ..v1::FormatReport::default()
    });
    compared.chain(not_written).collect()
}

/// How a run was judged that ended before its driver was killed.
pub(super) fn metrics(run: &v1::RunFinished) -> Result<Vec<(Metric, f64)>, Failure> {
    let metric = |metric: &v1::MetricValue| Ok((metric.name.parse().map_err(|e| of_ml(&e))?, metric.value));
    run.metrics.iter().map(metric).collect()
}

/// Says that a phase of a job begins; returns the span that its work belongs to.
pub(crate) fn phase(events: &Arc<EventLog>, job_id: &str, phase: Phase, detail: &str) -> Span {
    tracing::info!(job_id, phase = phase.as_str_name(), detail, "phase");
    events.push(Event::PhaseStarted(v1::PhaseStarted {
        phase: phase.into(),
        detail: detail.to_string(),
    }));
    let name = phase.as_str_name().trim_start_matches("PHASE_").to_lowercase();
    tracing::debug_span!("phase", otel.name = name, job_id, run_id = Empty)
}

/// Warns those who watch the job.
pub(crate) fn warn(events: &Arc<EventLog>, job_id: &str, message: String) {
    tracing::info!(job_id, message);
    events.push(Event::Warning(v1::Warning { message }));
}

/// How far a run is, by its id, and its name if there are others to tell it from.
pub(super) fn iteration_event((run_id, name): (&str, &str), training: &Training, run: &ValidRun) -> Event {
    Event::Iteration(v1::Iteration {
        run_id: run_id.to_string(),
        run_name: name.to_string(),
        iteration: training.iteration() as u64,
        max_iterations: run.params.max_iter as u64,
        loss: training.objective_history().last().copied().unwrap_or(f64::NAN),
        gradient_norm: training.gradient_norm().unwrap_or(f64::NAN),
    })
}

/// `1 worker`, `2 workers`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
