//! Flags of the commands for one VM, and the notation of a VM.

use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::str::FromStr;

use api::names::{NAMESPACES, is_namespace};
use clap::Args;

/// Attach a VM and print the path of its socket
///
/// A QEMU that connects and is silent is sent some unsolicited bytes, since it may have requested them on an earlier
/// connection. Whether it is a QEMU is told by its program, unless it is said: with client=qemu every client counts as one,
/// which is for a QEMU in a container or on a port, and with client=egd none.
#[derive(Args, Clone, Debug)]
pub(crate) struct AttachArgs {
    /// The VM, its pool and its class; the default is the pool's default class
    #[arg(value_name = "NAME=POOL[/CLASS][,client=qemu|egd]")]
    pub(crate) vm: VmSpec,
    /// The namespace the VM belongs to
    #[arg(
        long,
        value_name = "NS",
        env = "ENTROPOOL_NAMESPACE",
        hide_env_values = true,
        default_value = "default",
        value_parser = namespace
    )]
    pub(crate) namespace: String,
}

/// Detach a VM: close its connections and remove its socket
#[derive(Args, Clone, Debug)]
pub(crate) struct DetachArgs {
    /// The VM
    pub(crate) vm: String,
}

/// Move a VM to another class of its pool
///
/// Its connections stay open, and its tokens and debts move with it.
#[derive(Args, Clone, Debug)]
pub(crate) struct MoveArgs {
    /// The VM
    pub(crate) vm: String,
    /// The new class, of the same pool
    pub(crate) class: String,
}

/// Explain what a VM is served, and what it waits for
#[derive(Args, Clone, Debug)]
pub(crate) struct ExplainArgs {
    /// The VM
    pub(crate) vm: String,
}

/// The client on a VM's socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ClientKind {
    /// Told by the program that connects.
    #[default]
    Detect,
    /// A QEMU, which may be sent unsolicited bytes after a reconnect.
    Qemu,
    /// Any other EGD client.
    Egd,
}

/// A VM on the command line: `NAME=POOL[/CLASS][,client=qemu|egd]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VmSpec {
    pub(crate) name: String,
    pub(crate) pool: String,
    /// `None` is the pool's default class.
    pub(crate) class: Option<String>,
    pub(crate) client: ClientKind,
}

impl FromStr for VmSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or("write a VM as NAME=POOL/CLASS, for example web-1=default/gold")?;
        let mut parts = rest.split(',');
        let (pool, class) = pool_class(parts.next().unwrap_or_default())?;
        let client = client(parts)?;
        Ok(Self { name: name.to_owned(), pool, class, client })
    }
}

/// A VM on a TCP port, whose name is its address: `ADDR=POOL[/CLASS][,client=qemu|egd]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TcpVmSpec {
    pub(crate) address: SocketAddr,
    pub(crate) vm: VmSpec,
}

impl FromStr for TcpVmSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, _) = text
            .split_once('=')
            .ok_or("write a port as ADDR=POOL/CLASS, for example 127.0.0.1:7000=default/gold")?;
        let address: SocketAddr = address.parse().map_err(|_| {
            format!("{address:?} is not an address with a port; write 127.0.0.1:7000 or [::1]:7000")
        })?;
        if !address.ip().is_loopback() {
            let port = address.port();
            return Err(format!(
                "{address} can be reached from other hosts, and TCP clients are not authenticated; write 127.0.0.1:{port}"
            ));
        }
        if address.port() == 0 {
            return Err(format!("{address} has no port; write one from 1 to 65535"));
        }
        let vm: VmSpec = text.parse()?;
        Ok(Self { address, vm: VmSpec { name: address.to_string(), ..vm } })
    }
}

/// A pool and a class on the command line: `POOL[/CLASS]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PoolClass {
    pub(crate) pool: String,
    /// `None` is the pool's default class.
    pub(crate) class: Option<String>,
}

impl FromStr for PoolClass {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (pool, class) = pool_class(text)?;
        Ok(Self { pool, class })
    }
}

impl Display for PoolClass {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.class {
            Some(class) => write!(f, "{}/{class}", self.pool),
            None => f.write_str(&self.pool),
        }
    }
}

/// A name that Kubernetes accepts for a namespace.
pub(super) fn namespace(text: &str) -> Result<String, String> {
    if is_namespace(text) { Ok(text.to_owned()) } else { Err(NAMESPACES.to_owned()) }
}

/// `POOL` or `POOL/CLASS`.
fn pool_class(text: &str) -> Result<(String, Option<String>), String> {
    let (pool, class) = match text.split_once('/') {
        Some((pool, class)) => (pool, Some(class)),
        None => (text, None),
    };
    if pool.is_empty() {
        return Err("the pool is missing; write POOL or POOL/CLASS".to_owned());
    }
    match class {
        Some("") => Err(format!(
            "the class after {pool}/ is missing; write {pool}/CLASS, or {pool} for its default class"
        )),
        Some(class) if class.contains('/') => {
            Err(format!("{text} has more than one slash; write POOL/CLASS"))
        }
        _ => Ok((pool.to_owned(), class.map(str::to_owned))),
    }
}

/// The options after the class.
fn client<'a>(options: impl Iterator<Item = &'a str>) -> Result<ClientKind, String> {
    let mut client = None;
    for option in options {
        let value = match option {
            "client=qemu" => ClientKind::Qemu,
            "client=egd" => ClientKind::Egd,
            _ => return Err(format!("{option:?} is not an option of a VM; write client=qemu or client=egd")),
        };
        if client.replace(value).is_some() {
            return Err("client= is given more than once".to_owned());
        }
    }
    Ok(client.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn vm_is_a_name_a_pool_and_a_class() {
        let vm: VmSpec = "web-1=default/gold".parse().unwrap();
        let expected = VmSpec {
            name: "web-1".into(),
            pool: "default".into(),
            class: Some("gold".into()),
            client: ClientKind::Detect,
        };
        assert_eq!(vm, expected);
    }

    #[test]
    fn class_and_client_are_optional() {
        for (text, client) in
            [("a=trng,client=egd", ClientKind::Egd), ("a=trng,client=qemu", ClientKind::Qemu)]
        {
            let vm: VmSpec = text.parse().unwrap();
            assert_eq!((vm.class, vm.client), (None, client));
        }
    }

    #[test]
    fn invalid_vm_is_rejected_with_the_notation() {
        let errors =
            ["web-1", "=default", "a=", "a=/gold", "a=p/", "a=p/q/r", "a=p,b", "a=p,client=egd,client=qemu"]
                .map(|text| format!("{text}: {}", text.parse::<VmSpec>().unwrap_err()));
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn port_is_an_address_a_pool_and_a_class() {
        let port: TcpVmSpec = "[::1]:7000=default/gold,client=egd".parse().unwrap();
        let vm = VmSpec {
            name: "[::1]:7000".into(),
            pool: "default".into(),
            class: Some("gold".into()),
            client: ClientKind::Egd,
        };
        assert_eq!(port, TcpVmSpec { address: "[::1]:7000".parse().unwrap(), vm });
    }

    #[test]
    fn invalid_port_is_rejected_with_the_notation() {
        let errors = [
            "127.0.0.1:7000",
            "localhost:7000=a",
            "7000=a",
            "0.0.0.0:7000=a",
            "10.0.0.1:7000=a",
            "127.0.0.1:0=a",
            "127.0.0.1:7000=",
            "127.0.0.1:7000=a,b",
        ]
        .map(|text| format!("{text}: {}", text.parse::<TcpVmSpec>().unwrap_err()));
        insta::assert_snapshot!(errors.join("\n"));
    }
}
