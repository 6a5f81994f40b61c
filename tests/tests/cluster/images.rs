//! The images that nodes get.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

#[test]
fn from_the_same_files_comes_the_same_image_whenever_it_is_made() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/image");
    let made = [1_000, 2_000].map(|seconds| {
        let dir = tempfile::tempdir().unwrap();
        let (root, archive) = (dir.path().join("root"), dir.path().join("image.tar"));
        fs::create_dir(&root).unwrap();
        fs::write(root.join("program"), "the same").unwrap();
        let file = fs::File::open(root.join("program")).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        let status = Command::new(&script)
            .arg("--out")
            .args([&archive, Path::new("name:1"), &root, Path::new("/program")])
            .status();
        assert!(status.unwrap().success());
        fs::read(archive).unwrap()
    });
    // A VM that was made before a node came asks that node for its image by the digest of then.
    assert!(made[0] == made[1], "two images of the same files differ");
}
