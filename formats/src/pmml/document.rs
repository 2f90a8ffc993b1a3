//! [`Element`]: a document of XML as a tree, written and read.

use std::io::Write as _;

use quick_xml::Reader;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::{Format, FormatError};

/// How deep elements may lie in each other.
const MAX_DEPTH: usize = 64;

/// An element with everything in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
    pub(super) text: String,
}

impl Element {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn with(mut self, attribute: &str, value: impl ToString) -> Self {
        self.attributes.push((attribute.to_owned(), value.to_string()));
        self
    }

    pub(super) fn child(mut self, child: Element) -> Self {
        self.children.push(child);
        self
    }

    pub(super) fn children(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.children.extend(children);
        self
    }

    pub(super) fn text(mut self, text: impl ToString) -> Self {
        self.text = text.to_string();
        self
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter();
        attributes
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// An attribute that must be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, FormatError> {
        let found = self.attribute(name);
        found.ok_or_else(|| Format::Pmml.invalid(format!("{} lacks {name}", self.name)))
    }

    /// The children of that name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The one child of that name.
    pub(super) fn one(&self, name: &str) -> Result<&Element, FormatError> {
        let mut found = self.children.iter().filter(|child| child.name == name);
        match (found.next(), found.next()) {
            (Some(child), None) => Ok(child),
            _ => Err(Format::Pmml.invalid(format!("{} has other than one {name}", self.name))),
        }
    }

    /// The document.
    pub(super) fn to_xml(&self) -> Result<Vec<u8>, FormatError> {
        self.check_characters()?;
        let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
        let declaration = BytesDecl::new("1.0", Some("UTF-8"), None);
        let written = writer
            .write_event(Event::Decl(declaration))
            .and_then(|()| self.write(&mut writer))
            .and_then(|()| writer.get_mut().write_all(b"\n"));
        written.map_err(|e| Format::Pmml.invalid(e))?;
        Ok(writer.into_inner())
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) -> std::io::Result<()> {
        let mut start = BytesStart::new(self.name.as_str());
        start.extend_attributes(self.attributes.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        if self.children.is_empty() && self.text.is_empty() {
            return writer.write_event(Event::Empty(start));
        }
        writer.write_event(Event::Start(start))?;
        if !self.text.is_empty() {
            writer.write_event(Event::Text(BytesText::new(&self.text)))?;
        }
        for child in &self.children {
            child.write(writer)?;
        }
        writer.write_event(Event::End(BytesEnd::new(self.name.as_str())))
    }

    /// XML has no way to write most control characters, and reads line breaks in attributes as blanks.
    fn check_characters(&self) -> Result<(), FormatError> {
        let texts = self.attributes.iter().map(|(_, value)| value).chain([&self.text]);
        for text in texts {
            if let Some(control) = text
                .chars()
                .find(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'))
            {
                let what = format!("the character U+{:04X} in {text:?}", u32::from(control));
                return Err(Format::Pmml.unsupported(what));
            }
        }
        self.children.iter().try_for_each(Element::check_characters)
    }

    /// Reads a document.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let invalid = |what: String| Format::Pmml.invalid(format!("it is no XML that is read here: {what}"));
        let text = std::str::from_utf8(bytes).map_err(|e| invalid(e.to_string()))?;
        let mut reader = Reader::from_str(text);
        let mut open = vec![Element::default()];
        loop {
            let event = reader.read_event().map_err(|e| invalid(e.to_string()))?;
            let top = open.len() - 1;
            match event {
                Event::Start(start) if open.len() <= MAX_DEPTH => open.push(element(&start)?),
                Event::Start(_) => return Err(invalid("elements lie too deep in each other".to_owned())),
                Event::Empty(start) => open[top].children.push(element(&start)?),
                Event::Text(text) => {
                    let text = text.decode().map_err(|e| invalid(e.to_string()))?;
                    open[top].text.push_str(&text);
                }
                Event::GeneralRef(name) => {
                    let name = name.decode().map_err(|e| invalid(e.to_string()))?;
                    let text = quick_xml::escape::unescape(&format!("&{name};"))
                        .map_err(|e| invalid(e.to_string()))?
                        .into_owned();
                    open[top].text.push_str(&text);
                }
                // The reader has checked that it ends the element that is open.
                Event::End(_) => {
                    let mut done = open.pop().unwrap_or_default();
                    if !done.children.is_empty() {
                        done.text.clear();
                    }
                    match open.last_mut() {
                        Some(parent) => parent.children.push(done),
                        None => return Err(invalid("an element ends that was not begun".to_owned())),
                    }
                }
                Event::Eof if open.len() == 1 => {
                    let root = open.remove(0).children.into_iter().next();
                    return root.ok_or_else(|| invalid("it is empty".to_owned()));
                }
                Event::Eof => return Err(invalid("it ends too early".to_owned())),
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
                Event::CData(_) | Event::DocType(_) => {
                    return Err(invalid("CDATA or a document type".to_owned()));
                }
            }
        }
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, FormatError> {
    let invalid = |what: String| Format::Pmml.invalid(what);
    let mut element = Element::new(&String::from_utf8_lossy(start.local_name().as_ref()));
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|e| invalid(e.to_string()))?;
        let value = attribute.unescape_value().map_err(|e| invalid(e.to_string()))?;
        let name = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
        element.attributes.push((name, value.into_owned()));
    }
    Ok(element)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_as_it_was_written() {
        let row = Element::new("row").text(" <ペンギン> & \"co\" ");
        let document = Element::new("PMML").with("version", "4.4 <'&\">").child(row);
        let xml = document.to_xml().unwrap();
        assert_eq!(
            Element::parse(&xml).unwrap(),
            document,
            "{}",
            String::from_utf8_lossy(&xml)
        );
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let deep = "<a>".repeat(100);
        for xml in [
            "",
            "<a>",
            "</a>",
            "<a></b>",
            "<a b=c/>",
            "<a>&what;</a>",
            "<!DOCTYPE a><a/>",
            &deep,
        ] {
            assert!(Element::parse(xml.as_bytes()).is_err(), "{xml}");
        }
        assert!(Element::new("a").text("\u{1}").to_xml().is_err());
    }
}
