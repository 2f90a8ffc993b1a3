//! A tracking server without a cluster: MLflow's REST protocol on one port, records in one folder. It is what the
//! driver serves, alone, so that it can be measured (or used) without compiling an engine:
//!
//! ```sh
//! cargo run --release -p rookery-tracking --example tracking_server -- 127.0.0.1:7070 records/
//! ```
//!
//! It asks for the token in `ROOKERY_TOKEN`, if there is one. With `ROOKERY_DATABASE` the records are on PostgreSQL.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use axum::serve::ListenerExt as _;
use rookery_tracking::{Api, ArtifactStore, SqlStore, SystemEnvironment, router};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(folder)) = (arguments.next(), arguments.next().map(PathBuf::from)) else {
        return Err("usage: tracking_server IP:PORT FOLDER".into());
    };
    let store = match std::env::var("ROOKERY_DATABASE") {
        Ok(url) => SqlStore::connect_postgres(&url, Arc::new(SystemEnvironment)).await?,
        Err(_) => SqlStore::open(folder.join("rookery.db")).await?,
    };
    let store = Arc::new(store);
    let api = Api {
        store: Arc::<SqlStore>::clone(&store),
        registry: store,
        artifacts: ArtifactStore::local(folder.join("artifacts"))?,
        token: std::env::var("ROOKERY_TOKEN").ok(),
    };
    let listener = TcpListener::bind(address).await?.tap_io(|stream| {
        // Answers are small and each is waited for.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router(api)).await?;
    Ok(())
}
