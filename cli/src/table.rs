//! Tables for people: columns line up in any script, and nothing that is shown can move the cursor.

use comfy_table::{ContentArrangement, Table, presets};

/// Rows under a header, without lines around them.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = plain();
    table.set_header(header);
    add(&mut table, rows);
    text(&table).join("\n")
}

/// The same, for the inside of a page.
pub(crate) fn indented(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Vec<String> {
    table(header, rows)
        .lines()
        .map(|line| format!("  {line}"))
        .collect()
}

/// Keys and values, side by side, for the inside of a page.
pub(crate) fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> Vec<String> {
    let mut table = plain();
    let rows = pairs.into_iter().map(|(key, value)| vec![key.to_string(), value]);
    add(&mut table, rows);
    text(&table).iter().map(|line| format!("  {line}")).collect()
}

/// Adds a titled part to a page, unless there is nothing in it.
pub(crate) fn section(page: &mut Vec<String>, title: &str, content: Vec<String>) {
    if !content.is_empty() {
        page.extend([String::new(), title.to_string()]);
        page.extend(content);
    }
}

/// Text as it may be shown: what a terminal would obey is spelled out.
pub(crate) fn printable(text: &str) -> String {
    let spelled = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(spelled).collect()
}

/// The start of a text that is longer than `length` characters.
pub(crate) fn shortened(text: &str, length: usize) -> String {
    match text.chars().count() > length {
        true => text.chars().take(length.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_string(),
    }
}

/// A number with every digit; far from 1, with an exponent.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    match value.is_finite() && size != 0.0 && !(1e-5..1e16).contains(&size) {
        true => format!("{value:e}"),
        false => value.to_string(),
    }
}

fn plain() -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn add(table: &mut Table, rows: impl IntoIterator<Item = Vec<String>>) {
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
}

/// The preset puts a space around each cell, the outer ones too.
fn text(table: &Table) -> Vec<String> {
    if table.is_empty() && table.header().is_none() {
        return Vec::new();
    }
    table
        .to_string()
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_in_any_script() {
        let rows = [
            vec!["ペンギン".into(), "1".into()],
            vec!["adélie".into(), "2".into()],
        ];
        insta::assert_snapshot!(table(&["NAME", "N"], rows), @r"
        NAME      N
        ペンギン  1
        adélie    2
        ");
    }

    #[test]
    fn what_a_terminal_would_obey_is_spelled_out() {
        assert_eq!(
            pairs([("a\u{1b}[2J", "b\nc".to_string())]),
            ["  a\\u{1b}[2J  b\\nc"]
        );
        assert!(pairs([]).is_empty());
    }

    #[test]
    fn numbers_keep_their_digits() {
        let values = [0.9545454545454546, 0.0, 3.0, 1.5e-300, -2e20, f64::NAN];
        assert_eq!(
            values.map(number),
            ["0.9545454545454546", "0", "3", "1.5e-300", "-2e20", "NaN"]
        );
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(shortened("ペンギン", 3), "ペン…");
        assert_eq!(shortened("ペンギン", 4), "ペンギン");
    }
}
