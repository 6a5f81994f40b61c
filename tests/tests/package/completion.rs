//! Completions, as the shells ask for them.

use entropool_tests::Machine;

use crate::build::{MANIFEST, installed};

fn machine() -> Machine {
    let machine = installed();
    std::fs::write(machine.path("/etc/entropool/pools.yaml"), MANIFEST).unwrap();
    let attach = "entropool attach web-1=default";
    machine
        .shell(&format!(
            "for attempt in $(seq 50); do {attach} 2>/dev/null && exit; sleep 0.1; done; {attach}"
        ))
        .unwrap();
    machine
}

/// What bash offers for a command line.
fn bash(machine: &Machine, words: &[&str]) -> String {
    let line = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let script = format!(
        "set +eu; COMP_TYPE=9; . /usr/share/bash-completion/completions/entropool; COMP_WORDS=({line}); \
         COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); f=$(complete -p entropool | sed 's/.*-F \\([^ ]*\\).*/\\1/'); $f entropool \"${{COMP_WORDS[COMP_CWORD]}}\" \"\"; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    machine.shell(&script).unwrap()
}

#[test]
fn bash_completes_verbs_flags_and_what_the_daemon_has() {
    let machine = machine();
    assert!(bash(&machine, &["entropool", "exp"]).contains("explain"));
    assert!(bash(&machine, &["entropool", "explain", ""]).contains("web-1"));
    assert!(bash(&machine, &["entropool", "move", "web-1", ""]).contains("any"));
    assert!(bash(&machine, &["entropool", "classes", "--pool", ""]).contains("default"));
    assert!(bash(&machine, &["entropool", "libvirt", "set", "web", "def"]).contains("default/any"));
}

#[test]
fn fish_and_zsh_complete_likewise() {
    let machine = machine();
    let fish = machine.shell("fish -c \"complete -C 'entropool detach '\"").unwrap();
    assert!(fish.contains("web-1"), "{fish}");
    let fish = machine.shell("fish -c \"complete -C 'entropool attach new=def'\"").unwrap();
    assert!(fish.contains("new=default/any"), "{fish}");
    let zsh = machine
        .shell("zsh -fc 'autoload -Uz compinit; compinit -u; source /usr/share/zsh/vendor-completions/_entropool; print $_comps[entropool]'")
        .unwrap();
    assert!(zsh.contains("entropool"), "{zsh}");
    let asked = machine
        .shell("_CLAP_COMPLETE_INDEX=2 _CLAP_IFS=$'\\n' COMPLETE=zsh entropool -- entropool explain ''")
        .unwrap();
    assert!(asked.contains("web-1"), "{asked}");
}
