//! Domains as libvirt, `KubeVirt` and people write them, and the same domains rewritten.
#![allow(clippy::unwrap_used)]

use entropool_domain_xml::{
    DomainError, PoolSelection, connect, deselect, disconnect, name, select, selection, socket, translate,
};

const SOCKET: &str = "/run/entropool/egd.sock";

/// As virt-launcher passes it to a hook, abridged.
const LAUNCHER: &str = r#"<domain type="kvm" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
	<name>default_vm</name>
	<devices>
		<rng model="virtio-non-transitional">
			<backend model="random">/dev/urandom</backend>
			<driver iommu="on"></driver>
			<address type="pci" domain="0x0000" bus="0x07" slot="0x00" function="0x0"></address>
		</rng>
		<memballoon model="none"></memballoon>
	</devices>
	<qemu:commandline><qemu:arg value="-rng"/></qemu:commandline>
</domain>"#;

/// As `virsh dumpxml` shows it.
const VIRSH: &str = "<domain type='qemu' id='3'>
  <name>web-1</name>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <rng model='virtio'>
      <rate bytes='1024' period='1000'/>
      <backend model='random'>/dev/random</backend>
      <alias name='rng0'/>
    </rng>
  </devices>
</domain>
";

#[test]
fn device_keeps_model_driver_and_address() {
    insta::assert_snapshot!(connect(LAUNCHER, SOCKET).unwrap());
}

#[test]
fn rate_is_removed() {
    insta::assert_snapshot!(connect(VIRSH, "/run/entropool/vm/web-1/egd.sock").unwrap());
}

#[test]
fn disconnected_device_reads_the_host_generator() {
    let disconnected = disconnect(&connect(LAUNCHER, SOCKET).unwrap()).unwrap();
    assert_eq!(disconnected, LAUNCHER.replace("\"random\"", "'random'"));
    assert_eq!(disconnect(VIRSH).unwrap(), VIRSH, "a device without a socket stays");
}

#[test]
fn device_is_added_if_there_is_none() {
    for (case, domain) in [
        ("beside others", "<domain>\n  <devices>\n    <disk/>\n  </devices>\n</domain>\n"),
        ("into nothing", "<domain>\n  <devices>\n  </devices>\n</domain>\n"),
        ("into an empty element", "<domain>\n  <devices />\n</domain>\n"),
        ("without devices", "<domain>\n  <name>a</name>\n</domain>\n"),
        ("on one line", "<domain><name>a</name><devices><disk/></devices></domain>"),
        ("into an empty element on one line", "<domain><devices/></domain>"),
        ("into an empty domain", "<domain/>"),
        (
            "with line ends of another system",
            "<domain>\r\n  <devices>\r\n    <disk/>\r\n  </devices>\r\n</domain>",
        ),
        ("before a comment", "<domain>\n <devices>\n  <disk/>\n  <!-- <rng/> -->\n </devices>\n</domain>"),
    ] {
        let added = connect(domain, SOCKET).unwrap();
        assert_eq!(socket(&added).unwrap().as_deref(), Some(SOCKET), "{case}");
        insta::assert_snapshot!(case.replace(' ', "_"), added);
    }
}

#[test]
fn equivalent_device_stays_as_it_is() {
    let same = r#"<domain><devices><rng model="virtio"><backend type="unix" model="egd">
        <source path="/run/entropool/egd.sock" mode="connect"><reconnect timeout="1" enabled="yes"/>
        <seclabel model="dac" relabel="no"/></source><alias name="chr"/></backend></rng></devices></domain>"#;
    assert_eq!(connect(same, SOCKET).unwrap(), same);
    for (what, by) in [
        ("another socket", ("/run/entropool/", "/run/other/")),
        ("no reconnect", ("<reconnect timeout=\"1\" enabled=\"yes\"/>", "")),
        ("a slow reconnect", ("timeout=\"1\"", "timeout=\"30\"")),
        ("a reconnect that is off", ("enabled=\"yes\"", "enabled=\"no\"")),
        ("QEMU listening", ("mode=\"connect\"", "mode=\"bind\"")),
        ("a rate", ("</backend>", "</backend><rate bytes=\"64\"/>")),
    ] {
        let other = same.replace(by.0, by.1);
        assert_ne!(connect(&other, SOCKET).unwrap(), other, "{what} is replaced");
    }
}

#[test]
fn path_is_escaped() {
    let nasty = "/run/it's <\"&\n/egd.sock";
    let connected = connect(VIRSH, nasty).unwrap();
    assert_eq!(socket(&connected).unwrap().as_deref(), Some(nasty), "{connected}");
}

#[test]
fn invalid_domain_is_rejected_with_a_reason() {
    let two = "<domain><devices><rng/><rng/></devices></domain>";
    let spelled =
        |origin: &str| format!("<domain><devices><rng model='virtio'>{origin}</rng></devices></domain>");
    let bad = [
        String::new(),
        "no XML".to_owned(),
        "<domain>".to_owned(),
        "<!DOCTYPE d [<!ENTITY a 'b'>]><domain>&a;</domain>".to_owned(),
        "<network><name>n</name></network>".to_owned(),
        two.to_owned(),
        spelled("<source type='pool'>gold</source>"),
        spelled("<source type='pool' pool=' '>gold</source>"),
        spelled("<backend model='pool'>gold</backend>"),
        spelled("<source>/dev/random</source>"),
        spelled("<source type='carrier-pigeon'/>"),
        spelled("<source type='egd'/>"),
        spelled("<source type='egd'><remote type='udp' host='a' port='1'/></source>"),
        spelled("<source type='egd'><remote type='tcp' port='1'/></source>"),
        spelled("<source type='egd'><remote type='tcp' host='a'/></source>"),
        spelled("<source type='egd'><remote type='unix'/></source>"),
    ];
    let sentences: Vec<_> = bad.iter().map(|xml| translate(xml, SOCKET).unwrap_err().to_string()).collect();
    insta::assert_snapshot!(sentences.join("\n"));
    assert_eq!(connect(two, SOCKET), Err(DomainError::SeveralRngs { count: 2 }));
}

#[test]
fn proposed_spellings_are_translated() {
    let spelled = |origin: &str| {
        format!(
            "<domain>\n  <name>a</name>\n  <devices>\n    <rng model='virtio'>\n      \
             <rate bytes='1024' period='1000'/>\n      {origin}\n    </rng>\n  </devices>\n</domain>\n"
        )
    };
    let translated: Vec<String> = [
        "<source type='char'>/dev/hwrng</source>",
        "<source type='char'/>",
        "<source type='egd'><remote type='unix' path='/run/egd'/></source>",
        "<source type='egd'><remote type='tcp' host='::1' port='708'/></source>",
        "<source type='pool' pool='default'>gold</source>",
        "<source type='pool' pool='default'/>",
        "<backend model='pool' pool='default'>gold</backend>",
        "<backend model='random'>/dev/random</backend>",
    ]
    .into_iter()
    .map(|origin| {
        let once = translate(&spelled(origin), SOCKET).unwrap();
        assert_eq!(selection(&once.xml).unwrap(), once.selection, "{origin}");
        assert_eq!(translate(&once.xml, SOCKET).unwrap().xml, once.xml, "{origin}: twice");
        format!("{origin}\n{}", once.xml)
    })
    .collect();
    insta::assert_snapshot!(translated.join("\n"));
}

#[test]
fn selection_is_kept_in_the_metadata_beside_other_elements() {
    let gold = PoolSelection { pool: "default".to_owned(), class: Some("gold".to_owned()) };
    let any = PoolSelection { pool: "o'k".to_owned(), class: None };
    let others =
        "<domain>\n  <metadata>\n    <app:x xmlns:app='urn:app' pool='no'/>\n  </metadata>\n</domain>";
    for domain in [VIRSH, others, "<domain><metadata/></domain>"] {
        assert_eq!(selection(domain).unwrap(), None);
        let selected = select(domain, &gold).unwrap();
        assert_eq!(selection(&selected).unwrap().as_ref(), Some(&gold), "{selected}");
        assert_eq!(select(&selected, &gold).unwrap(), selected);
        assert_eq!(selection(&select(&selected, &any).unwrap()).unwrap().as_ref(), Some(&any));
        assert_eq!(selection(&deselect(&selected).unwrap()).unwrap(), None);
    }
    assert_eq!(deselect(&select(others, &gold).unwrap()).unwrap(), others);
    insta::assert_snapshot!(select(VIRSH, &gold).unwrap());
}

#[test]
fn selection_without_a_pool_is_rejected() {
    let empty =
        select(VIRSH, &PoolSelection { pool: "p".to_owned(), class: None }).unwrap().replace("pool='p'", "");
    insta::assert_snapshot!(selection(&empty).unwrap_err().to_string());
}

#[test]
fn domain_has_a_name() {
    assert_eq!(name(VIRSH).unwrap().as_deref(), Some("web-1"));
    assert_eq!(name("<domain/>").unwrap(), None);
}
