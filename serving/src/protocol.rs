//! MLflow's scoring protocol: what a request's content type and query mean.

use crate::decode::{Decoded, Decoder, Options};
use crate::{Refusal, ScoringRequest};

/// What answers are.
pub(crate) const JSON: &str = "application/json";
const CSV: &str = "text/csv";
const PARQUET: &str = "application/vnd.apache.parquet";
const ARROW_STREAM: &str = "application/vnd.apache.arrow.stream";
const ARROW_FILE: &str = "application/vnd.apache.arrow.file";
const TYPES: [&str; 5] = [CSV, JSON, PARQUET, ARROW_STREAM, ARROW_FILE];

/// The rows of a request, and what its answer is to tell.
pub(crate) fn decode(
    decoder: &Decoder<'_>,
    request: &ScoringRequest<'_>,
) -> Result<(Decoded, Options), Refusal> {
    let body = request.body;
    let query = Options::of_query(request.query)?;
    let rows = match content_type(request.content_type)? {
        JSON => {
            let (rows, options) = decoder.json(body)?;
            return Ok((rows, options.or(query)));
        }
        CSV => decoder.csv(body)?,
        PARQUET => decoder.parquet(body)?,
        _ => decoder.arrow(body)?,
    };
    Ok((rows, query))
}

/// Which of the types it is.
fn content_type(header: Option<&str>) -> Result<&'static str, Refusal> {
    let Some(header) = header.map(str::trim).filter(|header| !header.is_empty()) else {
        return Err(unsupported("The request has no Content-Type."));
    };
    let mut parts = header.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let Some(found) = TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(name)) else {
        return Err(unsupported(&format!("Got {:?}.", name)));
    };
    for parameter in parts.filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        if !name.trim().eq_ignore_ascii_case("charset") || !value.eq_ignore_ascii_case("utf-8") {
            return Err(unsupported(&format!(
                "Got the parameter {parameter:?}; only charset=utf-8 is known."
            )));
        }
    }
    Ok(found)
}

fn unsupported(got: &str) -> Refusal {
    let types = TYPES.map(|known| format!("'{known}'")).join(", ");
    let message =
        format!("This predictor only supports the following content types: Types: [{types}]. {got}");
    Refusal::new(415, "BAD_REQUEST", message)
}
