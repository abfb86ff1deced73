//! As much of HTTP as the server and the page speak.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Status and body.
pub(crate) fn get(server: SocketAddr, path: &str) -> (u16, String) {
    ask(server, "GET", path, "", "")
}

/// Status and body, which must be JSON.
pub(crate) fn post(server: SocketAddr, path: &str, body: &Value) -> (u16, Value) {
    let (status, body) = ask(server, "POST", path, "", &body.to_string());
    (status, serde_json::from_str(&body).unwrap())
}

/// With more header lines, each with its end.
pub(crate) fn ask(server: SocketAddr, method: &str, path: &str, more: &str, body: &str) -> (u16, String) {
    ask_as(server, &server.to_string(), method, path, more, body)
}

/// By a name of the server.
pub(crate) fn ask_as(
    server: SocketAddr,
    name: &str,
    method: &str,
    path: &str,
    more: &str,
    body: &str,
) -> (u16, String) {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\nContent-Length: {length}\r\n{more}\r\n{body}"
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut status = String::new();
    reader.read_line(&mut status).unwrap();
    let body = read_body(&mut reader).unwrap();
    (status.split(' ').nth(1).unwrap().parse().unwrap(), body)
}

/// Reads a message from behind its first line.
pub(crate) fn read_body(reader: &mut impl BufRead) -> io::Result<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    String::from_utf8(body).map_err(io::Error::other)
}
