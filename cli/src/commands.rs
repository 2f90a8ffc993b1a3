//! One file for each command: its arguments, whose documentation is the help, and the function that does it.

use rookery_proto::Failure;

use crate::args::{Cli, Command};
use crate::output::Output;

pub(crate) mod artifacts;
pub(crate) mod cluster;
pub(crate) mod data;
pub(crate) mod down;
pub(crate) mod driver;
pub(crate) mod endpoints;
pub(crate) mod experiments;
pub(crate) mod jobs;
pub(crate) mod models;
pub(crate) mod predict;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod serve;
pub(crate) mod submit;
pub(crate) mod token;
pub(crate) mod up;
pub(crate) mod validate;
pub(crate) mod worker;
pub(crate) mod workers;

/// Does what was asked for.
pub(crate) async fn run(cli: Cli, output: &mut Output) -> Result<(), Failure> {
    let places = &cli.places;
    match cli.command {
        Command::Run(args) => run::run(args, places, output).await,
        Command::Up(args) => up::up(args, places, output).await,
        Command::Driver(args) => driver::driver(args, places, output).await,
        Command::Worker(args) => worker::worker(args, places, output).await,
        Command::Down(args) => down::down(args, places, output).await,
        Command::Status(args) => down::status(args, places, output).await,
        Command::Cluster(args) => cluster::cluster(args, places, output).await,
        Command::Validate(args) => validate::validate(args, output).await,
        Command::Submit(args) => submit::submit(args, places, output).await,
        Command::Jobs(args) => jobs::jobs(args, places, output).await,
        Command::Token(args) => token::token(args, places, output).await,
        Command::Workers(args) => workers::workers(args, places, output).await,
        Command::Data(args) => data::data(args, output).await,
        Command::Experiments(args) => experiments::experiments(args, places, output).await,
        Command::Runs(args) => runs::runs(args, places, output).await,
        Command::Models(args) => models::models(args, places, output).await,
        Command::Endpoints(args) => endpoints::endpoints(args, places, output).await,
        Command::Artifacts(args) => artifacts::artifacts(args, places, output).await,
        Command::Predict(args) => predict::predict(args, places, output).await,
        Command::Serve(args) => serve::serve(args, places, output).await,
    }
}
