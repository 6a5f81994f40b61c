//! A VM that draws from a TCP port: `ADDR=POOL[/CLASS][,client=qemu|egd]`.

use std::net::SocketAddr;
use std::str::FromStr;

use super::Member;

/// A VM whose name is its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    /// Where it connects.
    pub(crate) address: SocketAddr,
    /// The VM.
    pub(crate) member: Member,
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, _) = text
            .split_once('=')
            .ok_or("a port is written ADDR=POOL/CLASS, for example 127.0.0.1:7000=default/gold")?;
        let address: SocketAddr = address.parse().map_err(|_| {
            format!("{address:?} is no address with a port: write 127.0.0.1:7000 or [::1]:7000")
        })?;
        if !address.ip().is_loopback() {
            let port = address.port();
            return Err(format!(
                "{address} can be reached by other hosts, and TCP does not tell who connects: use 127.0.0.1:{port}"
            ));
        }
        if address.port() == 0 {
            return Err(format!("{address} has no port: say which, from 1 to 65535"));
        }
        let member: Member = text.parse()?;
        Ok(Self { address, member: Member { id: address.to_string(), ..member } })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Client;
    use super::*;

    #[test]
    fn a_port_is_an_address_a_pool_and_a_class() {
        let port: Port = "[::1]:7000=default/gold,client=egd".parse().unwrap();
        let member = Member {
            id: "[::1]:7000".into(),
            pool: "default".into(),
            class: Some("gold".into()),
            client: Client::Egd,
        };
        assert_eq!(port, Port { address: "[::1]:7000".parse().unwrap(), member });
    }

    #[test]
    fn what_is_no_port_of_this_host_is_refused_with_what_would_be_one() {
        let said = [
            "127.0.0.1:7000",
            "localhost:7000=a",
            "7000=a",
            "0.0.0.0:7000=a",
            "10.0.0.1:7000=a",
            "127.0.0.1:0=a",
            "127.0.0.1:7000=",
            "127.0.0.1:7000=a,b",
        ]
        .map(|text| format!("{text}: {}", text.parse::<Port>().unwrap_err()));
        insta::assert_snapshot!(said.join("\n"));
    }
}
