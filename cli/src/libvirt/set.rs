//! `libvirt set` and `unset`: the pool of a domain, kept in its definition.

use std::path::Path;

use anyhow::{Context, Result, bail};
use domain_xml::PoolSelection;

use super::virsh::Virsh;
use crate::args::{Global, PoolClass, SetArgs, UnsetArgs};
use crate::client::{ClientError, DaemonClient};
use crate::output;

/// Selects the pool of a domain.
pub(super) async fn set(global: &Global, args: &SetArgs) -> Result<()> {
    let SetArgs { domain, pool_class, host } = args;
    check_exists(global, pool_class).await?;
    let virsh = Virsh(host.connect.as_deref());
    let xml = virsh.dump(domain)?;
    let name = domain_xml::name(&xml)?.context("the domain's XML has no name")?;
    let selection = PoolSelection { pool: pool_class.pool.clone(), class: pool_class.class.clone() };
    let selected = select(&xml, &selection, &socket(&host.sockets.socket_dir, &name)?)?;
    if selected != xml {
        virsh.define(&selected)?;
    }
    output::print(&format!("{name} draws from {pool_class}{}\n", when(&virsh, domain)?))
}

/// Returns a domain to the host's generator.
pub(super) fn unset(args: &UnsetArgs) -> Result<()> {
    let virsh = Virsh(args.connect.as_deref());
    let xml = virsh.dump(&args.domain)?;
    let disconnected = domain_xml::disconnect(&domain_xml::deselect(&xml)?)?;
    if disconnected != xml {
        virsh.define(&disconnected)?;
    }
    let when = when(&virsh, &args.domain)?;
    output::print(&format!("{} draws from the host's generator{when}\n", args.domain))
}

/// The path of the socket that a domain of this name has while it runs.
pub(super) fn socket(directory: &Path, name: &str) -> Result<String> {
    let path = dataplane::socket_path(directory, name)?;
    Ok(path.to_str().context("the socket's path must be UTF-8")?.to_owned())
}

fn select(xml: &str, selection: &PoolSelection, socket: &str) -> Result<String> {
    Ok(domain_xml::select(&domain_xml::connect(xml, socket)?, selection)?)
}

/// Checks that the pool and the class exist. If no daemon runs, that is checked only when the domain starts.
async fn check_exists(global: &Global, wanted: &PoolClass) -> Result<()> {
    let mut daemon = match DaemonClient::connect(&global.api).await {
        Ok(daemon) => daemon,
        Err(error @ ClientError::Connect { .. }) => {
            eprintln!("entropool: warning: pool {} is not checked: {error}", wanted.pool);
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let classes = daemon.classes(Some(wanted.pool.clone())).await?.classes;
    if let Some(class) = &wanted.class
        && classes.iter().all(|known| known.name != *class)
    {
        let known: Vec<&str> = classes.iter().map(|known| &*known.name).collect();
        bail!("pool {} has no class {class}; it has {}", wanted.pool, known.join(", "));
    }
    Ok(())
}

fn when(virsh: &Virsh, domain: &str) -> Result<&'static str> {
    Ok(if virsh.is_running(domain)? { ", from its next start on" } else { "" })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DOMAIN: &str = "<domain type='qemu'>\n  <name>web</name>\n  <devices>\n    <rng model='virtio'>\n      \
                          <backend model='random'>/dev/urandom</backend>\n    </rng>\n  </devices>\n</domain>\n";

    #[test]
    fn selection_is_written_to_and_removed_from_metadata_and_device() {
        let selection = PoolSelection { pool: "default".to_owned(), class: Some("gold".to_owned()) };
        let selected = select(DOMAIN, &selection, "/run/entropool/vm/web/egd.sock").unwrap();
        assert_eq!(domain_xml::selection(&selected).unwrap(), Some(selection));
        assert_eq!(domain_xml::socket(&selected).unwrap().as_deref(), Some("/run/entropool/vm/web/egd.sock"));
        let removed = domain_xml::disconnect(&domain_xml::deselect(&selected).unwrap()).unwrap();
        assert_eq!((domain_xml::selection(&removed), domain_xml::socket(&removed)), (Ok(None), Ok(None)));
    }

    #[test]
    fn domain_whose_name_is_too_long_for_a_socket_is_rejected() {
        let long = "n".repeat(100);
        assert!(socket(Path::new("/run/entropool/vm"), &long).unwrap_err().to_string().contains("shorter"));
    }
}
