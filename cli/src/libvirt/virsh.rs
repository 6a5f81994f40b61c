//! Calls of libvirt's command `virsh`.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// libvirt at the URI that `virsh --connect` takes.
pub(super) struct Virsh<'a>(pub(super) Option<&'a str>);

impl Virsh<'_> {
    /// The XML of the domain's definition, secrets included.
    pub(super) fn dump(&self, domain: &str) -> Result<String> {
        self.run(&["dumpxml", "--inactive", "--security-info", "--domain", domain], None)
    }

    pub(super) fn is_running(&self, domain: &str) -> Result<bool> {
        Ok(self.run(&["domstate", "--domain", domain], None)?.trim() != "shut off")
    }

    /// Defines a domain, or redefines it.
    pub(super) fn define(&self, xml: &str) -> Result<()> {
        self.run(&["define", "/dev/stdin"], Some(xml)).map(drop)
    }

    fn run(&self, args: &[&str], input: Option<&str>) -> Result<String> {
        let mut command = Command::new("virsh");
        command.args(self.0.into_iter().flat_map(|uri| ["--connect", uri])).arg("--quiet").args(args);
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        // Its output is parsed, so its language must not depend on the environment.
        command.env("LC_ALL", "C").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start virsh; install libvirt's clients")?;
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            // If virsh does not read its input, its exit code and message say why.
            let _ = stdin.write_all(text.as_bytes());
        }
        let output = child.wait_with_output().context("cannot wait for virsh")?;
        if !output.status.success() {
            bail!("virsh {}: {}", args[0], String::from_utf8_lossy(&output.stderr).trim());
        }
        String::from_utf8(output.stdout).context("the output of virsh is not UTF-8")
    }
}
