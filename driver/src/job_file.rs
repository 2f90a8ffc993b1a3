//! Reading job files: overrides, and errors that name line and key.

use rookery_proto::{ErrorClass, Failure};
use toml_edit::{Document, DocumentMut, Item, Table, TableLike, Value};

use crate::job_spec::{JobSpec, ValidJobSpec};

/// The job in `text`; `file_name` is what messages call it.
///
/// # Errors
/// Class config: not TOML, an unknown or missing key, a value of the wrong type or out of range; with the line.
pub fn parse(text: &str, file_name: &str) -> Result<ValidJobSpec, Failure> {
    let spec: JobSpec = toml::from_str(text).map_err(|e| {
        let place = match e.span() {
            Some(span) => format!("{file_name}:{}", line_of(text, span.start)),
            None => file_name.to_string(),
        };
        Failure::new(ErrorClass::Config, e.message().trim().replace('\n', ", "))
            .at(place)
            .hint("every key is explained in docs/job-file.md")
    })?;
    spec.check().map_err(|failure| locate(failure, text, file_name))
}

/// Adds the line of the job file to a failure whose location, or first word, is a key of the file.
pub fn locate(failure: Failure, text: &str, file_name: &str) -> Failure {
    let key = match &failure.location {
        Some(location) => location.clone(),
        None => failure
            .message
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_string(),
    };
    let Some(line) = line_of_key(text, &key) else {
        return failure;
    };
    let place = match &failure.location {
        Some(location) => format!("{file_name}:{line} ({location})"),
        None => format!("{file_name}:{line}"),
    };
    failure.at(place)
}

/// Applies `path=value` overrides to a job file's text; everything else stays as it was written.
///
/// A path is made of keys and positions: `runs[0].max_iter`, `data.sources.penguins.path`. A value is TOML; what
/// is no TOML is taken as text.
///
/// # Errors
/// Class config: no `=`, a path through something that is no table, a position that is not there.
pub fn apply_overrides(text: &str, overrides: &[String]) -> Result<String, Failure> {
    if overrides.is_empty() {
        return Ok(text.to_string());
    }
    let mut document: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| {
        Failure::new(ErrorClass::Config, e.to_string().trim().to_string())
    })?;
    for assignment in overrides {
        let bad = |what: String| {
            Failure::new(ErrorClass::Config, format!("--set {assignment}: {what}"))
                .hint("for example --set runs[0].max_iter=20")
        };
        let (path, value) = assignment
            .split_once('=')
            .ok_or_else(|| bad("expected path=value".into()))?;
        let value: Value = value.trim().parse().unwrap_or_else(|_| Value::from(value.trim()));
        let steps = parse_path(path.trim()).ok_or_else(|| bad(format!("\"{path}\" is not a path")))?;
        set(document.as_table_mut(), &steps, value).map_err(bad)?;
    }
    Ok(document.to_string())
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Position(usize),
}

fn parse_path(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for piece in path.split('.') {
        let (key, mut rest) = piece.split_at(piece.find('[').unwrap_or(piece.len()));
        if key.is_empty() {
            return None;
        }
        steps.push(Step::Key(key.to_string()));
        while let Some(inner) = rest.strip_prefix('[') {
            let (number, after) = inner.split_once(']')?;
            steps.push(Step::Position(number.parse().ok()?));
            rest = after;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Some(steps)
}

fn set(table: &mut dyn TableLike, steps: &[Step], value: Value) -> Result<(), String> {
    let [Step::Key(key), rest @ ..] = steps else {
        return Err("a path starts with a key".into());
    };
    if rest.is_empty() {
        table.insert(key, Item::Value(value));
        return Ok(());
    }
    if table.get(key).is_none() {
        table.insert(key, Item::Table(Table::new()));
    }
    let item = table.get_mut(key).ok_or_else(|| format!("no key {key}"))?;
    if let [Step::Position(position), rest @ ..] = rest {
        return set_element(item, key, *position, rest, value);
    }
    let inner = item
        .as_table_like_mut()
        .ok_or_else(|| format!("{key} is no table"))?;
    set(inner, rest, value)
}

fn set_element(
    item: &mut Item,
    key: &str,
    position: usize,
    rest: &[Step],
    value: Value,
) -> Result<(), String> {
    let missing = |length: usize| format!("{key}[{position}] is not there, {key} has {length} entries");
    if let Some(tables) = item.as_array_of_tables_mut() {
        let length = tables.len();
        return set(
            tables.get_mut(position).ok_or_else(|| missing(length))?,
            rest,
            value,
        );
    }
    let array = item.as_array_mut().ok_or_else(|| format!("{key} is no list"))?;
    let length = array.len();
    let element = array.get_mut(position).ok_or_else(|| missing(length))?;
    match rest {
        [] => *element = value,
        _ => {
            let inner = element
                .as_inline_table_mut()
                .ok_or_else(|| format!("{key}[{position}] is no table"))?;
            set(inner, rest, value)?;
        }
    }
    Ok(())
}

/// The line of a dotted key, or of the longest part of it that is there.
fn line_of_key(text: &str, path: &str) -> Option<usize> {
    let document = Document::parse(text).ok()?;
    let mut item = document.as_item();
    let mut line = None;
    for step in parse_path(path)? {
        let next = match &step {
            Step::Key(key) => item.get(key.as_str()),
            Step::Position(position) => item.get(*position),
        };
        let Some(found) = next else { break };
        if let Step::Key(key) = &step
            && let Some(span) = item
                .as_table_like()
                .and_then(|t| t.get_key_value(key))
                .and_then(|(k, _)| k.span())
        {
            line = Some(line_of(text, span.start));
        } else if let Some(span) = found.span() {
            line = Some(line_of(text, span.start));
        }
        item = found;
    }
    line
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = include_str!("../../data/penguins/job.toml");

    fn message(text: &str) -> String {
        parse(text, "job.toml").map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn the_lab_is_a_valid_job_with_two_runs() {
        let job = parse(JOB, "job.toml").unwrap();
        let runs: Vec<(usize, f64)> = job
            .runs
            .iter()
            .map(|r| (r.params.max_iter, r.params.reg_param))
            .collect();
        assert_eq!(runs, [(5, 0.5), (10, 0.2)]);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let text = "[job]\nname = \"x\"\nspeed = 3\n";
        let message = message(text);
        assert!(message.starts_with("job.toml:3: "), "{message}");
        assert!(message.contains("speed"), "{message}");
    }

    #[test]
    fn a_bad_value_is_named_with_its_line() {
        let text = JOB.replace("seed = 42", "seed = \"today\"");
        let line = JOB.lines().position(|l| l.starts_with("seed")).unwrap() + 1;
        assert!(
            message(&text).starts_with(&format!("job.toml:{line}: ")),
            "{}",
            message(&text)
        );
    }

    #[test]
    fn a_parameter_out_of_range_is_named_with_its_run() {
        let text = apply_overrides(JOB, &["runs[1].reg_param=-0.1".to_string()]).unwrap();
        let message = message(&text);
        assert!(message.contains("runs[1]"), "{message}");
        assert!(message.contains("given invalid value -0.1"), "{message}");
    }

    #[test]
    fn overrides_change_what_they_name_and_nothing_else() {
        let text = apply_overrides(JOB, &["runs[0].max_iter=20".into(), "split.seed=7".into()]).unwrap();
        let job = parse(&text, "job.toml").unwrap();
        assert_eq!(job.runs[0].params.max_iter, 20);
        assert_eq!(job.split.seed, 7);
        assert_eq!(text.lines().count(), JOB.lines().count());
    }

    #[test]
    fn an_override_that_fits_nowhere_is_refused() {
        for (assignment, expected) in [
            ("split.seed", "expected path=value"),
            ("runs[7].max_iter=1", "runs[7] is not there, runs has 2 entries"),
            ("split.seed.x=1", "seed is no table"),
            (".seed=1", "is not a path"),
        ] {
            let failure = apply_overrides(JOB, &[assignment.to_string()]).unwrap_err();
            assert!(failure.message.contains(expected), "{assignment}: {failure}");
            assert_eq!(failure.class, ErrorClass::Config);
        }
    }

    #[test]
    fn a_key_in_a_later_failure_gets_its_line() {
        let failure = Failure::new(
            ErrorClass::Config,
            "split.weights holds -1, expected numbers of at least 0",
        );
        let line = JOB.lines().position(|l| l.starts_with("weights")).unwrap() + 1;
        assert_eq!(
            locate(failure, JOB, "job.toml").location,
            Some(format!("job.toml:{line}"))
        );
    }
}
