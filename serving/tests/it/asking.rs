//! Requests to a scorer of the birds.

use rookery_serving::{Answer, Refusal, Scorer, ScoringRequest};

use crate::models::strict_birds;

pub(crate) const JSON: &str = "application/json";
pub(crate) const GOOD: &str = r#"{"island": "Biscoe", "length": 48.7, "mass": 4450, "adult": true}"#;

pub(crate) fn ask(content_type: Option<&str>, query: Option<&str>, body: &[u8]) -> Result<Answer, Refusal> {
    ask_of(&Scorer::new(strict_birds()), content_type, query, body)
}

pub(crate) fn ask_of(
    scorer: &Scorer,
    content_type: Option<&str>,
    query: Option<&str>,
    body: &[u8],
) -> Result<Answer, Refusal> {
    scorer.answer(&ScoringRequest {
        content_type,
        accept: None,
        query,
        body,
    })
}

pub(crate) fn answer(content_type: &str, body: &[u8]) -> String {
    let answer = ask(Some(content_type), None, body).unwrap_or_else(|e| panic!("{e}"));
    String::from_utf8(answer.body.to_vec()).expect("JSON")
}
