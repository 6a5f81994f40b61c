//! What a guest boots: Debian's cloud kernel and an initramfs with busybox, the virtio modules and
//! our init.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::cpio::Archive;

const INIT: &[u8] = include_bytes!("init.sh");
pub(crate) const BUSYBOX: &str = "/bin/busybox";
const MODULES: [&str; 6] = [
    "virtio/virtio_ring",
    "virtio/virtio",
    "virtio/virtio_pci_modern_dev",
    "virtio/virtio_pci_legacy_dev",
    "virtio/virtio_pci",
    "char/hw_random/virtio-rng",
];

/// A kernel and an initramfs on disk, for any number of guests; the initramfs goes with the last of
/// them.
#[derive(Clone)]
pub struct Image {
    version: String,
    kernel: PathBuf,
    initramfs: PathBuf,
    _dir: Arc<TempDir>,
}

impl Image {
    /// Fetches the kernel if this machine has not yet, and packs the initramfs (a few MiB, in
    /// milliseconds, so that no copy of an older init can be left over).
    pub fn build() -> Result<Self> {
        let tree = kernel_tree(None)?;
        let version = only_entry(&tree.join("lib/modules"))?;
        let dir = TempDir::with_prefix("entropool-image-")?;
        let initramfs = dir.path().join("initramfs");
        let drivers = tree.join("lib/modules").join(&version).join("kernel/drivers");
        fs::write(&initramfs, pack(&drivers)?)?;
        let kernel = tree.join("boot").join(format!("vmlinuz-{version}"));
        Ok(Self { version, kernel, initramfs, _dir: Arc::new(dir) })
    }

    /// Puts copies into a directory: `vmlinuz` and `initrd`, which anybody may read.
    pub fn write(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir)?;
        for (from, name) in [(&self.kernel, "vmlinuz"), (&self.initramfs, "initrd")] {
            let to = dir.join(name);
            fs::copy(from, &to).with_context(|| format!("writing {}", to.display()))?;
            fs::set_permissions(&to, Permissions::from_mode(0o644))?;
        }
        Ok(())
    }

    /// As the guest's `uname -r` says it.
    pub fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn kernel(&self) -> &Path {
        &self.kernel
    }

    pub(crate) fn initramfs(&self) -> &Path {
        &self.initramfs
    }
}

fn pack(drivers: &Path) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for name in ["bin", "mod", "dev", "proc"] {
        archive.directory(name);
    }
    let busybox = fs::read(BUSYBOX).context("a guest needs busybox-static: run `make setup`")?;
    archive.file("bin/busybox", &busybox);
    archive.file("init", INIT);
    for module in MODULES {
        let path = drivers.join(module).with_extension("ko");
        let data = fs::read(&path).with_context(|| format!("the kernel has no module {}", path.display()))?;
        let name = module.rsplit('/').next().expect("a split has at least one part");
        archive.file(&format!("mod/{name}.ko"), &data);
    }
    Ok(archive.finish())
}

/// The tree of the guests' kernel, or of another package's.
pub(crate) fn kernel_tree(package: Option<&str>) -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/kernel");
    let output = Command::new(&script)
        .args(package)
        .output()
        .with_context(|| format!("running {}", script.display()))?;
    ensure!(output.status.success(), "no kernel for guests: {}", String::from_utf8_lossy(&output.stderr));
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim_end()))
}

pub(crate) fn only_entry(dir: &Path) -> Result<String> {
    let names: Vec<_> = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
    let [name] = &names[..] else { bail!("{} should hold one kernel, and has {names:?}", dir.display()) };
    Ok(name.to_str().context("a kernel's version is ASCII")?.to_owned())
}
