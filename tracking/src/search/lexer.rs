//! Cuts a filter or an order into tokens. Every text has tokens: what fits nothing becomes a stray one.

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    /// Where it starts in the text, in bytes.
    pub(super) start: usize,
    /// The piece as it was written, quotes included.
    pub(super) raw: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// A column's name or a keyword. In double quotes it may also be a text value: only its place tells.
    Name(Name<'a>),
    Number,
    /// What stands between single quotes.
    Text(&'a str),
    Comparator,
    Open,
    Close,
    Comma,
    /// A character that has no place in the grammar, such as `;` or a quote that nothing closes.
    Stray,
}

/// `key` or `entity.key`, without quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name<'a> {
    pub(super) entity: Option<&'a str>,
    pub(super) key: &'a str,
    /// What the name begins with, if that is a quote.
    pub(super) quote: Option<char>,
}

impl<'a> Token<'a> {
    pub(super) fn end(&self) -> usize {
        self.start + self.raw.len()
    }

    /// Returns whether this is the keyword, in whatever case.
    pub(super) fn is_keyword(&self, keyword: &str) -> bool {
        let is_bare = matches!(
            self.kind,
            Kind::Name(Name {
                entity: None,
                quote: None,
                ..
            })
        );
        is_bare && self.raw.eq_ignore_ascii_case(keyword)
    }

    /// Returns what stands between the quotes, if the token is a text: double quotes make one out of a name.
    pub(super) fn text_value(&self) -> Option<&'a str> {
        match self.kind {
            Kind::Text(text) => Some(text),
            Kind::Name(name) if name.quote == Some('"') && name.entity.is_none() => Some(name.key),
            _ => None,
        }
    }
}

pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(c) = text[start..].chars().next() {
        if c.is_whitespace() {
            start += c.len_utf8();
            continue;
        }
        let (kind, len) = first_token(&text[start..], c);
        let raw = &text[start..start + len];
        tokens.push(Token { kind, start, raw });
        start += len;
    }
    tokens
}

/// Returns the token that `rest` begins with, and its length; `c` is the first character of `rest`.
fn first_token(rest: &str, c: char) -> (Kind<'_>, usize) {
    match c {
        '(' => (Kind::Open, 1),
        ')' => (Kind::Close, 1),
        ',' => (Kind::Comma, 1),
        '\'' => match quoted_len(rest, c) {
            Some(len) => (Kind::Text(&rest[1..len - 1]), len),
            None => (Kind::Stray, 1),
        },
        '<' | '=' | '>' | '!' | '~' => (Kind::Comparator, run_len(rest, |c| "<=>!~".contains(c))),
        _ => number_len(rest)
            .map(|len| (Kind::Number, len))
            .or_else(|| name(rest, c).map(|(name, len)| (Kind::Name(name), len)))
            .unwrap_or((Kind::Stray, c.len_utf8())),
    }
}

/// A name: a word or a quoted piece, and, if a dot follows at once, everything that can be the key.
fn name(rest: &str, c: char) -> Option<(Name<'_>, usize)> {
    let quote = (c == '`' || c == '"').then_some(c);
    let (first, first_len) = piece(rest, is_word)?;
    let Some(after_dot) = rest[first_len..].strip_prefix('.') else {
        let name = Name {
            entity: None,
            key: first,
            quote,
        };
        return Some((name, first_len));
    };
    // Nothing can be a key after all: the dot is then the end of a name with an empty key, which nobody has.
    let (key, key_len) = piece(after_dot, |c| is_word(c) || c == '.').unwrap_or(("", 0));
    let name = Name {
        entity: Some(first),
        key,
        quote,
    };
    Some((name, first_len + 1 + key_len))
}

/// A quoted piece without its quotes, or as many characters as are allowed, and the length of it all.
fn piece(rest: &str, is_allowed: impl Fn(char) -> bool) -> Option<(&str, usize)> {
    match rest.chars().next()? {
        quote @ ('`' | '"' | '\'') => quoted_len(rest, quote).map(|len| (&rest[1..len - 1], len)),
        _ => match run_len(rest, is_allowed) {
            0 => None,
            len => Some((&rest[..len], len)),
        },
    }
}

/// The length of the quoted text at the start of `rest`, quotes included, or `None` if it never ends.
///
/// A doubled quote does not end it, nor, but for back ticks, does a quote behind a backslash, unless the text would
/// never end otherwise: `'C:\'` is a directory.
fn quoted_len(rest: &str, quote: char) -> Option<usize> {
    let bytes = rest.as_bytes();
    let quote = quote as u8;
    let mut last_inner = None;
    let mut i = 1;
    while i < bytes.len() {
        let is_pair = bytes.get(i + 1) == Some(&quote);
        if bytes[i] == quote && is_pair {
            last_inner = Some(i + 1);
            i += 2;
        } else if bytes[i] == b'\\' && is_pair && quote != b'`' {
            last_inner = Some(i + 2);
            i += 2;
        } else if bytes[i] == quote {
            return Some(i + 1);
        } else {
            i += 1;
        }
    }
    last_inner
}

/// The length of the number at the start of `rest`. `1AND` is none, and neither is the first half of `1.2.3`.
fn number_len(rest: &str) -> Option<usize> {
    let digits = |from: usize| run_len(&rest[from..], |c| c.is_ascii_digit());
    let mut len = usize::from(rest.starts_with('-'));
    let whole = digits(len);
    len += whole;
    if rest[len..].starts_with('.') {
        let fraction = digits(len + 1);
        if whole + fraction == 0 {
            return None;
        }
        len += 1 + fraction;
    } else if whole == 0 {
        return None;
    }
    if rest[len..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[len + 1..].starts_with(['+', '-']));
        match digits(len + 1 + sign) {
            0 => {}
            exponent => len += 1 + sign + exponent,
        }
    }
    let goes_on = rest[len..].starts_with(|c| is_word(c) || c == '.');
    (!goes_on).then_some(len)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn run_len(text: &str, is_in: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_in(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Vec<&str> {
        tokens(text).iter().map(|token| token.raw).collect()
    }

    #[test]
    fn cuts_where_it_should() {
        assert_eq!(raw("metrics.a>-1"), ["metrics.a", ">", "-1"]);
        assert_eq!(raw("tags.`a b`='x'and"), ["tags.`a b`", "=", "'x'", "and"]);
        assert_eq!(
            raw("run_id IN('a',\"b\")"),
            ["run_id", "IN", "(", "'a'", ",", "\"b\"", ")"]
        );
        assert_eq!(raw("1AND 1.2.3 -.5e-3"), ["1AND", "1.2.3", "-.5e-3"]);
        assert_eq!(raw("a\u{a0}b;é"), ["a", "b", ";", "é"]);
    }

    #[test]
    fn quotes_end_where_they_must() {
        assert_eq!(raw(r"'it''s' 'it\'s' x"), [r"'it''s'", r"'it\'s'", "x"]);
        assert_eq!(raw(r"'C:\'"), [r"'C:\'"]);
        assert_eq!(raw("'x''"), ["'x'", "'"]);
        assert_eq!(raw(r"`a\` b"), [r"`a\`", "b"]);
        assert_eq!(raw("'x"), ["'", "x"]);
    }
}
