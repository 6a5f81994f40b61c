//! A domain's choice, kept where libvirt keeps the domain.

use std::path::Path;

use anyhow::{Context, Result, bail};
use domain_xml::Choice;

use super::virsh::Virsh;
use crate::args::{Global, PoolClass, SetArgs, UnsetArgs};
use crate::client::{ClientError, DaemonClient};
use crate::output;

/// Has a domain draw from a pool.
pub(super) async fn set(global: &Global, args: &SetArgs) -> Result<()> {
    let SetArgs { domain, place, host } = args;
    check(global, place).await?;
    let virsh = Virsh(host.connect.as_deref());
    let xml = virsh.dump(domain)?;
    let name = domain_xml::name(&xml)?.context("libvirt's domain has no name")?;
    let choice = Choice { pool: place.pool.clone(), class: place.class.clone() };
    let chosen = chosen(&xml, &choice, &socket(&host.sockets.socket_dir, &name)?)?;
    if chosen != xml {
        virsh.define(&chosen)?;
    }
    output::text(&format!("{name} draws from {place}{}\n", when(&virsh, domain)?))
}

/// Gives a domain back to the host's generator.
pub(super) fn unset(args: &UnsetArgs) -> Result<()> {
    let virsh = Virsh(args.connect.as_deref());
    let xml = virsh.dump(&args.domain)?;
    let back = domain_xml::disconnect(&domain_xml::forget(&xml)?)?;
    if back != xml {
        virsh.define(&back)?;
    }
    let when = when(&virsh, &args.domain)?;
    output::text(&format!("{} draws from the host's generator{when}\n", args.domain))
}

/// The socket that a domain of this name has while it runs.
pub(super) fn socket(directory: &Path, name: &str) -> Result<String> {
    let path = dataplane::socket_path(directory, name)?;
    Ok(path.to_str().context("the socket's path has to be UTF-8")?.to_owned())
}

fn chosen(xml: &str, choice: &Choice, socket: &str) -> Result<String> {
    Ok(domain_xml::choose(&domain_xml::connect(xml, socket)?, choice)?)
}

/// A daemon that runs says whether there is such a place; one that does not says so when the domain starts.
async fn check(global: &Global, place: &PoolClass) -> Result<()> {
    let mut daemon = match DaemonClient::connect(&global.api).await {
        Ok(daemon) => daemon,
        Err(error @ ClientError::Connect { .. }) => {
            eprintln!("entropool: {error}; nobody has looked whether there is a pool {}", place.pool);
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let classes = daemon.classes(Some(place.pool.clone())).await?;
    if let Some(class) = &place.class
        && classes.iter().all(|known| known.name != *class)
    {
        let known: Vec<&str> = classes.iter().map(|known| &*known.name).collect();
        bail!("pool {} has no class {class}: it has {}", place.pool, known.join(", "));
    }
    Ok(())
}

fn when(virsh: &Virsh, domain: &str) -> Result<&'static str> {
    Ok(if virsh.runs(domain)? { ", from its next start on" } else { "" })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DOMAIN: &str = "<domain type='qemu'>\n  <name>web</name>\n  <devices>\n    <rng model='virtio'>\n      \
                          <backend model='random'>/dev/urandom</backend>\n    </rng>\n  </devices>\n</domain>\n";

    #[test]
    fn a_choice_is_in_the_metadata_and_the_device_and_goes_from_both() {
        let choice = Choice { pool: "default".to_owned(), class: Some("gold".to_owned()) };
        let chosen = chosen(DOMAIN, &choice, "/run/entropool/vm/web/egd.sock").unwrap();
        assert_eq!(domain_xml::choice(&chosen).unwrap(), Some(choice));
        assert_eq!(domain_xml::socket(&chosen).unwrap().as_deref(), Some("/run/entropool/vm/web/egd.sock"));
        let back = domain_xml::disconnect(&domain_xml::forget(&chosen).unwrap()).unwrap();
        assert_eq!((domain_xml::choice(&back), domain_xml::socket(&back)), (Ok(None), Ok(None)));
    }

    #[test]
    fn a_domain_whose_name_makes_no_socket_is_told_why() {
        let long = "n".repeat(100);
        assert!(socket(Path::new("/run/entropool/vm"), &long).unwrap_err().to_string().contains("shorter"));
    }
}
