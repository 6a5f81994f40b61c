//! A writer for `newc` archives, the form the kernel unpacks an initramfs from.

/// An archive in memory. Everything in it belongs to root.
#[derive(Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

const DIRECTORY: u32 = 0o040_755;
const EXECUTABLE: u32 = 0o100_755;
const TRAILER: &str = "TRAILER!!!";

impl Archive {
    pub(crate) fn directory(&mut self, name: &str) {
        self.entry(name, DIRECTORY, &[]);
    }

    pub(crate) fn file(&mut self, name: &str, data: &[u8]) {
        self.entry(name, EXECUTABLE, data);
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, &[]);
        self.bytes
    }

    /// Magic, thirteen numbers of eight hex digits, the name with its NUL, the data; name and data
    /// each padded to four bytes.
    fn entry(&mut self, name: &str, mode: u32, data: &[u8]) {
        let size = u32::try_from(data.len()).expect("an initramfs of ours is a few MiB");
        let name_size = u32::try_from(name.len() + 1).expect("names are short");
        self.entries += 1;
        let [uid, gid, mtime, major, minor, rmajor, rminor, check] = [0; 8];
        let fields =
            [self.entries, mode, uid, gid, 1, mtime, size, major, minor, rmajor, rminor, name_size, check];
        self.bytes.extend(b"070701");
        self.bytes.extend(fields.iter().flat_map(|field| format!("{field:08x}").into_bytes()));
        self.bytes.extend(name.bytes().chain([0]));
        self.pad();
        self.bytes.extend(data);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_starts_at_a_multiple_of_four() {
        let mut archive = Archive::default();
        archive.directory("bin");
        archive.file("bin/x", b"12345");
        let bytes = archive.finish();

        assert_eq!(bytes.len() % 4, 0);
        for magic in bytes.windows(6).enumerate().filter(|(_, window)| window == b"070701") {
            assert_eq!(magic.0 % 4, 0);
        }
    }

    #[test]
    fn a_header_names_mode_size_and_length_of_the_name() {
        let mut archive = Archive::default();
        archive.file("init", b"12345");
        let header = String::from_utf8_lossy(&archive.bytes[..110]).into_owned();

        let field = |index: usize| &header[6 + 8 * index..14 + 8 * index];
        assert_eq!(field(1), "000081ed");
        assert_eq!(field(6), "00000005");
        assert_eq!(field(11), "00000005");
        assert_eq!(&archive.bytes[110..115], b"init\0");
        assert_eq!(&archive.bytes[116..121], b"12345");
    }
}
