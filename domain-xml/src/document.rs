//! Finds elements in a domain's text.

use std::ops::Range;

use roxmltree::{Document, ExpandedName, Node};

use crate::complexity;
use crate::error::{DomainError, abbreviate};

/// White space as XML defines it.
pub(crate) const WHITE_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// A parsed domain.
pub(crate) struct Domain<'x> {
    pub(crate) text: &'x str,
    document: Document<'x>,
}

impl<'x> Domain<'x> {
    pub(crate) fn read(text: &'x str) -> Result<Self, DomainError> {
        complexity::check(text)?;
        // Document types stay forbidden: entities could expand without bound.
        let document = Document::parse(text).map_err(DomainError::Malformed)?;
        let domain = Self { text, document };
        let root = domain.root();
        if is(root, "domain") {
            return Ok(domain);
        }
        Err(DomainError::NotADomain { found: root.tag_name().name().to_owned() })
    }

    pub(crate) fn root(&self) -> Node<'_, 'x> {
        self.document.root_element()
    }

    pub(crate) fn devices(&self) -> Option<Node<'_, 'x>> {
        child(self.root(), "devices")
    }

    /// The only `<rng>`, if there is one.
    pub(crate) fn rng(&self) -> Result<Option<Node<'_, 'x>>, DomainError> {
        let found: Vec<_> = self.devices().into_iter().flat_map(|devices| children(devices, "rng")).collect();
        match found[..] {
            [] => Ok(None),
            [rng] => Ok(Some(rng)),
            _ => Err(DomainError::SeveralRngs { count: found.len() }),
        }
    }

    /// The start tag of an element, for error messages; abbreviated if it is long.
    pub(crate) fn start_tag(&self, element: Node) -> String {
        let text = &self.text[element.range()];
        let end =
            element.first_child().map_or(text.len(), |first| first.range().start - element.range().start);
        abbreviate(&text[..end])
    }

    /// The white space before `at` from the last line break on; empty if there is no line break.
    pub(crate) fn lead(&self, at: usize) -> &'x str {
        let before = &self.text[..at];
        let space = &before[before.trim_end_matches(WHITE_SPACE).len()..];
        let from = space.rfind("\r\n").or_else(|| space.rfind('\n'));
        from.map_or("", |from| &space[from..])
    }

    /// The range of an element and the white space before it, so that its removal leaves no empty line.
    pub(crate) fn with_lead(&self, element: Node) -> Range<usize> {
        let Range { start, end } = element.range();
        start - self.lead(start).len()..end
    }
}

/// The domain's name.
pub fn name(xml: &str) -> Result<Option<String>, DomainError> {
    let domain = Domain::read(xml)?;
    Ok(child(domain.root(), "name").and_then(|name| name.text()).map(|name| name.trim().to_owned()))
}

/// Whether a node is an element of libvirt's, which have no namespace.
pub(crate) fn is(node: Node, name: &str) -> bool {
    node.is_element() && node.tag_name() == ExpandedName::from(name)
}

pub(crate) fn child<'a, 'x>(node: Node<'a, 'x>, name: &str) -> Option<Node<'a, 'x>> {
    node.children().find(|child| is(*child, name))
}

pub(crate) fn children<'a, 'x>(node: Node<'a, 'x>, name: &str) -> impl Iterator<Item = Node<'a, 'x>> {
    node.children().filter(move |child| is(*child, name))
}
