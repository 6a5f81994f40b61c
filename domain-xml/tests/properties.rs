//! What holds for every domain: nothing but the one `<rng>` changes, and saying a thing twice changes nothing.
#![allow(clippy::unwrap_used)]

use entropool_domain_xml::{
    PoolSelection, connect, deselect, disconnect, select, selection, socket, translate,
};
use proptest::prelude::*;

const ONE: &str = "/run/entropool/egd.sock";
const OTHER: &str = "/run/entropool/vm/web-1/egd.sock";

/// A domain in three parts, of which only the middle one is an `<rng>`'s.
#[derive(Clone, Debug)]
struct Parts {
    before: String,
    children: Vec<String>,
    rng: String,
    after: String,
}

impl Parts {
    fn text(&self) -> String {
        format!("{}{}{}", self.before, self.rng, self.after)
    }
}

fn other_device() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "<disk type='file'><source file=\"/it's\"/></disk>",
        "<!-- <rng model='virtio'><backend model='random'/></rng> -->",
        "<x:rng xmlns:x='urn:x'><backend model='random'>/dev/random</backend></x:rng>",
        "<console\ttype = 'pty' ></console >",
        "<interface><![CDATA[<rng/>]]></interface>",
        "<hostdev>\u{a0}\u{3000}ü&amp;&#10;</hostdev>",
        "<?rng model?>",
    ])
    .prop_map(str::to_owned)
}

/// What is in an `<rng>` beside where its bytes come from.
fn kept_child() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "<driver iommu='on' ats=\"on\"/>",
        "<alias name = 'rng0'></alias>",
        "<address type='pci' slot='0x07'/>",
        "<!-- mine -->",
        "<acpi index='3'/>",
    ])
    .prop_map(str::to_owned)
}

fn origin() -> impl Strategy<Value = Option<String>> {
    prop::option::weighted(
        0.9,
        prop::sample::select(vec![
            "<backend model='random'>/dev/urandom</backend>",
            "<backend model=\"random\" />",
            "<backend model='builtin'></backend>",
            "<backend model='egd' type='unix'><source mode='connect' path='/old'/></backend>",
            "<backend model='egd' type='unix'><source mode='connect' path='/run/entropool/egd.sock'>\
             <reconnect enabled='yes' timeout='1'/></source></backend>",
            "<backend model='egd' type='tcp'><source mode='connect' host='h' service='1'/></backend>",
            "<source type='char'/>",
            "<source type='pool' pool='default'>gold</source>",
            "<backend model='pool' pool='default'>gold</backend>",
        ])
        .prop_map(str::to_owned),
    )
}

fn layout() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "\n", "\n  ", "\r\n    ", "\n\t", " ", "\n\n  "])
}

prop_compose! {
    fn domain()(
        leads in prop::collection::vec(layout(), 4),
        left in prop::collection::vec(other_device(), 0..4),
        right in prop::collection::vec(other_device(), 0..4),
        children in prop::collection::vec(kept_child(), 0..4),
        origin in origin(),
        at in any::<prop::sample::Index>(),
        rate in any::<bool>(),
    ) -> Parts {
        let mut inside = children.clone();
        inside.extend(rate.then(|| "<rate bytes='1' period='2'/>".to_owned()));
        if let Some(origin) = origin {
            inside.insert(at.index(inside.len() + 1), origin);
        }
        let rng = format!("<rng model='virtio'>{}{}</rng>", spread(&inside, leads[0]), leads[1]);
        let before = format!("<domain>{}<devices>{}{}", leads[3], spread(&left, leads[1]), leads[1]);
        let after = format!("{}{}</devices>{}</domain>", spread(&right, leads[2]), leads[2], leads[3]);
        Parts { before, children, rng, after }
    }
}

fn spread(parts: &[String], lead: &str) -> String {
    parts.iter().flat_map(|part| [lead, part]).collect()
}

/// The children that stay, as they lie in a text, in their order.
fn holds_in_order(text: &str, children: &[String]) -> bool {
    let mut rest = text;
    children.iter().all(|child| {
        let found = rest.find(child.as_str());
        rest = found.map_or("", |at| &rest[at + child.len()..]);
        found.is_some()
    })
}

proptest! {
    #[test]
    fn nothing_changes_outside_the_device_and_what_it_has_stays_in_it(parts in domain()) {
        let connected = connect(&parts.text(), OTHER).unwrap();
        let rng = connected.strip_prefix(&parts.before).and_then(|rest| rest.strip_suffix(&parts.after));
        prop_assert!(rng.is_some(), "{}", connected);
        prop_assert!(holds_in_order(rng.unwrap(), &parts.children), "{}", connected);
        prop_assert!(!rng.unwrap().contains("<rate"), "{}", connected);
        prop_assert_eq!(socket(&connected).unwrap(), Some(OTHER.to_owned()));
    }

    #[test]
    fn the_last_word_counts_and_twice_is_once(parts in domain()) {
        let once = connect(&parts.text(), ONE).unwrap();
        prop_assert_eq!(connect(&once, ONE).unwrap(), once.clone());
        let moved = connect(&once, OTHER).unwrap();
        prop_assert_eq!(socket(&moved).unwrap(), Some(OTHER.to_owned()));
        prop_assert_eq!(connect(&connect(&moved, ONE).unwrap(), OTHER).unwrap(), moved);
    }

    #[test]
    fn there_and_back_again_loses_nothing(parts in domain()) {
        let there = connect(&parts.text(), OTHER).unwrap();
        let back = disconnect(&there).unwrap();
        prop_assert_eq!(disconnect(&back).unwrap(), back.clone());
        prop_assert_eq!(socket(&back).unwrap(), None);
        prop_assert_eq!(connect(&back, OTHER).unwrap(), there);
    }

    #[test]
    fn a_device_that_is_added_comes_between_the_bytes_that_were_there(parts in domain()) {
        let bare = format!("{}{}", parts.before, parts.after);
        let added = connect(&bare, ONE).unwrap();
        prop_assert_eq!(socket(&added).unwrap(), Some(ONE.to_owned()));
        prop_assert_eq!(connect(&added, ONE).unwrap(), added.clone());
        let (words, all) = (bare.split_whitespace(), added.split_whitespace());
        prop_assert!(words.count() <= all.count());
    }

    #[test]
    fn a_translation_is_today_s_and_stays(parts in domain()) {
        let translated = translate(&parts.text(), ONE).unwrap();
        prop_assert_eq!(selection(&translated.xml).unwrap(), translated.selection);
        prop_assert_eq!(translate(&translated.xml, OTHER).unwrap().xml, translated.xml);
    }

    #[test]
    fn selection_is_written_and_removed(parts in domain(), pool in "[ -~]{1,12}", class in prop::option::of("[ -~]{1,12}")) {
        let wanted = PoolSelection { pool, class };
        let text = select(&parts.text(), &wanted).unwrap();
        prop_assert_eq!(selection(&text).unwrap(), Some(wanted));
        prop_assert_eq!(selection(&deselect(&text).unwrap()).unwrap(), None);
    }

    #[test]
    fn no_text_makes_it_panic(parts in domain(), from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(), by in ".{0,8}") {
        let text = parts.text();
        let (from, to) = (from.index(text.len() + 1), to.index(text.len() + 1));
        let (from, to) = (text.floor_char_boundary(from.min(to)), text.floor_char_boundary(from.max(to)));
        let damaged = format!("{}{by}{}", &text[..from], &text[to..]);
        for result in [connect(&damaged, ONE), disconnect(&damaged), translate(&damaged, ONE).map(|it| it.xml)].into_iter().flatten() {
            prop_assert!(connect(&result, OTHER).is_ok(), "{}", result);
        }
    }
}
