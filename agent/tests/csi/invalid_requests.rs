//! Every kind of invalid publish call: each gets its code and a message, and leaves nothing.

use std::fs;
use std::os::unix::fs::symlink;

use proto::csi::volume_capability::{AccessMode, AccessType, BlockVolume, MountVolume};
use proto::csi::{NodePublishVolumeRequest, VolumeCapability};
use tonic::Code;

use crate::kubelet::{Kubelet, Pod};
use crate::node::{Host, Node};

type Change = Box<dyn Fn(&mut NodePublishVolumeRequest)>;

/// A change to a valid call, and what the message must name.
struct Invalid {
    what: String,
    names: &'static str,
    change: Change,
}

fn invalid(
    what: impl Into<String>,
    names: &'static str,
    change: impl Fn(&mut NodePublishVolumeRequest) + 'static,
) -> Invalid {
    Invalid { what: what.into(), names, change: Box::new(change) }
}

fn volume_ids() -> Vec<Invalid> {
    let long = "v".repeat(129);
    let ids = [
        "",
        ".",
        "..",
        ".hidden",
        "a/b",
        "/abs",
        "../../etc/passwd",
        "a\\b",
        "a b",
        "a\tb",
        "a\nb",
        "a\0b",
        "ä",
        "a;b",
        "a$b",
        "a*",
        "a?b",
        "a'b",
        "a\"b",
        "a:b",
        "a|b",
        "a&b",
        "a%2fb",
        "a{b}",
        "a~",
        &long,
    ];
    ids.map(str::to_owned)
        .map(|id| {
            invalid(format!("volume id {id:?}"), "volume id", move |call| call.volume_id.clone_from(&id))
        })
        .into()
}

fn target_paths() -> Vec<Invalid> {
    let replaced: [(&str, &str); 28] = [
        ("/mount", ""),
        ("/mount", "/"),
        ("/mount", "/mount/"),
        ("/mount", "/mount/."),
        ("/mount", "/mount/.."),
        ("/mount", "/mount/x"),
        ("/mount", "/Mount"),
        ("/mount", "/vol_data.json"),
        ("/entropool/", "//"),
        ("/entropool/", "/./"),
        ("/entropool/", "/../"),
        ("/entropool/", "/.../"),
        ("/entropool/", "/a b/"),
        ("/entropool/", "/A/"),
        ("/entropool/", "/a/../b/"),
        ("/entropool/", "/\0/"),
        ("/entropool/", "/ä/"),
        ("kubernetes.io~csi", "kubernetes.io~empty-dir"),
        ("kubernetes.io~csi", "kubernetes.io~csi/.."),
        ("kubernetes.io~csi", "KUBERNETES.IO~CSI"),
        ("/volumes/", "/volume-subpaths/"),
        ("/volumes/", "/../volumes/"),
        ("/volumes/", "//volumes/"),
        ("/pods/", "/pods/../pods/"),
        ("/pods/", "/pods//"),
        ("/pods/", "/pods-of-another/"),
        ("/kubelet/", "/kubelet/../kubelet/"),
        ("/kubelet/", "/kubelet/./"),
    ];
    let mut paths: Vec<Invalid> = replaced
        .into_iter()
        .map(|(from, to)| {
            invalid(format!("target path with {to:?} for {from:?}"), "target path", move |call| {
                call.target_path = call.target_path.replacen(from, to, 1);
            })
        })
        .collect();
    let whole = [
        "",
        "/",
        ".",
        "mount",
        "relative/volumes/kubernetes.io~csi/v/mount",
        "/etc",
        "/etc/passwd",
        "/proc/self/root",
    ];
    paths.extend(whole.map(|path| {
        invalid(format!("target path {path:?}"), "target path", move |call| {
            path.clone_into(&mut call.target_path);
        })
    }));
    paths.push(invalid("target path of a megabyte", "target path", |call| {
        call.target_path.push_str(&"x".repeat(1 << 20));
    }));
    paths.push(invalid("target path with a long UID", "target path", |call| {
        call.target_path = call.target_path.replacen("0f3c9a52", &"0f3c9a52".repeat(9), 1);
    }));
    paths.push(invalid("target path of another pod", "pod", |call| {
        call.target_path = call.target_path.replacen("0f3c9a52", "ffffffff", 1);
    }));
    paths
}

fn mount(change: impl Fn(&mut MountVolume)) -> VolumeCapability {
    let mut mount = MountVolume::default();
    change(&mut mount);
    let access_mode = Some(AccessMode { mode: 1 });
    VolumeCapability { access_type: Some(AccessType::Mount(mount)), access_mode }
}

fn capabilities() -> Vec<Invalid> {
    let mut all = vec![
        invalid("no capability", "capability", |call| call.volume_capability = None),
        invalid("an empty capability", "capability", |call| {
            call.volume_capability = Some(VolumeCapability::default());
        }),
        invalid("a block device", "block device", |call| {
            let access_type = Some(AccessType::Block(BlockVolume {}));
            call.volume_capability =
                Some(VolumeCapability { access_type, access_mode: Some(AccessMode { mode: 1 }) });
        }),
        invalid("no access mode", "access mode", |call| {
            let access_type = Some(AccessType::Mount(MountVolume::default()));
            call.volume_capability = Some(VolumeCapability { access_type, access_mode: None });
        }),
        invalid("writable", "readOnly: true", |call| call.readonly = false),
        invalid("staged", "staged", |call| "/staging".clone_into(&mut call.staging_target_path)),
        invalid("a group", "group", |call| {
            call.volume_capability = Some(mount(|mount| "0".clone_into(&mut mount.volume_mount_group)));
        }),
    ];
    for fs_type in ["ext4", "xfs", "tmpfs", "/", " "] {
        all.push(invalid(format!("file system {fs_type:?}"), "fsType", move |call| {
            call.volume_capability = Some(mount(|mount| fs_type.clone_into(&mut mount.fs_type)));
        }));
    }
    for flag in ["ro", "rw", "suid", "exec", "dev", ""] {
        all.push(invalid(format!("mount flag {flag:?}"), "mount options", move |call| {
            call.volume_capability = Some(mount(|mount| mount.mount_flags = vec![flag.to_owned()]));
        }));
    }
    for mode in [-1, 0, 3, 4, 5, 6, 7, 8, i32::MAX, i32::MIN] {
        all.push(invalid(format!("access mode {mode}"), "access mode", move |call| {
            call.volume_capability.as_mut().unwrap().access_mode = Some(AccessMode { mode });
        }));
    }
    all
}

fn set(key: &'static str, value: &str, names: &'static str) -> Invalid {
    let owned = value.to_owned();
    invalid(format!("{key}: {:?}", &value[..value.len().min(40)]), names, move |call| {
        call.volume_context.insert(key.to_owned(), owned.clone());
    })
}

fn without(key: &'static str, names: &'static str) -> Invalid {
    invalid(format!("no {key}"), names, move |call| drop(call.volume_context.remove(key)))
}

fn pod_info() -> Vec<Invalid> {
    let mut all = vec![
        without("csi.storage.k8s.io/ephemeral", "ephemeral"),
        without("csi.storage.k8s.io/pod.uid", "podInfoOnMount"),
        without("csi.storage.k8s.io/pod.name", "podInfoOnMount"),
        without("csi.storage.k8s.io/pod.namespace", "podInfoOnMount"),
        set("csi.storage.k8s.io/pod.uid", "0f3c9a52-1111-4222-8333-000000000002", "pod"),
        set("csi.storage.k8s.io/pod.uid", &"a".repeat(65), "pod.uid"),
    ];
    all.extend(
        ["", "false", "True", "TRUE", "yes", "1", "true "]
            .map(|value| set("csi.storage.k8s.io/ephemeral", value, "ephemeral")),
    );
    all.extend(
        ["", ".", "..", "a/b", "../x", "a\0b", "a b"]
            .map(|uid| set("csi.storage.k8s.io/pod.uid", uid, "pod.uid")),
    );
    let names = ["", ".", "-a", "a-", "A", "a_b", "a/b", "..", "a..b", "a\nb", "ä"];
    all.extend(names.map(|name| set("csi.storage.k8s.io/pod.name", name, "pod.name")));
    all.extend(names.map(|name| set("csi.storage.k8s.io/pod.namespace", name, "pod.namespace")));
    all.push(set("csi.storage.k8s.io/pod.namespace", "a.b", "pod.namespace"));
    all.push(set("csi.storage.k8s.io/pod.namespace", &"n".repeat(64), "pod.namespace"));
    all.push(set("csi.storage.k8s.io/pod.name", &"n".repeat(254), "pod.name"));
    all
}

fn attributes() -> Vec<Invalid> {
    let mut all = vec![without("entropool.io/pool", "name no pool")];
    let names = ["", " ", ".", "Default", "a/b", "../x", "a b", "a_b", "-a", "a-", "ä", "a\0"];
    all.extend(names.map(|name| set("entropool.io/pool", name, "entropool.io/pool")));
    all.extend(names.map(|name| set("entropool.io/class", name, "entropool.io/class")));
    all.extend(["", "QEMU", "kvm", "qemu ", "0x02"].map(|value| set("client", value, "qemu or egd")));
    for key in ["pool", "class", "entropool.io/Pool", "entropool.io/bound", "rate", "", "entropool.io/pool "]
    {
        all.push(set(key, "default", "volumeAttributes has"));
    }
    all.push(set("entropool.io/pool", &"p".repeat(254), "entropool.io/pool"));
    all
}

#[test]
fn each_invalid_call_gets_its_code_and_a_message_and_leaves_nothing() {
    let host = Host::new();
    let node = Node::start(&host);
    let kubelet = Kubelet::of(&host);
    let pod = Pod::new(1);
    fs::create_dir_all(pod.target(&host.pods()).parent().unwrap()).unwrap();
    let before = host.tree();
    let calls: Vec<Invalid> = [volume_ids(), target_paths(), capabilities(), pod_info(), attributes()]
        .into_iter()
        .flatten()
        .collect();
    assert!(calls.len() >= 150, "{} kinds", calls.len());
    for Invalid { what, names, change } in &calls {
        let mut call = pod.call(&host.pods());
        change(&mut call);
        let refused = kubelet.call(call).expect_err(what);
        assert_eq!(refused.code(), Code::InvalidArgument, "{what}: {refused}");
        assert!(refused.message().contains(names), "{what}: {refused}");
        assert!(refused.message().len() < 1_000, "{what}: a message of {} bytes", refused.message().len());
    }
    assert_eq!(host.tree(), before);
    assert_eq!(node.vms(), []);
    kubelet.publish(&pod).expect("the valid call succeeds");
}

#[test]
fn links_and_files_in_the_path_are_not_followed() {
    type Put = fn(&Host, &Pod);
    let ways: [(&str, Put); 5] = [
        ("the pod's directory is a link", |host, pod| {
            fs::create_dir_all(host.path("elsewhere/volumes/kubernetes.io~csi/entropool")).unwrap();
            symlink(host.path("elsewhere"), host.pods().join(&pod.uid)).unwrap();
        }),
        ("a link above the volume leads back in", |host, pod| {
            fs::create_dir_all(host.pods().join(&pod.uid).join("real/kubernetes.io~csi/entropool")).unwrap();
            symlink("real", host.pods().join(&pod.uid).join("volumes")).unwrap();
        }),
        ("the volume is a link", |host, pod| {
            fs::create_dir_all(host.path("elsewhere")).unwrap();
            let volume = pod.target(&host.pods()).parent().unwrap().to_owned();
            fs::create_dir_all(volume.parent().unwrap()).unwrap();
            symlink(host.path("elsewhere"), volume).unwrap();
        }),
        ("the target is a link", |host, pod| {
            fs::create_dir_all(host.path("elsewhere")).unwrap();
            fs::create_dir_all(pod.target(&host.pods()).parent().unwrap()).unwrap();
            symlink(host.path("elsewhere"), pod.target(&host.pods())).unwrap();
        }),
        ("the target is a file", |host, pod| {
            fs::create_dir_all(pod.target(&host.pods()).parent().unwrap()).unwrap();
            fs::write(pod.target(&host.pods()), "precious").unwrap();
        }),
    ];
    for (what, put) in ways {
        let host = Host::new();
        let node = Node::start(&host);
        let kubelet = Kubelet::of(&host);
        let pod = Pod::new(1);
        put(&host, &pod);
        let before = host.tree();
        let refused = kubelet.call(pod.call(&host.pods())).expect_err(what);
        assert_eq!(refused.code(), Code::Internal, "{what}: {refused}");
        assert!(refused.message().contains("cannot be made"), "{what}: {refused}");
        assert_eq!(host.tree(), before, "{what}");
        let target = pod.target(&host.pods()).to_string_lossy().into_owned();
        assert!(kubelet.call_unpublish(&pod.volume_id(), &target).is_err(), "{what}");
        assert_eq!((host.tree(), node.vms()), (before, vec![]), "{what}");
    }
}

#[test]
fn a_pod_that_the_kubelet_has_no_directory_for_is_refused() {
    let host = Host::new();
    let _node = Node::start(&host);
    let before = host.tree();
    let refused = Kubelet::of(&host).call(Pod::new(1).call(&host.pods())).unwrap_err();
    assert_eq!(refused.code(), Code::Internal, "{refused}");
    assert_eq!(host.tree(), before);
}
