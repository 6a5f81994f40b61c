//! Checkouts that share what they build, as all on one machine do by `.ci/lib.sh`, never run each other's programs.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // Sources are older than what is built of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

/// Variables by which the build that runs this test would speak to the builds in it.
const OUTER: [&str; 5] = [
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_BUILD_DIR",
    "ENTROPOOL_TARGET_DIR",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
];
/// What they are that a checkout says which it is: a library, a program that prints it, and a test that prints it.
const LIBRARY: &str = "pub fn name() -> &'static str { dependency::same(\"NAME\") }";
const PROGRAM: &str = "fn main() { println!(\"program of {}\", thing::name()) }";
const TEST: &str = "#[test] fn says() { println!(\"test of {}\", thing::name()) }";

/// A machine with a cache and a dependency that its checkouts have in common.
struct Machine {
    root: TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { root: TempDir::new().unwrap() };
        machine.write(
            "dependency/Cargo.toml",
            "[workspace]\n[package]\nname = \"dependency\"\nedition = \"2024\"\n",
        );
        machine.write("dependency/src/lib.rs", "pub fn same<T>(value: T) -> T { value }");
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// Written an hour ago, as far as its time says.
    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(long_ago()).unwrap();
    }

    /// A checkout at `path` whose code calls itself `name`.
    fn checkout(&self, path: &str, name: &str) {
        let write = |file: &str, text: &str| self.write(&format!("{path}/{file}"), text);
        write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"thing\"]\n");
        let package = "[package]\nname = \"thing\"\nedition = \"2024\"\n";
        let dependency = "[dependencies]\ndependency = { path = \"../../dependency\" }\n";
        write("thing/Cargo.toml", &format!("{package}{dependency}"));
        write("thing/src/lib.rs", &LIBRARY.replace("NAME", name));
        write("thing/src/main.rs", PROGRAM);
        write("thing/tests/says.rs", TEST);
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.ci");
        fs::create_dir_all(self.path(path).join(".ci")).unwrap();
        for file in ["lib.sh", "rustc", "tools.env"] {
            fs::copy(ours.join(file), self.path(path).join(".ci").join(file)).unwrap();
        }
    }

    /// What `script` prints in that checkout, on both channels, once it has sourced `.ci/lib.sh`.
    fn run(&self, path: &str, script: &str) -> String {
        let mut bash = Command::new("bash");
        for name in OUTER {
            bash.env_remove(name);
        }
        let script = format!("exec 2>&1; . {path}/.ci/lib.sh; {script}");
        let output = bash.args(["-c", &script]).current_dir(self.root.path());
        let output = output
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("CARGO_TERM_VERBOSE", "false")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{script} in {path}:\n{text}");
        text
    }

    fn program(&self, path: &str) -> String {
        self.run(path, "compile build --offline; \"$CARGO_TARGET_DIR/debug/thing\"")
    }

    fn test(&self, path: &str) -> String {
        self.run(path, "cargo test --offline --test says -- --nocapture")
    }

    /// Which crates cargo compiles there for its programs.
    fn compiled(&self, path: &str) -> Vec<String> {
        let said = self.run(path, "cargo build --offline");
        let compiling = said.lines().filter_map(|line| line.trim().strip_prefix("Compiling "));
        compiling.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    }
}

fn long_ago() -> SystemTime {
    SystemTime::now() - Duration::from_hours(1)
}

#[test]
fn each_checkout_runs_what_it_built_itself() {
    let machine = Machine::new();
    machine.checkout("one", "one");
    machine.checkout("two", "two");
    assert_eq!(machine.compiled("one"), ["dependency", "thing"]);
    assert_eq!(machine.compiled("two"), ["thing"], "a dependency is built once for both");
    for name in ["one", "two", "one"] {
        assert_eq!(machine.program(name), format!("program of {name}\n"));
        assert!(machine.test(name).contains(&format!("test of {name}\n")));
    }
    assert_eq!(machine.compiled("one"), [""; 0], "what a checkout built is still there");
}

#[test]
fn what_runs_is_not_replaced_by_the_build_of_another_checkout() {
    let machine = Machine::new();
    machine.checkout("one", "one");
    machine.checkout("two", "two");
    let path =
        "$(cargo test --offline --test says --no-run 2>&1 | sed -n 's/.*Executable.*(\\(.*\\))$/\\1/p')";
    let path = machine.run("one", &format!("readlink -f {path}; readlink -f \"$CARGO_TARGET_DIR\""));
    let [test, programs] = path.lines().collect::<Vec<_>>()[..] else { panic!("{path}") };
    machine.test("two");
    machine.program("two");
    let said = Command::new(test).arg("--nocapture").output().unwrap().stdout;
    assert!(String::from_utf8(said).unwrap().contains("test of one\n"));
    let said = Command::new(format!("{programs}/debug/thing")).output().unwrap().stdout;
    assert_eq!(said, b"program of one\n");
}

#[test]
fn checkouts_that_build_at_once_wait_for_each_other() {
    let machine = Machine::new();
    let names = ["one", "two", "three"];
    for name in names {
        machine.checkout(name, name);
    }
    thread::scope(|scope| {
        for name in names {
            let machine = &machine;
            scope.spawn(move || {
                let said = machine.program(name);
                assert_eq!(said.lines().last(), Some(&*format!("program of {name}")), "{said}");
            });
        }
    });
}

#[test]
fn a_checkout_in_the_place_of_another_is_another() {
    let machine = Machine::new();
    machine.checkout("here", "old");
    assert_eq!(machine.program("here"), "program of old\n");
    fs::rename(machine.path("here"), machine.path("there")).unwrap();
    machine.checkout("here", "new");
    assert_eq!(machine.program("here"), "program of new\n");
    assert_eq!(machine.program("there"), "program of old\n");
}

#[test]
fn checkouts_keep_apart_also_in_a_directory_that_is_given() {
    let machine = Machine::new();
    machine.checkout("one", "one");
    machine.checkout("two", "two");
    let given = machine.path("given");
    // As it is where a script calls another.
    let script = "compile build --offline; . .ci/lib.sh; \"$CARGO_TARGET_DIR/debug/thing\"; echo \"$CARGO_TARGET_DIR\"";
    for name in ["one", "two", "one"] {
        let said = machine.run(
            name,
            &format!(
                "unset ENTROPOOL_TARGET_DIR; export CARGO_TARGET_DIR={0}; . .ci/lib.sh; {script}",
                given.display()
            ),
        );
        assert_eq!(said, format!("program of {name}\n{}\n", given.display()));
    }
}

#[test]
fn lint_of_a_checkout_is_its_own() {
    let machine = Machine::new();
    machine.checkout("one", "one");
    machine.checkout("two", "two");
    machine
        .write("two/thing/src/lib.rs", "pub fn name() -> &'static str { return dependency::same(\"two\"); }");
    let lint = "clippy --offline --all-targets && echo fine || echo faulty";
    assert_eq!(machine.run("one", lint), "fine\n");
    for _ in 0..2 {
        let said = machine.run("two", lint);
        assert!(said.contains("needless_return") && said.ends_with("faulty\n"), "{said}");
        assert_eq!(machine.run("one", lint), "fine\n");
    }
}

#[test]
fn a_checkout_that_built_nothing_goes_too() {
    let machine = Machine::new();
    machine.checkout("one", "one");
    machine.checkout("two", "two");
    machine.run("two", "true");
    fs::remove_dir_all(machine.path("two")).unwrap();
    assert_eq!(machine.run("one", "ls \"$CACHE/checkouts\" | wc -l"), "1\n");
}

#[test]
fn what_a_checkout_built_goes_when_the_checkout_is_gone() {
    let machine = Machine::new();
    machine.checkout("one", "one");
    machine.checkout("two", "two");
    for name in ["one", "two"] {
        machine.program(name);
        machine.test(name);
    }
    fs::remove_dir_all(machine.path("two")).unwrap();
    assert_eq!(machine.run("one", "ls \"$CACHE/checkouts\" | wc -l"), "1\n");
    assert_eq!(machine.compiled("one"), [""; 0]);
    let left = machine.run("one", "find \"$CACHE/target\" -name '*thing-*' -path '*/.fingerprint/*' -prune");
    // The library and the program, each by itself; the library's and the program's own tests are not built here.
    assert_eq!(left.lines().count(), 3, "{left}");
}
