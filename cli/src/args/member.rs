//! Flags of the verbs about one VM, and the way a VM is written.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use api::names::{NAMESPACES, is_namespace};
use clap::Args;

/// Give a VM its socket
///
/// It is made for a QEMU, which is sent some bytes unsolicited when it connects: it may have waited for them
/// since before. With client=egd the socket is for any other client, and silent until it is asked.
#[derive(Args, Clone, Debug)]
pub(crate) struct AttachArgs {
    /// The VM, its pool and its class; without a class, the pool's default class
    #[arg(value_name = "NAME=POOL[/CLASS][,client=qemu|egd]")]
    pub(crate) member: Member,
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

/// Cut a VM off and remove its socket
#[derive(Args, Clone, Debug)]
pub(crate) struct DetachArgs {
    /// The VM
    pub(crate) vm: String,
}

/// Move a VM to another class of its pool
///
/// Its connections stay open; its tokens and debts go with it.
#[derive(Args, Clone, Debug)]
pub(crate) struct MoveArgs {
    /// The VM
    pub(crate) vm: String,
    /// Another class of its pool
    pub(crate) class: String,
}

/// Say why a VM gets what it gets
#[derive(Args, Clone, Debug)]
pub(crate) struct ExplainArgs {
    /// The VM
    pub(crate) vm: String,
}

/// Who speaks on a VM's socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Client {
    /// A QEMU; after a reconnect it may be served unsolicited.
    #[default]
    Qemu,
    /// Any other EGD client.
    Egd,
}

/// A VM as it is written on the command line: `NAME=POOL[/CLASS][,client=qemu|egd]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// The VM's name.
    pub(crate) id: String,
    /// Its pool.
    pub(crate) pool: String,
    /// Its class; `None` is the pool's default class.
    pub(crate) class: Option<String>,
    /// Who speaks on its socket.
    pub(crate) client: Client,
}

impl FromStr for Member {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, rest) = text
            .split_once('=')
            .filter(|(id, _)| !id.is_empty())
            .ok_or("a VM is written NAME=POOL/CLASS, for example web-1=default/gold")?;
        let mut parts = rest.split(',');
        let (pool, class) = place(parts.next().unwrap_or_default())?;
        let client = client(parts)?;
        Ok(Self { id: id.to_owned(), pool, class, client })
    }
}

/// A pool and a class as they are written on the command line: `POOL[/CLASS]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PoolClass {
    /// The pool.
    pub(crate) pool: String,
    /// `None` is the pool's default class.
    pub(crate) class: Option<String>,
}

impl FromStr for PoolClass {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (pool, class) = place(text)?;
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

/// The name of a namespace, as Kubernetes spells them.
pub(super) fn namespace(text: &str) -> Result<String, String> {
    if is_namespace(text) { Ok(text.to_owned()) } else { Err(NAMESPACES.to_owned()) }
}

/// `POOL` or `POOL/CLASS`.
fn place(text: &str) -> Result<(String, Option<String>), String> {
    let (pool, class) = match text.split_once('/') {
        Some((pool, class)) => (pool, Some(class)),
        None => (text, None),
    };
    if pool.is_empty() {
        return Err("the pool is missing: write NAME=POOL/CLASS".to_owned());
    }
    match class {
        Some("") => Err(format!("the class after {pool}/ is missing: name one, or leave the slash out")),
        Some(class) if class.contains('/') => {
            Err(format!("{text} has more than one slash: write POOL/CLASS"))
        }
        _ => Ok((pool.to_owned(), class.map(str::to_owned))),
    }
}

/// What follows the place, each after a comma.
fn client<'a>(options: impl Iterator<Item = &'a str>) -> Result<Client, String> {
    let mut client = None;
    for option in options {
        let said = match option {
            "client=qemu" => Client::Qemu,
            "client=egd" => Client::Egd,
            _ => return Err(format!("{option:?} is no option of a VM: there is client=qemu and client=egd")),
        };
        if client.replace(said).is_some() {
            return Err("client is given twice".to_owned());
        }
    }
    Ok(client.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_vm_is_a_name_a_pool_and_a_class() {
        let member: Member = "web-1=default/gold".parse().unwrap();
        let expected = Member {
            id: "web-1".into(),
            pool: "default".into(),
            class: Some("gold".into()),
            client: Client::Qemu,
        };
        assert_eq!(member, expected);
    }

    #[test]
    fn class_and_client_may_be_left_out_or_said() {
        let member: Member = "a=trng,client=egd".parse().unwrap();
        assert_eq!((member.class, member.client), (None, Client::Egd));
    }

    #[test]
    fn what_is_no_vm_is_refused_with_what_would_be_one() {
        let said =
            ["web-1", "=default", "a=", "a=/gold", "a=p/", "a=p/q/r", "a=p,b", "a=p,client=egd,client=qemu"]
                .map(|text| format!("{text}: {}", text.parse::<Member>().unwrap_err()));
        insta::assert_snapshot!(said.join("\n"));
    }
}
