//! A domain takes time in proportion to its size, whoever wrote it: four times the text, four times the time.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use entropool_domain_xml::{
    DomainError, PoolSelection, connect, deselect, disconnect, name, select, selection, socket, translate,
};
use rustix::time::{ClockId, clock_gettime};

const SOCKET: &str = "/run/entropool/egd.sock";
/// libvirt passes on a quarter of it at most.
const LARGEST: usize = 16 << 20;

/// Parts that a domain is made of: what is repeated, and what is around.
struct Shape {
    what: &'static str,
    before: &'static str,
    part: &'static str,
    /// Once for each part, after all of them.
    close: &'static str,
    after: &'static str,
}

const fn shape(
    what: &'static str,
    before: &'static str,
    part: &'static str,
    close: &'static str,
    after: &'static str,
) -> Shape {
    Shape { what, before, part, close, after }
}

const DEVICES: &str = "<domain>\n  <devices>\n";
const END: &str = "\n  </devices>\n</domain>";
const RNG: &str = "<domain>\n  <devices>\n    <rng model='virtio'>\n";
const RNG_END: &str = "\n    </rng>\n  </devices>\n</domain>";

const SHAPES: [Shape; 15] = [
    shape("devices", DEVICES, "    <disk type='file'><source file='/a'/></disk>\n", "", END),
    shape("nested elements", "<domain>", "<a>", "</a>", "</domain>"),
    shape("nested elements with an attribute", "<domain>", "<a b='c'>", "</a>", "</domain>"),
    shape("white space", DEVICES, "\n  \t", "", END),
    shape("comments", DEVICES, "<!-- <rng a='b'/> -->\n", "", END),
    shape("instructions and CDATA", DEVICES, "<?a '?><![CDATA[<a \"]]>", "", END),
    shape("references", DEVICES, "&amp;&#10;\r", "", END),
    shape("rates", RNG, "      <rate bytes='1'/>\n", "", RNG_END),
    shape("backends", RNG, "      <backend model='random'/>\n<source/>", "", RNG_END),
    shape("comments in the device", RNG, "<!---->\n", "", RNG_END),
    shape("text in the device", RNG, "a\n b ", "", RNG_END),
    shape("devices of one kind", DEVICES, "<rng/>", "", END),
    shape("metadata", "<domain><metadata>", "<a/>\n", "", "</metadata></domain>"),
    shape("a long value", "<domain><name a='", "&lt;", "", "'/></domain>"),
    shape("angle brackets in values", DEVICES, "<a b='>' c=\"'\"/>", "", END),
];

impl Shape {
    fn text(&self, size: usize) -> String {
        let count = size / (self.part.len() + self.close.len());
        [self.before, &self.part.repeat(count), &self.close.repeat(count), self.after].concat()
    }
}

/// Everything that is ever done with a domain.
fn handle(text: &str) {
    let chosen = PoolSelection { pool: "default".to_owned(), class: Some("gold".to_owned()) };
    let _ = (name(text), socket(text), selection(text));
    let _ = (connect(text, SOCKET), disconnect(text), translate(text, SOCKET));
    let _ = (select(text, &chosen), deselect(text));
}

/// The processor's time of this thread, which other processes do not add to.
fn cpu_time(act: impl FnOnce()) -> Duration {
    let now = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec.try_into().unwrap(), now.tv_nsec.try_into().unwrap())
    };
    let before = now();
    act();
    now().saturating_sub(before)
}

/// What is quadratic takes sixteen times as long for four times the text. Caches make what is linear up to twice as slow.
fn assert_linear(what: &str, sizes: (usize, usize), text: impl Fn(usize) -> String, act: fn(&str)) {
    let (small, large) = (text(sizes.0), text(sizes.1));
    // Whoever else uses the caches may slow either down, but not again and again.
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (small, large) = (cpu_time(|| act(&small)), cpu_time(|| act(&large)));
        if large < small * 8 {
            return;
        }
        seen.push((small, large));
    }
    panic!("{what}: {seen:?}");
}

/// Everything with a text of a megabyte, and what a hook does with the largest.
fn is_linear(what: &str, text: impl Fn(usize) -> String) {
    assert_linear(what, (LARGEST / 64, LARGEST / 16), &text, handle);
    assert_linear(what, (LARGEST / 4, LARGEST), &text, |text| {
        let _ = connect(text, SOCKET);
    });
}

#[test]
fn a_domain_of_any_shape_takes_time_in_proportion_to_its_size() {
    for shape in &SHAPES {
        is_linear(shape.what, |size| shape.text(size));
    }
}

/// An element with so many attributes, each of its own name.
fn element(attributes: usize) -> String {
    let attributes = (0..attributes).map(|at| format!(" a{at}='1'")).collect::<Vec<_>>().concat();
    format!("<cpu{attributes}/>")
}

#[test]
fn as_many_attributes_and_namespaces_as_there_may_be_are_linear_too() {
    let attributes = element(128);
    is_linear("attributes", |size| [DEVICES, &attributes.repeat(size / attributes.len()), END].concat());
    let namespaces = (0..127).map(|at| format!(" xmlns:n{at}='urn:{at}'")).collect::<Vec<_>>().concat();
    let inside = "<n126:a n126:b='1'/>";
    is_linear("namespaces", |size| {
        let inside = inside.repeat(size / inside.len());
        format!("<domain><metadata{namespaces}><x xmlns:y='z'>{inside}</x></metadata></domain>")
    });
}

#[test]
fn what_would_take_longer_is_refused_with_a_sentence() {
    let many = |size: usize| format!("<domain><devices>{}</devices></domain>", element(size));
    assert!(connect(&many(128), SOCKET).is_ok());
    let refused = connect(&many(129), SOCKET).unwrap_err();
    assert!(matches!(refused, DomainError::TooManyAttributes { most: 128, .. }));
    let said = refused.to_string();
    assert!(
        said.starts_with("<cpu a0='1' a1='1'")
            && said.ends_with("than 128 attributes, which no domain of libvirt has")
    );
    assert!(said.len() < 300, "{said}");

    let nested = |depth: usize| {
        let open = (0..depth).map(|at| format!("<a xmlns:n{at}='u'>")).collect::<Vec<_>>().concat();
        format!("<domain>{open}{}</domain>", "</a>".repeat(depth))
    };
    assert!(connect(&nested(128), SOCKET).is_ok());
    let said = connect(&nested(129), SOCKET).unwrap_err().to_string();
    assert_eq!(said, "the domain declares 129 XML namespaces; declare each once, and at most 128");
    // Sixteen megabytes of either are refused as fast as they are read.
    for text in [many(1_500_000), nested(720_000)] {
        assert!(text.len() > LARGEST);
        assert!(cpu_time(|| assert!(connect(&text, SOCKET).is_err())) < Duration::from_secs(2));
    }
    // A quote, a bracket or a word elsewhere is not counted.
    let words = "xmlns='\" ".repeat(500);
    let elsewhere =
        format!("<domain><!--{words}--><a><![CDATA[{words}]]></a><?p {words}?><name>{words}</name></domain>");
    assert_eq!(connect(&elsewhere, SOCKET).err(), None);
}

#[test]
fn a_sentence_about_a_long_element_shows_its_beginning() {
    let text = format!(
        "<domain><devices><rng><source type='odd' path='{}'/></rng></devices></domain>",
        "ü".repeat(1_000_000)
    );
    let said = translate(&text, SOCKET).unwrap_err().to_string();
    assert!(
        said.starts_with("<source type='odd' path='üü") && said.contains("ü… in the domain's <rng>"),
        "{said}"
    );
    assert!(said.len() < 500, "{said}");
}
