//! Tiers: a source in reserve takes over, and gives back.

use std::fs;

use crate::support::{Daemon, Home, draw};
use crate::upstream::{Behaviour, Upstream, random};

/// A pool of an EGD server, and of a file in reserve; a VM that draws from it.
struct Stage {
    daemon: Daemon,
    upstream: Upstream,
    home: Home,
}

fn stage() -> Stage {
    let home = Home::new();
    let (socket, file) = (home.path("up.sock"), home.path("noise"));
    let upstream = Upstream::start(&socket);
    fs::write(&file, random(4_000_000)).unwrap();
    home.write(
        "pools.yaml",
        &format!(
            "{{apiVersion: entropool.io/v1alpha1, kind: EntropyPool, metadata: {{name: default}}, spec: {{output: \
             FullEntropy, sources: [{{name: first, tier: 0, minEntropyPerByte: '8', egd: {{unix: {}}}}}, {{name: \
             reserve, tier: 1, minEntropyPerByte: '8', file: {{path: {}}}}}]}}}}\n",
            socket.display(),
            file.display(),
        ),
    );
    let flags = ["-f", "pools.yaml", "--allow-test-sources", "--vm", "a=default"];
    let daemon = home.start(&[&flags[..], &["--allow-upstream", socket.to_str().unwrap()]].concat());
    Stage { daemon, upstream, home }
}

impl Stage {
    /// Draws until the pool draws from this one and not from the other.
    fn comes_to_draw_from(&self, name: &str) {
        // Each turn takes some milliseconds, so this is patience for half a minute.
        for _ in 0..2_000 {
            assert_eq!(draw(&self.home.socket("a"), 1_000), 1_000);
            let sources = self.daemon.json(&["sources"])["sources"].clone();
            if sources.as_array().unwrap().iter().all(|source| source["active"] == (source["name"] == name)) {
                return;
            }
        }
        panic!("not {name}: {}", self.daemon.says(&["sources"]));
    }

    fn state(&self, at: usize) -> String {
        self.daemon.json(&["sources"])["sources"][at]["state"].as_str().unwrap().to_owned()
    }
}

#[test]
fn second_tier_serves_until_a_failed_source_is_retested() {
    let stage = stage();
    stage.comes_to_draw_from("first");
    stage.upstream.is(Behaviour::Stuck);
    stage.comes_to_draw_from("reserve");
    assert_eq!(stage.state(0), "failed");
    stage.upstream.is(Behaviour::Good);
    stage.daemon.says(&["sources", "retest", "first"]);
    stage.comes_to_draw_from("first");
}

#[test]
fn second_tier_serves_while_the_first_stalls() {
    let stage = stage();
    stage.comes_to_draw_from("first");
    stage.upstream.is(Behaviour::Silent);
    stage.comes_to_draw_from("reserve");
    assert_eq!(stage.state(0), "unavailable");
    stage.upstream.is(Behaviour::Good);
    stage.comes_to_draw_from("first");
}
