//! The directory that a kubelet asks for, as a path.

use std::fmt;
use std::path::{Path, PathBuf};

/// The directory of CSI volumes in a pod's directory.
const KIND: [&str; 2] = ["volumes", "kubernetes.io~csi"];
/// The directory that the driver makes in that of a volume.
pub(super) const LEAF: &str = "mount";

/// `PODS/<uid>/volumes/kubernetes.io~csi/<volume>/mount`: no other path is ever touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TargetPath {
    uid: String,
    volume: String,
}

/// Why a path is not a target path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("target path {path:?} {problem}; it must be {pods}/UID/volumes/kubernetes.io~csi/VOLUME/mount")]
pub struct TargetError {
    path: String,
    pods: String,
    problem: &'static str,
}

impl TargetPath {
    /// Parses a path as the kubelet sends it. The file system is not touched.
    pub(super) fn parse(path: &str, pods: &Path) -> Result<Self, TargetError> {
        Self::below(path, pods).map_err(|problem| {
            let (path, pods) = (shortened(path), pods.display().to_string());
            TargetError { path, pods, problem }
        })
    }

    /// The target path of names that were parsed before.
    pub(super) fn of(uid: &str, volume: &str) -> Self {
        Self { uid: uid.to_owned(), volume: volume.to_owned() }
    }

    fn below(path: &str, pods: &Path) -> Result<Self, &'static str> {
        if path.contains('\0') {
            return Err("has a NUL byte");
        }
        // As text: `Path` would overlook `//` and `/./`.
        let pods = pods.to_str().ok_or("cannot be compared: the path of the pods' directory is not UTF-8")?;
        let below = path.strip_prefix(pods).and_then(|rest| rest.strip_prefix('/'));
        let names: Vec<&str> = below.ok_or("is not below the pods' directory")?.split('/').collect();
        let [uid, volumes, kind, volume, leaf] = names[..] else { return Err("is not five names deep") };
        if [volumes, kind] != KIND || leaf != LEAF {
            return Err("is not the path of a CSI volume");
        }
        if !is_name(uid) {
            return Err("has a UID that is not 1 to 64 letters, digits, '-' and '_'");
        }
        if !is_volume(volume) {
            return Err(
                "has a volume name that is not 1 to 253 of a-z, 0-9, '-' and '.', or that is all dots",
            );
        }
        Ok(Self::of(uid, volume))
    }

    /// The UID of the pod.
    pub(super) fn uid(&self) -> &str {
        &self.uid
    }

    /// The volume's name in the pod.
    pub(super) fn volume(&self) -> &str {
        &self.volume
    }

    /// The directory that the kubelet makes, relative to the pods' directory.
    pub(super) fn parent(&self) -> PathBuf {
        [self.uid.as_str(), KIND[0], KIND[1], self.volume.as_str()].iter().collect()
    }

    pub(super) fn path(&self, pods: &Path) -> PathBuf {
        pods.join(self.parent()).join(LEAF)
    }
}

impl fmt::Display for TargetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{LEAF}", self.parent().display())
    }
}

/// Whether this can be a pod's UID: a UUID, or the digest that a static pod has.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

/// Whether this can be a volume's name. In a pod it is a DNS label; a name with dots is accepted unless it is a path.
fn is_volume(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    (1..=253).contains(&name.len()) && name.bytes().all(fits) && name.bytes().any(|byte| byte != b'.')
}

/// A value of the caller, bounded for a message.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 300;
    if text.len() <= MOST {
        text.to_owned()
    } else {
        format!("{}…", &text[..text.floor_char_boundary(MOST)])
    }
}
