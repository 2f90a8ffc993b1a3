//! `rookery serve`: a recorded model behind MLflow's scoring protocol.

use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use rookery_proto::Failure;
use rookery_serving::Scorer;
use rookery_serving::http::Service;
use rookery_serving::metrics::ScorerLabels;
use rookery_tls::{Callers, Port};
use rookery_tracking::MLFLOW_VERSION;
use serde::Serialize;

use crate::args::{JsonFlag, Places};
use crate::diagnostic::{internal, of_tracking};
use crate::driver_port::{Access, DriverPort};
use crate::output::Output;
use crate::policies::Policies;
use crate::records::{self, ModelUri, OpenRecords, RecordsAt};
use crate::token::{self, KnownToken};
use crate::{listen, signals};

const DEFAULT_LISTEN: &str = "127.0.0.1:5001";
/// Longest body of a request, in MiB.
const DEFAULT_BODY_MIB: u32 = 16;

/// Serve a recorded model over HTTP, until Ctrl-C
///
/// It speaks MLflow's scoring protocol: POST /invocations takes JSON, CSV, Parquet or Arrow. Callers show the state folder's
/// token, as they do to a driver.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The model: runs:/RUN, where RUN is a run's id, the start of it, or its name; models:/NAME/VERSION or
    /// models:/NAME@ALIAS
    #[arg(value_name = "MODEL")]
    model: String,

    /// Where to listen; off this machine it speaks TLS [default: 127.0.0.1:5001]
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<String>,

    #[command(flatten)]
    policies: Policies,

    /// Longest body of a request, in MiB [default: 16]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=1024))]
    max_body: Option<u32>,

    #[command(flatten)]
    access: Access,

    #[command(flatten)]
    pub(crate) json: JsonFlag,
}

/// What programs read once the model is served.
#[derive(Debug, Serialize)]
struct ServingStarted<'a> {
    event: &'static str,
    url: &'a str,
    model: &'a str,
    /// From opening the records to a model that answers.
    loaded_ms: f64,
    /// What callers show is in it; `null` where they show nothing, or where the environment holds it.
    token_file: Option<String>,
    /// What clients on other machines believe; `null` without TLS.
    ca_file: Option<String>,
}

pub(crate) async fn serve(args: ServeArgs, places: &Places, output: &mut Output) -> Result<(), Failure> {
    let uri = ModelUri::parse(&args.model).map_err(|failure| failure.at("MODEL"))?;
    let state = places.state_dir()?;
    let shutdown = signals::shutdown()?;
    let address = args.listen.as_deref().unwrap_or(DEFAULT_LISTEN);
    let began = Instant::now();
    let records = RecordsAt::of(places)?.open_for_lookup().await?;
    let labels = labels(&records, &uri).await?;
    let model = records::load(&records, &uri).await?;
    let policies = args.policies.over(model.invalid_values);
    let scorer = Arc::new(Scorer::with_policies(model, policies)?);
    let loaded_ms = began.elapsed().as_secs_f64() * 1e3;
    let known = match args.access.is_insecure() {
        true => None,
        false => Some(token::of_driver(&state)?),
    };
    let port = DriverPort::open(address, &args.access, &state).await?;
    let tls = port.tls.as_ref().map(|tls| tls.identity.server(Callers::Anybody));
    let listener = Port::new(port.listener, tls.transpose()?);
    let body_bytes_max = (args.max_body.unwrap_or(DEFAULT_BODY_MIB) as usize) << 20;
    let service = Service {
        scorer,
        labels,
        token: known.as_ref().map(|known| known.token.clone()),
        version: MLFLOW_VERSION,
        body_bytes_max,
    };
    let started = ServingStarted {
        event: "serving",
        url: listen::display(&port.url),
        model: &args.model,
        loaded_ms,
        token_file: known
            .as_ref()
            .and_then(|known| known.file.as_ref())
            .map(|file| file.display().to_string()),
        ca_file: port.ca_file.map(|file| file.display().to_string()),
    };
    tell(&started, known.as_ref(), output);
    let served = service.serve(listener, shutdown).await;
    served.map_err(|e| internal(format!("the port failed: {e}")))
}

fn tell(started: &ServingStarted<'_>, known: Option<&KnownToken>, output: &Output) {
    if output.is_json() {
        output.object(started);
        return;
    }
    output.line(&format!("serving  {}", started.model));
    output.line(&format!("at       {}/invocations", started.url));
    if let Some(known) = known {
        let header = format!(
            "-H \"Authorization: Bearer {}\"",
            known.in_shell().trim_matches('"')
        );
        output.line(&format!("header   {header}"));
    }
    if let Some(file) = &started.ca_file {
        output.line(&format!("believe  {file}"));
    }
}

/// How the model's series are called: by name and version, or by run.
async fn labels(records: &OpenRecords, uri: &ModelUri) -> Result<ScorerLabels, Failure> {
    let (served_model, version) = match uri {
        ModelUri::Run(run) => (run.clone(), String::new()),
        ModelUri::Version { name, version } => (name.clone(), version.to_string()),
        ModelUri::Alias { name, alias } => {
            let found = records.registry.get_version_by_alias(name, alias).await;
            (
                name.clone(),
                found.map_err(|e| of_tracking(&e))?.version.to_string(),
            )
        }
    };
    Ok(ScorerLabels {
        endpoint: String::new(),
        served_model,
        version,
    })
}
