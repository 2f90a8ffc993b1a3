//! A job as it is told to whoever asked for it: events as they come, and how it ended.

use rookery_proto::{ErrorClass, Failure};

use crate::client::DriverClient;
use crate::job_event::{FormatReport, JobEvent, JobOutcome, JobStatus, RunStarted, RunSummary, Split, What};
use crate::output::Output;
use crate::signals;
use crate::state_dir::StateDir;

/// Follows a job and tells its events; returns after the one that ends it, or when it can't be followed any more.
pub(crate) async fn follow(client: &DriverClient, job_id: &str, output: &mut Output) -> JobOutcome {
    let mut watch = client.watch(job_id);
    let mut runs = Vec::new();
    output.start_progress();
    let outcome = loop {
        let event = match watch.next().await {
            Ok(event) => event,
            Err(failure) => break JobOutcome::lost(Some(job_id.to_string()), runs, failure),
        };
        match &event.what {
            What::Finished(end) => {
                let (status, failure) = (end.status, end.failure.clone());
                break JobOutcome {
                    job_id: Some(job_id.to_string()),
                    status,
                    runs,
                    failure,
                };
            }
            What::Unknown => continue,
            What::RunFinished(run) => runs.push(run.clone()),
            _ => {}
        }
        match output.is_json() {
            true => output.object(&event),
            false => tell(&event.what, output),
        }
    };
    output.end_progress();
    outcome
}

/// Follows a job and tells how it ended; a signal ends the waiting, not the job.
pub(crate) async fn follow_to_end(
    client: &DriverClient,
    job_id: &str,
    state: &StateDir,
    output: &mut Output,
) -> Result<(), Failure> {
    let interrupted = signals::shutdown()?;
    let outcome = tokio::select! {
        outcome = follow(client, job_id, output) => outcome,
        () = interrupted.cancelled() => {
            let failure = Failure::new(ErrorClass::Cancelled, format!("no longer waiting for {job_id}"))
                .hint(format!("the job goes on; `rookery jobs logs -f {job_id}` follows it again"));
            JobOutcome::lost(Some(job_id.to_string()), Vec::new(), failure)
        }
    };
    output.end_progress();
    conclude(outcome, state, output)
}

/// Tells one event, the last one too.
pub(crate) fn tell_event(event: &JobEvent, output: &Output) {
    if let What::Finished(end) = &event.what {
        let outcome = JobOutcome {
            job_id: Some(event.job_id.clone()),
            status: end.status,
            runs: Vec::new(),
            failure: end.failure.clone(),
        };
        match (output.is_json(), &end.failure) {
            (true, _) => output.object(&outcome.object()),
            (false, None) => output.line("succeeded"),
            (false, Some(failure)) => output.line(&format!("{}: {failure}", failure.class.name())),
        }
        return;
    }
    match output.is_json() {
        true if event.what == What::Unknown => {}
        true => output.object(event),
        false => tell(&event.what, output),
    }
}

/// Tells how a job ended; the command's result follows from it.
pub(crate) fn conclude(outcome: JobOutcome, state: &StateDir, output: &mut Output) -> Result<(), Failure> {
    if output.is_json() {
        output.object(&outcome.object());
        if outcome.status != JobStatus::Succeeded {
            output.failure_is_told();
        }
    } else if let (JobStatus::Succeeded, Some(run)) = (outcome.status, outcome.runs.last()) {
        for line in hints(&run.run_id, &state.suggested_flag()) {
            output.line(&line);
        }
    }
    outcome.into_result()
}

/// What happens all the time moves the progress display, if there is one; the rest becomes lines.
fn tell(what: &What, output: &Output) {
    match (what, output.progress()) {
        (What::PhaseStarted { phase, detail }, Some(progress)) => progress.phase(&spoken(phase), detail),
        (What::Iteration(i), Some(progress)) => {
            progress.iteration(i.run_name.as_deref(), i.iteration, i.max_iterations, i.loss);
        }
        // In one piece, so that the progress display is taken off the screen once.
        _ => match lines(what) {
            lines if lines.is_empty() => {}
            lines => output.line(&lines.join("\n")),
        },
    }
}

/// An event as lines of text.
fn lines(what: &What) -> Vec<String> {
    match what {
        What::PhaseStarted { phase, detail } => vec![format!("{}: {detail}", spoken(phase))],
        What::Cleaning(cleaning) => vec![cleaning.sentence()],
        What::Split(split) => vec![split_line(split)],
        What::RunStarted(run) => run_started_lines(run),
        What::Iteration(i) => {
            let (iteration, of) = (i.iteration, i.max_iterations);
            let run = i.run_name.as_ref().map(|name| format!("{name}: "));
            vec![format!(
                "  {}iteration {iteration}/{of}  loss {}  gradient norm {:.3e}",
                run.unwrap_or_default(),
                i.loss,
                i.gradient_norm
            )]
        }
        What::RunFinished(run) => run_finished_lines(run),
        What::Warning { message } => vec![format!("warning: {message}")],
        What::Resumed { rounds: 0 } => vec!["the driver was started anew, the job goes on".to_string()],
        What::Resumed { rounds } => {
            vec![format!(
                "the driver was started anew, the job goes on after {rounds} rounds"
            )]
        }
        What::Finished(_) | What::Unknown => Vec::new(),
    }
}

fn spoken(phase: &str) -> String {
    phase.replace('_', " ")
}

fn split_line(split: &Split) -> String {
    let names = ["Training rows".to_string(), "Testing rows".to_string()];
    let names = names
        .into_iter()
        .chain((3..).map(|part| format!("Part {part} rows")));
    let parts: Vec<String> = names
        .zip(&split.rows)
        .map(|(name, rows)| format!("{name}: {rows}"))
        .collect();
    parts.join("  ")
}

fn run_started_lines(run: &RunStarted) -> Vec<String> {
    let params: Vec<String> = run
        .params
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    vec![
        String::new(),
        format!("run {}: {} ({})", run.index + 1, run.run_name, run.run_id),
        format!("  {}", params.join(" ")),
    ]
}

fn run_finished_lines(run: &RunSummary) -> Vec<String> {
    let verdict = if run.converged {
        "converged"
    } else {
        "not converged"
    };
    let mut lines = vec![format!("run {} ({}) finished", run.run_name, run.run_id)];
    lines.extend(
        run.metrics
            .iter()
            .map(|(name, value)| format!("  {name}: {value}")),
    );
    lines.push(format!("  loss: {}", run.loss));
    lines.push(format!(
        "  {verdict}: {} after {} iterations",
        run.stop_reason, run.iterations
    ));
    lines.push(format!("  coefficients sha256: {}", run.coefficients_sha256));
    lines.extend(run.formats.iter().map(format_line));
    lines
}

fn format_line(report: &FormatReport) -> String {
    let FormatReport { format, rows, .. } = report;
    match (&report.problem, report.holds) {
        (Some(problem), _) => format!("  {format}: {problem}"),
        (None, true) => format!(
            "  {format}: same predictions in {rows} test rows, probabilities within {:.1e}",
            report.max_difference
        ),
        (None, false) => format!(
            "  {format}: DIFFERS: {} of {rows} test rows have another prediction, probabilities within {:.1e}",
            report.differing_predictions, report.max_difference
        ),
    }
}

fn hints(run_id: &str, flag: &str) -> [String; 3] {
    [
        String::new(),
        format!("look at it:      rookery{flag} runs show {run_id}"),
        format!("predict with it: rookery{flag} predict --model runs:/{run_id} --file ROWS.csv"),
    ]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rookery_proto::ErrorClass;

    use super::*;
    use crate::job_event::{Cleaning, DropReason, Iteration, JobEvent};

    fn format_report(
        format: &str,
        max_difference: f64,
        differing: u64,
        problem: Option<&str>,
    ) -> FormatReport {
        FormatReport {
            format: format.into(),
            rows: 68,
            max_difference,
            differing_predictions: differing,
            holds: differing == 0 && problem.is_none(),
            problem: problem.map(str::to_string),
        }
    }

    fn summary() -> RunSummary {
        RunSummary {
            run_id: "0123".into(),
            run_name: "calm-penguin-7".into(),
            metrics: vec![
                ("weightedRecall".into(), 0.9545454545454546),
                ("accuracy".into(), 1.0),
            ],
            coefficients_sha256: "abcd".into(),
            stop_reason: "max_iterations".into(),
            converged: false,
            iterations: 5,
            loss: 0.7,
            formats: vec![
                format_report("onnx", 2.5e-16, 0, None),
                format_report("pmml", 0.5, 3, None),
                format_report("spark", 0.0, 0, Some("no booleans")),
            ],
        }
    }

    fn text(what: What) -> String {
        lines(&what).join("\n")
    }

    #[test]
    fn cleaning_and_split_read_as_sentences() {
        let reason = "null CulmenLength, BodyMass".to_string();
        let cleaning = Cleaning {
            rows_read: 344,
            rows_kept: 342,
            rows_dropped: 2,
            reasons: vec![DropReason { reason, rows: 2 }],
        };
        assert_eq!(
            text(What::Cleaning(cleaning)),
            "344 rows read, 342 kept, 2 dropped (null CulmenLength, BodyMass)"
        );
        let mut split = Split {
            rows: vec![254, 88],
            partitions: 1,
            workers: 2,
            data_fingerprint: String::new(),
        };
        assert_eq!(
            text(What::Split(split.clone())),
            "Training rows: 254  Testing rows: 88"
        );
        split.rows.push(7);
        assert_eq!(
            text(What::Split(split)),
            "Training rows: 254  Testing rows: 88  Part 3 rows: 7"
        );
    }

    #[test]
    fn a_run_reads_from_its_start_to_its_end() {
        let started = RunStarted {
            run_id: "0123".into(),
            run_name: "calm-penguin-7".into(),
            index: 0,
            params: [("regParam", "0.5"), ("maxIter", "5")]
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .into(),
        };
        let iteration = Iteration {
            run_id: "0123".into(),
            run_name: None,
            iteration: 3,
            max_iterations: 5,
            loss: 0.1 + 0.2,
            gradient_norm: 0.00025,
        };
        let whole = [
            text(What::PhaseStarted {
                phase: "build_blocks",
                detail: "254 rows".into(),
            }),
            text(What::RunStarted(started)),
            text(What::Iteration(iteration)),
            text(What::Warning {
                message: "worker w-2 was lost".into(),
            }),
            text(What::RunFinished(summary())),
        ];
        insta::assert_snapshot!(whole.join("\n"), @r"
        build blocks: 254 rows

        run 1: calm-penguin-7 (0123)
          maxIter=5 regParam=0.5
          iteration 3/5  loss 0.30000000000000004  gradient norm 2.500e-4
        warning: worker w-2 was lost
        run calm-penguin-7 (0123) finished
          weightedRecall: 0.9545454545454546
          accuracy: 1
          loss: 0.7
          not converged: max_iterations after 5 iterations
          coefficients sha256: abcd
          onnx: same predictions in 68 test rows, probabilities within 2.5e-16
          pmml: DIFFERS: 3 of 68 test rows have another prediction, probabilities within 5.0e-1
          spark: no booleans
        ");
    }

    #[test]
    fn events_are_one_json_object_each() {
        let event = JobEvent {
            what: What::PhaseStarted {
                phase: "plan",
                detail: "penguins".into(),
            },
            job_id: "job-1".into(),
            sequence: 1,
            timestamp_ms: 5,
        };
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"event":"phase_started","phase":"plan","detail":"penguins","job_id":"job-1","sequence":1,"timestamp_ms":5}"#
        );
    }

    #[test]
    fn the_last_object_holds_the_runs_in_order_and_the_error() {
        let formats = vec![format_report("onnx", 2.5e-16, 0, None)];
        let runs = vec![RunSummary { formats, ..summary() }];
        let outcome = JobOutcome {
            job_id: Some("job-1".into()),
            status: JobStatus::Succeeded,
            runs,
            failure: None,
        };
        assert_eq!(
            serde_json::to_string(&outcome.object()).unwrap(),
            r#"{"event":"job_finished","status":"succeeded","job_id":"job-1","runs":[{"run_id":"0123","run_name":"calm-penguin-7","metrics":{"weightedRecall":0.9545454545454546,"accuracy":1.0},"coefficients_sha256":"abcd","stop_reason":"max_iterations","converged":false,"iterations":5,"loss":0.7,"formats":[{"format":"onnx","rows":68,"max_difference":2.5e-16,"differing_predictions":0,"holds":true,"problem":null}]}],"error":null}"#
        );
        assert_eq!(outcome.into_result(), Ok(()));

        let failure = Failure::new(ErrorClass::Cancelled, "stopped");
        let outcome = JobOutcome::lost(None, Vec::new(), failure.clone());
        assert_eq!(
            serde_json::to_string(&outcome.object()).unwrap(),
            r#"{"event":"job_finished","status":"cancelled","job_id":null,"runs":[],"error":{"class":"cancelled","message":"stopped","location":null,"hint":null}}"#
        );
        assert_eq!(outcome.into_result(), Err(failure));
    }

    #[test]
    fn hints_work_with_another_state_directory() {
        let state = StateDir::resolve(Some(Path::new("/tmp/s"))).unwrap();
        let [_, show, predict] = hints("0123", &state.suggested_flag());
        assert_eq!(show, "look at it:      rookery --state-dir /tmp/s runs show 0123");
        assert!(predict.ends_with("predict --model runs:/0123 --file ROWS.csv"));
    }
}
