//! `rookery predict --input FILES --output FOLDER`: whole files on the cluster, by the code that answers requests online.

use std::path::PathBuf;

use rookery_data::scored::Provenance;
use rookery_driver::ScoringSpec;
use rookery_proto::{ErrorClass, Failure};
use rookery_serving::Scorer;
use tokio_util::sync::CancellationToken;

use super::PredictArgs;
use super::parts::Parts;
use super::spec;
use crate::args::Places;
use crate::client::{DriverClient, ScoringRequest};
use crate::cluster::LocalCluster;
use crate::diagnostic::{config, internal};
use crate::driver_port::Access;
use crate::job_event::{JobOutcome, JobStatus};
use crate::local_driver::KeptJobs;
use crate::output::Output;
use crate::records::{self, ModelUri, RecordsAt};
use crate::{report, signals};

/// What is to be done, all of it known to be right.
struct Batch {
    spec: ScoringSpec,
    model_json: String,
    provenance: Provenance,
    name: String,
    base_dir: PathBuf,
}

pub(super) async fn predict(
    args: &PredictArgs,
    input: &str,
    places: &Places,
    output: &mut Output,
) -> Result<(), Failure> {
    let folder = args.output.as_deref().ok_or_else(|| {
        config("--input needs --output: the folder that the rows are written to").at("--input")
    })?;
    let spec = spec::of(args, input)?;
    let parts = Parts::create(&PathBuf::from(folder), args.format.unwrap_or_default().into())?;
    let uri = ModelUri::parse(&args.model)?;
    let records = RecordsAt::of(places)?.open_for_lookup().await?;
    let (mut model, provenance) = records::load_known(&records, &uri).await?;
    model.invalid_values = args.policies.over(model.invalid_values);
    // Said now, not by the first worker.
    let model = Scorer::with_policies(model.clone(), model.invalid_values).map(|_| model)?;
    let here = std::env::current_dir().map_err(|e| internal(format!("the current folder: {e}")))?;
    let batch = Batch {
        spec,
        model_json: model.to_json().map_err(|e| internal(e.to_string()))?,
        name: format!("predict {}", args.model),
        base_dir: here,
        provenance,
    };
    let shutdown = signals::shutdown()?;
    match cluster_that_runs(args, places).await? {
        Some(client) => carry_out(&client, &batch, parts, output, &shutdown).await,
        None => on_own_cluster(args, &batch, parts, places, output, &shutdown).await,
    }
}

/// The cluster that flags, environment or state directory name; `None` if nobody named one and none runs.
async fn cluster_that_runs(args: &PredictArgs, places: &Places) -> Result<Option<DriverClient>, Failure> {
    if args.cluster.is_asked_for() {
        return Ok(None);
    }
    let is_named = places.driver().is_some() || places.cluster().is_some();
    let client = match DriverClient::of(places) {
        Err(failure) if failure.class == ErrorClass::Unreachable && !is_named => return Ok(None),
        client => client?,
    };
    match client.clone().active_workers().await {
        // What a driver that was killed left in the state directory.
        Err(failure) if failure.class == ErrorClass::Unreachable && !is_named => Ok(None),
        answer => answer.map(|_| Some(client)),
    }
}

async fn on_own_cluster(
    args: &PredictArgs,
    batch: &Batch,
    parts: Parts,
    places: &Places,
    output: &mut Output,
    shutdown: &CancellationToken,
) -> Result<(), Failure> {
    let state = places.state_dir()?;
    if args.cluster.workers() == 0 {
        return Err(config("no worker: scoring needs at least 1").at("--workers 0"));
    }
    let access = Access::default();
    let cluster = LocalCluster::start(
        &args.cluster,
        "127.0.0.1:0",
        &access,
        KeptJobs::NONE,
        &state,
        shutdown,
    )
    .await?;
    let scored = carry_out(&cluster.client, batch, parts, output, shutdown).await;
    if let Err(failure) = cluster.stop().await {
        tracing::warn!(%failure, "the cluster did not stop in order");
    }
    scored
}

/// Submits the job, writes what comes of it, and makes the folder appear.
async fn carry_out(
    client: &DriverClient,
    batch: &Batch,
    mut parts: Parts,
    output: &mut Output,
    shutdown: &CancellationToken,
) -> Result<(), Failure> {
    let request = ScoringRequest {
        name: &batch.name,
        model_json: &batch.model_json,
        spec_json: &serde_json::to_string(&batch.spec).map_err(|e| internal(e.to_string()))?,
        base_dir: &batch.base_dir,
    };
    let job_id = client.submit_scoring(request).await?;
    let rows = client.read_scores(&job_id).await?;
    let told = report::follow(client, &job_id, output);
    let work = async {
        let (written, outcome) = tokio::join!(parts.write(rows, &batch.provenance), told);
        reconcile(written, outcome)
    };
    let done = tokio::select! {
        done = work => done,
        () = shutdown.cancelled() => {
            // Whether or not it is heard: without this client the job ends by itself.
            let _ = client.clone().cancel(&job_id).await;
            Err(Failure::new(ErrorClass::Cancelled, "stopped; nothing was written"))
        }
    };
    output.end_progress();
    done?;
    let summary = parts.publish(&batch.provenance)?;
    match output.is_json() {
        true => output.object(&summary),
        false => output.line(&summary.text()),
    }
    Ok(())
}

/// The job's own failure says more than the stream that broke over it; what can't be written here, more than a job that was
/// cancelled for it.
fn reconcile(written: Result<(), Failure>, outcome: JobOutcome) -> Result<(), Failure> {
    match (written, outcome.status) {
        (Ok(()), JobStatus::Succeeded) => Ok(()),
        (Err(failure), JobStatus::Succeeded | JobStatus::Cancelled) => Err(failure),
        (_, _) => outcome.into_result(),
    }
}
