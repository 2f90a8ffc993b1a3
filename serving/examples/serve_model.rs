//! A model file behind MLflow's scoring protocol: what `rookery serve` serves, alone, so that it can be measured (or used)
//! without compiling an engine:
//!
//! ```sh
//! cargo run --release -p rookery-serving --example serve_model -- 127.0.0.1:5001 model.json
//! ```
//!
//! When it is ready it prints a line of JSON, as `rookery serve --json` does. Everybody who reaches the address may ask.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use axum::serve::ListenerExt as _;
use rookery_ml::Model;
use rookery_serving::Scorer;
use rookery_serving::http::Service;
use rookery_serving::metrics::ScorerLabels;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: serve_model IP:PORT MODEL_FILE".into());
    };
    let began = Instant::now();
    let scorer = Scorer::new(Model::from_json(&std::fs::read_to_string(&file)?)?);
    let loaded_ms = began.elapsed().as_secs_f64() * 1e3;
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let started = serde_json::json!({"event": "serving", "url": url, "model": file, "loaded_ms": loaded_ms});
    writeln!(std::io::stdout(), "{started}")?;
    let listener = listener.tap_io(|stream| {
        // Answers are small and each is waited for.
        let _ = stream.set_nodelay(true);
    });
    let service = Service {
        scorer: Arc::new(scorer),
        labels: ScorerLabels {
            endpoint: String::new(),
            served_model: file,
            version: String::new(),
        },
        token: None,
        version: "3.17.2",
        body_bytes_max: 16 << 20,
    };
    service.serve(listener, CancellationToken::new()).await?;
    Ok(())
}
