//! The fields of a request, taken out one by one under MLflow's rules: unknown fields and nulls do not count, numbers
//! may be written as text, and what is missing or of the wrong type is named in the error.

use serde_json::{Map, Value};

use super::error::ApiError;

/// The most of a wrong value that is repeated in the error, in characters.
const MAX_SHOWN_CHARS: usize = 100;

/// A JSON object, or query parameters.
#[derive(Debug)]
pub(super) struct Fields {
    /// Where the object is in the request, such as `metrics[3].`, for messages.
    prefix: String,
    /// Taken from a query every value is a list of texts.
    values: Map<String, Value>,
    is_query: bool,
}

impl Fields {
    pub(super) fn of_body(values: Map<String, Value>) -> Self {
        Fields {
            prefix: String::new(),
            values,
            is_query: false,
        }
    }

    pub(super) fn of_query(values: Map<String, Value>) -> Self {
        Fields {
            prefix: String::new(),
            values,
            is_query: true,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(value) => Err(self.wrong(name, &value)),
        }
    }

    /// Returns a text; a missing one is empty.
    pub(super) fn text_or_empty(&mut self, name: &str) -> Result<String, ApiError> {
        Ok(self.text(name)?.unwrap_or_default())
    }

    /// Returns a text, unless it is empty: on MLflow's wire that means the same as a missing one.
    pub(super) fn some_text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    pub(super) fn required(&mut self, name: &str) -> Result<String, ApiError> {
        self.some_text(name)?.ok_or_else(|| self.missing(name))
    }

    /// Returns the run's id, which old clients call `run_uuid`.
    pub(super) fn run_id(&mut self) -> Result<String, ApiError> {
        let run_id = self.some_text("run_id")?;
        let run_uuid = self.some_text("run_uuid")?;
        run_id.or(run_uuid).ok_or_else(|| self.missing("run_id"))
    }

    /// Returns a whole number, written as a number or as text.
    pub(super) fn int(&mut self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let number = match &value {
            Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
            Value::String(text) => text
                .trim()
                .parse()
                .ok()
                .or_else(|| whole(text.trim().parse().ok()?)),
            _ => None,
        };
        number.map(Some).ok_or_else(|| self.wrong(name, &value))
    }

    pub(super) fn required_int(&mut self, name: &str) -> Result<i64, ApiError> {
        self.int(name)?.ok_or_else(|| self.missing(name))
    }

    /// Returns how many results are wanted.
    pub(super) fn max_results(&mut self, default: usize, limit: usize) -> Result<usize, ApiError> {
        let Some(wanted) = self.int("max_results")? else {
            return Ok(default);
        };
        let message = match usize::try_from(wanted) {
            Ok(wanted) if (1..=limit).contains(&wanted) => return Ok(wanted),
            Ok(1..) => {
                // MLflow shows what it was given, and a query gives texts.
                let quote = if self.is_query { "\"" } else { "" };
                format!(
                    "Invalid value {quote}{wanted}{quote} for parameter 'max_results' supplied. It must be at most {limit}"
                )
            }
            _ => format!(
                "Invalid value {wanted} for parameter 'max_results' supplied. It must be a positive integer"
            ),
        };
        Err(ApiError::invalid(message))
    }

    /// Returns a double, written as a number or as text such as `NaN`. An infinity becomes the largest double, as in
    /// MLflow, whose databases have no word for it.
    pub(super) fn required_double(&mut self, name: &str) -> Result<f64, ApiError> {
        let value = self.take(name).ok_or_else(|| self.missing(name))?;
        let number: Option<f64> = match &value {
            Value::Number(number) => number.as_f64(),
            Value::Bool(bit) => Some(f64::from(u8::from(*bit))),
            Value::String(text) if text.is_empty() => return Err(self.missing(name)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.wrong(name, &value))?;
        Ok(if number.is_infinite() {
            f64::MAX.copysign(number)
        } else {
            number
        })
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(Value::String(text)) if self.is_query && text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::String(text)) if self.is_query && text.eq_ignore_ascii_case("false") => {
                Ok(Some(false))
            }
            Some(value) => Err(self.wrong(name, &value)),
        }
    }

    /// Returns one of some words, which protobuf's JSON also writes as their numbers.
    pub(super) fn word<T: Copy>(
        &mut self,
        name: &str,
        words: &[(&str, i64, T)],
    ) -> Result<Option<T>, ApiError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let found = words.iter().find(|(word, number, _)| match &value {
            Value::String(text) => text == word || self.is_query && text.parse() == Ok(*number),
            Value::Number(given) => given.as_i64() == Some(*number),
            _ => false,
        });
        match found {
            Some((_, _, meaning)) => Ok(Some(*meaning)),
            None => Err(self.wrong(name, &value)),
        }
    }

    /// Returns a list of texts; a missing one is empty.
    pub(super) fn texts(&mut self, name: &str) -> Result<Vec<String>, ApiError> {
        let is_text = |value: &Value| value.is_string();
        match self.values.remove(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(list)) if list.iter().all(is_text) => Ok(list
                .into_iter()
                .filter_map(|value| match value {
                    Value::String(text) => Some(text),
                    _ => None,
                })
                .collect()),
            Some(value) => Err(self.wrong(name, &value)),
        }
    }

    /// Returns the error for a list that is missing; an empty one is there.
    pub(super) fn require_list(&self, name: &str) -> Result<(), ApiError> {
        match self.values.get(name) {
            None | Some(Value::Null) => Err(self.missing(name)),
            Some(_) => Ok(()),
        }
    }

    /// Returns a list of objects; a missing one is empty.
    pub(super) fn objects(&mut self, name: &str) -> Result<Vec<Fields>, ApiError> {
        let list = match self.values.remove(name) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(value) => return Err(self.wrong(name, &value)),
        };
        let object = |(index, value)| match value {
            Value::Object(values) => Ok(Fields {
                prefix: format!("{}{name}[{index}].", self.prefix),
                values,
                is_query: false,
            }),
            value => Err(self.wrong(&format!("{name}[{index}]"), &value)),
        };
        list.into_iter().enumerate().map(object).collect()
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Fields>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(values)) => Ok(Some(Fields {
                prefix: format!("{}{name}.", self.prefix),
                values,
                is_query: false,
            })),
            Some(value) => Err(self.wrong(name, &value)),
        }
    }

    pub(super) fn missing(&self, name: &str) -> ApiError {
        ApiError::invalid(format!(
            "Missing value for required parameter '{}{name}'. See the API docs for more information about request \
             parameters.",
            self.prefix
        ))
    }

    /// Returns a value that is not null; of a query parameter that is there several times, the first.
    fn take(&mut self, name: &str) -> Option<Value> {
        match self.values.remove(name) {
            Some(Value::Array(list)) if self.is_query => list.into_iter().next(),
            value => value.filter(|value| !value.is_null()),
        }
    }

    fn wrong(&self, name: &str, value: &Value) -> ApiError {
        let kind = match value {
            Value::Null => "NoneType",
            Value::Bool(_) => "bool",
            Value::Number(number) if number.is_f64() => "float",
            Value::Number(_) => "int",
            Value::String(_) => "str",
            Value::Array(_) => "list",
            Value::Object(_) => "dict",
        };
        let mut shown = value.to_string();
        if let Some((end, _)) = shown.char_indices().nth(MAX_SHOWN_CHARS) {
            shown.truncate(end);
            shown.push_str("...");
        }
        ApiError::invalid(format!(
            "Invalid value {shown} for parameter '{}{name}' supplied:  Hint: Value was of type '{kind}'. See the API \
             docs for more information about request parameters.",
            self.prefix
        ))
    }
}

/// Returns the whole number that a double stands for, if it stands for one that a double holds exactly.
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked: it is whole and within 2^53"
    )]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}
