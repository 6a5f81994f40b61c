//! The directory that a kubelet wants made for a volume.

use std::fmt;
use std::path::{Path, PathBuf};

/// Below the directory of a pod, that of this kind of volumes.
const KIND: [&str; 2] = ["volumes", "kubernetes.io~csi"];
/// Below that of a volume, the one that the driver makes.
pub(super) const LEAF: &str = "mount";

/// `PODS/<uid>/volumes/kubernetes.io~csi/<volume>/mount`: no other path is ever touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetPath {
    uid: String,
    volume: String,
}

/// Why a path is not such a one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("target path {path:?} {problem}; it has to be {pods}/UID/volumes/kubernetes.io~csi/VOLUME/mount")]
pub struct TargetError {
    path: String,
    pods: String,
    problem: &'static str,
}

impl TargetPath {
    /// Reads a path as the kubelet sends it. Nothing is looked up: what the names stand for is the shell's concern.
    pub(crate) fn parse(path: &str, pods: &Path) -> Result<Self, TargetError> {
        Self::below(path, pods).map_err(|problem| {
            let (path, pods) = (shortened(path), pods.display().to_string());
            TargetError { path, pods, problem }
        })
    }

    /// The one with these names, which are taken to be such.
    pub(crate) fn of(uid: &str, volume: &str) -> Self {
        Self { uid: uid.to_owned(), volume: volume.to_owned() }
    }

    fn below(path: &str, pods: &Path) -> Result<Self, &'static str> {
        if path.contains('\0') {
            return Err("has a NUL byte");
        }
        // As text: `Path` would overlook `//` and `/./`.
        let pods = pods.to_str().ok_or("cannot be compared, since the pods' directory is not UTF-8")?;
        let below = path.strip_prefix(pods).and_then(|rest| rest.strip_prefix('/'));
        let names: Vec<&str> = below.ok_or("is not below the pods' directory")?.split('/').collect();
        let [uid, volumes, kind, volume, leaf] = names[..] else { return Err("is not five names deep") };
        if [volumes, kind] != KIND || leaf != LEAF {
            return Err("is not that of a CSI volume");
        }
        if !is_name(uid) {
            return Err("has a UID of other than 1 to 64 letters, digits, '-' and '_'");
        }
        if !is_volume(volume) {
            return Err("has a volume of other than 1 to 253 of a-z, 0-9, '-' and '.', or of dots alone");
        }
        Ok(Self::of(uid, volume))
    }

    /// The pod whose directory it lies in.
    pub(crate) fn uid(&self) -> &str {
        &self.uid
    }

    /// What the pod calls the volume.
    pub(crate) fn volume(&self) -> &str {
        &self.volume
    }

    /// The directory that the kubelet has made, below the pods' directory.
    pub(crate) fn parent(&self) -> PathBuf {
        [self.uid.as_str(), KIND[0], KIND[1], self.volume.as_str()].iter().collect()
    }

    /// The whole path.
    pub(crate) fn path(&self, pods: &Path) -> PathBuf {
        pods.join(self.parent()).join(LEAF)
    }
}

impl fmt::Display for TargetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{LEAF}", self.parent().display())
    }
}

/// A pod's UID as a name: a UUID, or the digest that a static pod has.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

/// A volume's name, which in a pod is a DNS label; a dot is more than that and less than a way out.
fn is_volume(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    (1..=253).contains(&name.len()) && name.bytes().all(fits) && name.bytes().any(|byte| byte != b'.')
}

/// What somebody sent, for a sentence.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 300;
    if text.len() <= MOST {
        text.to_owned()
    } else {
        format!("{}…", &text[..text.floor_char_boundary(MOST)])
    }
}
