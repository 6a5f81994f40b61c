//! The data plane alone: `serve DIR VMS [BYTES_PER_SECOND]` serves so many VMs at `DIR/0/egd.sock`, `DIR/1/egd.sock`
//! and so on, four levels deep, each with that ceil (default: far above demand). It ends with its standard input.

use std::error::Error;
use std::io::Read;

use entropool_dataplane::{
    AllowedNamespaces, AttachRequest, Client, DataPlaneOptions, PoolConfig, SocketOwner, SupplySpec, start,
};
use htb::Rate;
use htb::pool::{Admission, ClassParams, Fairness, NamespaceBound, PoolParams, Shape, default_burst};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(dir), Some(vms)) = (args.next(), args.next()) else {
        return Err("usage: serve DIR VMS [BYTES_PER_SECOND]".into());
    };
    let ceil = Rate::per_second(args.next().map_or(Ok(1 << 33), |bytes| bytes.parse())?);
    let data_plane = start(DataPlaneOptions {
        socket_dir: dir.into(),
        owner: SocketOwner::default(),
        permissions: source::Permissions::default(),
        state_file: None,
        paused: false,
    })?;
    data_plane.apply(vec![pool(ceil)])?;
    for vm in 0..vms.parse::<u32>()? {
        let (namespace, pool) = ("default".to_owned(), "default".to_owned());
        data_plane.attach(AttachRequest {
            id: vm.to_string(),
            namespace,
            pool,
            class: None,
            client: Client::Egd,
        })?;
    }
    println!("{}", std::process::id());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    println!("{:?}", data_plane.snapshot()?.counters);
    Ok(())
}

fn pool(per_vm: Rate) -> PoolConfig {
    let shape = |ceil| Shape { rate: Rate::ZERO, ceil, burst: 1024, cburst: default_burst(ceil) };
    let wide = shape(Rate::per_second(1 << 33));
    let class = ClassParams {
        name: "shared".to_owned(),
        parent: None,
        shape: wide,
        prio: htb::DEFAULT_PRIO,
        weight: htb::DEFAULT_WEIGHT,
        per_vm: shape(per_vm),
        per_namespace: NamespaceBound::default(),
        max_vms: None,
        admission: Admission::Strict,
        fairness: Fairness::Namespace,
    };
    PoolConfig {
        name: "default".to_owned(),
        params: PoolParams { root: wide, default_class: class.name.clone(), classes: vec![class] },
        namespaces: AllowedNamespaces::All,
        class_namespaces: std::collections::BTreeMap::new(),
        class_connections: std::collections::BTreeMap::new(),
        supply: SupplySpec::Kernel,
    }
}
