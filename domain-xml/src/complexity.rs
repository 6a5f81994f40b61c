//! Refuses what the parser would take more than linear time for.
//!
//! The parser compares each attribute with all others of its element, and copies the namespaces of an element to each of its
//! children that declares one of its own. Both are bounded here, far above what libvirt writes, so that a domain takes time in
//! proportion to its size, whoever wrote it.

use crate::error::{DomainError, abbreviate};

/// Attributes of one element. libvirt's largest has some thirty.
const MAX_ATTRIBUTES: usize = 128;

/// Declarations of namespaces in a domain.
const MAX_NAMESPACES: usize = 128;

/// Passes what is not well-formed: the parser says why it is not.
pub(crate) fn check(text: &str) -> Result<(), DomainError> {
    let (mut rest, mut namespaces) = (text, 0);
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        let skipped = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")]
            .iter()
            .find_map(|(start, end)| Some(rest.strip_prefix(start)?.split_once(end).map(|(_, after)| after)));
        let after = if let Some(after) = skipped {
            after
        } else {
            let tag = Tag::scan(rest);
            if tag.attributes > MAX_ATTRIBUTES {
                let element = abbreviate(&rest[..tag.length]);
                return Err(DomainError::TooManyAttributes { element, most: MAX_ATTRIBUTES });
            }
            namespaces += tag.namespaces;
            Some(&rest[tag.length..])
        };
        let Some(after) = after else { return Ok(()) };
        rest = after;
    }
    if namespaces > MAX_NAMESPACES {
        return Err(DomainError::TooManyNamespaces { count: namespaces, most: MAX_NAMESPACES });
    }
    Ok(())
}

/// A start or an end tag.
#[derive(Default)]
struct Tag {
    length: usize,
    /// Values in quotes.
    attributes: usize,
    /// Those whose name has to do with namespaces.
    namespaces: usize,
}

impl Tag {
    /// Reads from `<` to `>`, or to the end.
    fn scan(text: &str) -> Self {
        let mut tag = Self::default();
        while let Some(at) = text[tag.length..].find(['>', '"', '\'']) {
            let (before, from) = (&text[tag.length..tag.length + at], tag.length + at);
            tag.length = from + 1;
            if text.as_bytes()[from] == b'>' {
                return tag;
            }
            tag.attributes += 1;
            tag.namespaces += usize::from(before.contains("xmlns"));
            let quote = char::from(text.as_bytes()[from]);
            match text[tag.length..].find(quote) {
                Some(end) => tag.length += end + 1,
                None => break,
            }
        }
        tag.length = text.len();
        tag
    }
}
