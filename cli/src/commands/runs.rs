//! `rookery runs`: what was trained, and what came of it.

use clap::{Args, Subcommand};
use rookery_proto::Failure;

use crate::args::{JsonFlag, Places};
use crate::output::Output;
use crate::records::RecordsAt;

mod change;
mod coefficients;
mod compare;
mod list;
mod nesting;
mod object;
mod page;
mod reproduce;
mod show;
mod sync;

pub(crate) use object::Number;

/// Look at recorded runs, compare and change them
///
/// RUN is a run's id, the start of it, or its name.
#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    command: RunsCommand,
}

#[derive(Debug, Subcommand)]
enum RunsCommand {
    List(list::ListArgs),
    Search(list::SearchArgs),
    Show(show::ShowArgs),
    Compare(compare::CompareArgs),
    Reproduce(Box<reproduce::ReproduceArgs>),
    Tag(change::TagArgs),
    Delete(change::DeleteArgs),
    Restore(change::RestoreArgs),
    Sync(sync::SyncArgs),
}

impl RunsArgs {
    pub(crate) fn json(&self) -> &JsonFlag {
        match &self.command {
            RunsCommand::List(args) => &args.json,
            RunsCommand::Search(args) => &args.json,
            RunsCommand::Show(args) => &args.json,
            RunsCommand::Compare(args) => &args.json,
            RunsCommand::Reproduce(args) => &args.json,
            RunsCommand::Tag(args) => &args.json,
            RunsCommand::Delete(args) => &args.json,
            RunsCommand::Restore(args) => &args.json,
            RunsCommand::Sync(args) => &args.json,
        }
    }
}

pub(crate) async fn runs(args: RunsArgs, places: &Places, output: &mut Output) -> Result<(), Failure> {
    let at = RecordsAt::of(places)?;
    match args.command {
        RunsCommand::List(args) => list::list(args, &at, output).await,
        RunsCommand::Search(args) => list::search(args, &at, output).await,
        RunsCommand::Show(args) => show::show(&args, &at.open_for_lookup().await?, output).await,
        RunsCommand::Compare(args) => compare::compare(&args, &at.open_for_lookup().await?, output).await,
        RunsCommand::Reproduce(args) => {
            let records = at.open_for_lookup().await?;
            reproduce::reproduce(&args, &records, &places.state_dir()?, output).await
        }
        RunsCommand::Tag(args) => change::tag(&args, &at.open_for_lookup().await?, output).await,
        RunsCommand::Delete(args) => change::delete(&args, &at.open_for_lookup().await?, output).await,
        RunsCommand::Restore(args) => change::restore(&args, &at.open_for_lookup().await?, output).await,
        RunsCommand::Sync(args) => sync::sync(&args, &places.state_dir()?, output).await,
    }
}
