//! `rookery driver`: a driver alone.

use clap::Args;
use rookery_proto::Failure;
use serde::Serialize;

use crate::args::{JsonFlag, Places};
use crate::commands::up::{DEFAULT_LISTEN, unnamed};
use crate::driver_port::Access;
use crate::local_driver::{DriverBounds, KeepJobs, LocalDriver};
use crate::output::Output;
use crate::tracking_hint::TrackingHint;
use crate::{listen, signals};

/// Start a driver without workers, until Ctrl-C
///
/// Workers join with `rookery worker --driver URL`, and on TLS with a join token.
#[derive(Debug, Args)]
pub(crate) struct DriverArgs {
    /// Where the driver listens [default: 127.0.0.1:7070]
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<String>,

    #[command(flatten)]
    jobs: KeepJobs,

    #[command(flatten)]
    access: Access,

    #[command(flatten)]
    bounds: DriverBounds,

    #[command(flatten)]
    pub(crate) json: JsonFlag,
}

/// What programs read once the driver answers.
#[derive(Debug, Serialize)]
struct DriverStarted<'a> {
    event: &'static str,
    driver: &'a str,
    state_dir: String,
    #[serde(flatten)]
    tracking: TrackingHint,
    join_command: String,
}

pub(crate) async fn driver(args: DriverArgs, places: &Places, output: &mut Output) -> Result<(), Failure> {
    let state = unnamed(places)?;
    let shutdown = signals::shutdown()?;
    let address = args.listen.as_deref().unwrap_or(DEFAULT_LISTEN);
    let mut driver = LocalDriver::start(
        address,
        &state,
        &args.bounds,
        &args.access,
        args.jobs.into(),
        &shutdown,
    )
    .await?;
    let url = driver.url().clone();
    driver.publish()?;
    let shown = listen::display(&url);
    let join_command = driver.join_command()?;
    if output.is_json() {
        let state_dir = state.path().display().to_string();
        output.object(&DriverStarted {
            event: "driver_started",
            driver: shown,
            state_dir,
            tracking: driver.tracking_hint(),
            join_command,
        });
    } else {
        output.line(&format!("driver   {shown}"));
        output.line(&format!("state    {}", state.path().display()));
        if let Some(file) = driver.tracking_hint().token_file() {
            output.line(&format!("token    {file}"));
        }
        output.line("");
        output.line(&format!("add a worker:  {join_command}"));
        output.line(&format!("with MLflow:   {}", driver.tracking_hint().in_shell()));
    }
    driver.ended().await
}
