//! Answers as they go to the client.

use bytes::Bytes;

use crate::accept::Form;
use crate::decode::Options;
use crate::scored::Scored;
use crate::{Refusal, Scorer};

mod columns;
mod json;

/// The body of the answer to a request.
///
/// # Errors
/// The form can't hold what is asked for.
pub(crate) fn body(scorer: &Scorer, scored: &Scored, options: Options, form: Form) -> Result<Bytes, Refusal> {
    match form {
        Form::Json => Ok(json::body(scorer, scored, options)),
        Form::Csv => Ok(columns::csv(scored, options)),
        Form::ArrowStream => columns::arrow_stream(scored, options),
    }
}
