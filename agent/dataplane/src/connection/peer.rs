//! Whether the program that connected is a QEMU.

use std::ffi::OsStr;
use std::os::fd::AsFd;

/// Whether the program that connected is a QEMU. False if the kernel does not say which it is.
pub(crate) fn is_qemu(socket: impl AsFd) -> bool {
    peer::program(socket).is_some_and(|program| is_name_of_qemu(&program))
}

/// `qemu-system-x86_64`, `qemu-kvm`, and whatever a distribution calls the others.
fn is_name_of_qemu(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"qemu")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_qemu_is_told_by_the_name_of_its_program() {
        for name in ["qemu-system-x86_64", "qemu-kvm", "qemu-system-x86", "qemu-system-aarch64"] {
            assert!(is_name_of_qemu(name.as_ref()), "{name}");
        }
        for name in ["", "entropool", "openssl", "not-qemu", "tlsmgr"] {
            assert!(!is_name_of_qemu(name.as_ref()), "{name}");
        }
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert!(!is_qemu(&ours), "the tests are no QEMU");
    }
}
