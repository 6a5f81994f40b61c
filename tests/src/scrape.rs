//! What a daemon measures, as Prometheus reads it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

const PATIENCE: Duration = Duration::from_secs(20);

/// The value of the series `name`, with its labels if it has any, at `address`.
pub fn scrape(address: SocketAddr, name: &str) -> Result<String> {
    let page = page(address, "*/*")?;
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value.with_context(|| format!("no {name} in\n{page}"))?.to_owned())
}

/// The head and the body of all that is measured, for a client that accepts these types.
pub fn page(address: SocketAddr, accept: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}
