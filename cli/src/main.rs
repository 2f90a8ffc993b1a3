//! The `rookery` command: the human's door, and the only crate that prints.
//!
//! The path of a command: [`args`] says what was asked for, one file under [`commands`] does it, [`output`] writes
//! what came out, and [`diagnostic`] turns whatever failed into a message and an exit code.
//!
//! A job's events arrive through [`client`] as [`job_event`]s, and [`report`] makes lines, JSON or a progress bar
//! of them. [`cluster`] is a cluster on this machine: a driver in this process ([`local_driver`]) and workers as
//! child processes ([`worker_processes`]); with a name ([`named`]) it can be started again. Everything that is kept lies in
//! the [`state_dir`]. Between machines all speak TLS: [`driver_port`], [`trust`] and [`worker_identity`] are its driver's,
//! client's and worker's sides.
//!
//! Commands that look at what was recorded open it through [`records`], and show it with [`table`], [`plot`] and
//! [`times`].

mod args;
mod client;
mod cluster;
mod cluster_rows;
mod commands;
mod detached;
mod diagnostic;
mod driver_port;
mod job_event;
mod job_file;
mod listen;
mod local_driver;
mod logging;
mod memory;
mod named;
mod output;
mod pairs;
mod plot;
mod policies;
mod progress;
mod records;
mod report;
mod signals;
mod spool;
mod state_dir;
mod store_environment;
mod table;
mod times;
mod token;
mod traces;
mod tracking_hint;
mod trust;
mod worker_identity;
mod worker_processes;

use std::process::ExitCode;

use clap::Parser as _;
use rookery_proto::{ErrorClass, Failure};

use crate::args::Cli;
use crate::output::Output;
use crate::traces::Traces;

/// Stack of the runtime's threads. Query planning recurses, and in an unoptimised build its frames are large.
const THREAD_STACK_BYTES: usize = 8 << 20;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut output = Output::new(cli.wants_json());
    match carry_out(cli, &mut output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.class.exit_code())
        }
    }
}

fn carry_out(cli: Cli, output: &mut Output) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(THREAD_STACK_BYTES)
        .build()
        .map_err(|e| Failure::new(ErrorClass::Internal, format!("the runtime does not start: {e}")))?;
    let traces = watched(&cli, runtime.handle());
    let result = runtime.block_on(commands::run(cli, output));
    if let Some(traces) = traces {
        traces.flush();
    }
    // What still runs has been given its time: the exit waits for nobody.
    runtime.shutdown_background();
    result
}

/// Starts logging, and sending traces where a process that serves is asked to.
fn watched(cli: &Cli, runtime: &tokio::runtime::Handle) -> Option<Traces> {
    let _inside = runtime.enter();
    let traces = match cli.command.service() {
        Some(service) => Traces::of_environment(service),
        None => Ok(None),
    };
    logging::init(
        cli.verbose,
        cli.log_format,
        traces.as_ref().ok().and_then(Option::as_ref),
    );
    traces.unwrap_or_else(|error| {
        tracing::warn!(error, "no traces are sent");
        None
    })
}
