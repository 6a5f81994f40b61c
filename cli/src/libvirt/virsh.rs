//! libvirt by its own command: what it keeps of a domain, as text.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A host's libvirt, by the name that `virsh --connect` takes.
pub(super) struct Virsh<'a>(pub(super) Option<&'a str>);

impl Virsh<'_> {
    /// The domain as it is defined, with all that its owner may see.
    pub(super) fn dump(&self, domain: &str) -> Result<String> {
        self.run(&["dumpxml", "--inactive", "--security-info", "--domain", domain], None)
    }

    /// Whether it runs now.
    pub(super) fn runs(&self, domain: &str) -> Result<bool> {
        Ok(self.run(&["domstate", "--domain", domain], None)?.trim() != "shut off")
    }

    /// Defines a domain, or defines it anew.
    pub(super) fn define(&self, xml: &str) -> Result<()> {
        self.run(&["define", "/dev/stdin"], Some(xml)).map(drop)
    }

    fn run(&self, words: &[&str], input: Option<&str>) -> Result<String> {
        let mut command = Command::new("virsh");
        command.args(self.0.into_iter().flat_map(|uri| ["--connect", uri])).arg("--quiet").args(words);
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        // Its sentences are passed on, and are not for a program to guess the language of.
        command.env("LC_ALL", "C").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("virsh, libvirt's own command, cannot be started")?;
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            // One that reads nothing has something to say.
            let _ = stdin.write_all(text.as_bytes());
        }
        let output = child.wait_with_output().context("virsh cannot be waited for")?;
        if !output.status.success() {
            bail!("virsh {}: {}", words[0], String::from_utf8_lossy(&output.stderr).trim());
        }
        String::from_utf8(output.stdout).context("virsh prints no text")
    }
}
