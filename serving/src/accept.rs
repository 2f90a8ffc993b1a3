//! [`Form`]: what an answer is written in, by the request's `Accept` (RFC 9110, section 12.5.1).

use crate::Refusal;

/// What an answer is written in; the first one, unless the client prefers another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Csv,
    ArrowStream,
}

/// The forms in the order in which they are taken where a client has no preference.
const FORMS: [Form; 3] = [Form::Json, Form::Csv, Form::ArrowStream];

impl Form {
    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::ArrowStream => "application/vnd.apache.arrow.stream",
        }
    }

    /// The form that a client likes best.
    ///
    /// # Errors
    /// Status 406: it takes none of them.
    pub(crate) fn of(accept: Option<&str>) -> Result<Self, Refusal> {
        let ranges: Vec<Range<'_>> = accept.map(Range::of_all).unwrap_or_default();
        if ranges.is_empty() {
            return Ok(Self::Json);
        }
        let liked = FORMS.into_iter().filter_map(|form| {
            let most_specific = ranges
                .iter()
                .filter_map(|range| range.fits(form))
                .max_by_key(|fit| fit.0)?;
            let (specificity, quality) = most_specific;
            (quality > 0).then_some((form, (quality, specificity)))
        });
        // Of several that are liked as well, the first.
        let best = liked.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(form, _)| form).ok_or_else(|| {
            let types = FORMS.map(|form| format!("'{}'", form.media_type())).join(", ");
            let asked = accept.unwrap_or_default();
            let message =
                format!("Answers are of these content types: [{types}]. The request accepts {asked:?}.");
            Refusal::new(406, "BAD_REQUEST", message)
        })
    }
}

/// One of the ranges in an `Accept`, such as `text/*;q=0.5`.
#[derive(Debug)]
struct Range<'a> {
    name: &'a str,
    /// In thousandths.
    quality: u16,
}

impl<'a> Range<'a> {
    fn of_all(accept: &'a str) -> Vec<Self> {
        let ranges = accept.split(',').map(str::trim).filter(|range| !range.is_empty());
        ranges.map(Self::of).collect()
    }

    fn of(range: &'a str) -> Self {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            let value = name.trim().eq_ignore_ascii_case("q").then_some(value.trim())?;
            // A weight that is none leaves the range as it is without one.
            let weight = value
                .parse::<f64>()
                .ok()
                .filter(|weight| (0.0..=1.0).contains(weight));
            Some((weight.unwrap_or(1.0) * 1000.0) as u16)
        });
        Self {
            name,
            quality: quality.unwrap_or(1000),
        }
    }

    /// How specific the range is for a form, if it covers it, and what it says of it.
    fn fits(&self, form: Form) -> Option<(u8, u16)> {
        let media_type = form.media_type();
        let (kind, _) = media_type.split_once('/').unwrap_or_default();
        let is_kind = || {
            let range = self.name.strip_suffix("/*");
            range.is_some_and(|range| range.eq_ignore_ascii_case(kind))
        };
        let specificity = match self.name {
            name if name.eq_ignore_ascii_case(media_type) => 2,
            "*/*" | "*" => 0,
            _ if is_kind() => 1,
            _ => return None,
        };
        Some((specificity, self.quality))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_the_one_that_the_client_likes_best() {
        for (accept, form) in [
            (None, Form::Json),
            (Some(""), Form::Json),
            (Some("*/*"), Form::Json),
            (Some("*"), Form::Json),
            (Some("application/json"), Form::Json),
            (Some("Text/CSV"), Form::Csv),
            (Some("text/csv; header=present"), Form::Csv),
            (Some("text/*"), Form::Csv),
            (Some("text/csv, */*"), Form::Csv),
            (Some("text/csv;q=0.5, application/json"), Form::Json),
            (Some("text/csv;q=0.5, application/json;q=0.4"), Form::Csv),
            (Some("text/csv, application/json"), Form::Json),
            (Some("application/*, application/json;q=0"), Form::ArrowStream),
            (Some("application/vnd.apache.arrow.stream"), Form::ArrowStream),
            (Some("text/html, application/xml;q=0.9, */*;q=0.8"), Form::Json),
            (Some("text/csv;q=high"), Form::Csv),
        ] {
            assert_eq!(Form::of(accept), Ok(form), "{accept:?}");
        }
    }

    #[test]
    fn who_takes_none_of_them_is_told_which_there_are() {
        for accept in [
            "text/html",
            "application/json;q=0",
            "image/*, text/plain",
            "?",
            "*/*;q=0",
        ] {
            let refused = Form::of(Some(accept)).expect_err(accept);
            assert_eq!((refused.status, refused.error_code), (406, "BAD_REQUEST"));
            assert!(
                refused.message.contains("'text/csv'") && refused.message.contains(accept),
                "{refused}"
            );
        }
    }
}
