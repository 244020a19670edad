//! As much of HTTP/1.1 as an AWS SDK and moto speak.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// A request's head.
#[derive(Clone, Debug)]
pub struct Head {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn length(&self) -> usize {
        self.header("content-length")
            .and_then(|n| n.parse().ok())
            .unwrap_or(0)
    }
}

/// A reply.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// As it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!(
            "HTTP/1.1 {} Reply\r\ncontent-length: {}\r\n",
            self.status,
            self.body.len()
        );
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        [text.as_bytes(), &self.body].concat()
    }
}

/// Reads a request's head; `None` where the other side is done.
pub fn read_head(from: &mut impl BufRead) -> io::Result<Option<Head>> {
    let Some((first, headers)) = read_lines(from)? else {
        return Ok(None);
    };
    let mut words = first.split(' ').map(str::to_owned);
    Ok(Some(Head {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        headers,
    }))
}

/// POSTs to a server and reads its reply to the end.
pub fn call(
    to: SocketAddr,
    headers: &[(impl AsRef<str>, String)],
    body: &[u8],
) -> io::Result<Reply> {
    request(to, "POST /", headers, body)
}

/// The same with another method and path.
pub fn request(
    to: SocketAddr,
    line: &str,
    headers: &[(impl AsRef<str>, String)],
    body: &[u8],
) -> io::Result<Reply> {
    let mut stream = TcpStream::connect(to)?;
    let mut text = format!(
        "{line} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text += &format!("{}: {value}\r\n", name.as_ref());
    }
    text += "\r\n";
    stream.write_all(&[text.as_bytes(), body].concat())?;
    let mut from = BufReader::new(stream);
    let (first, headers) = read_lines(&mut from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = Vec::new();
    match length.and_then(|(_, value)| value.parse().ok()) {
        Some(length) => {
            body.resize(length, 0);
            from.read_exact(&mut body)?;
        }
        None => {
            from.read_to_end(&mut body)?;
        }
    }
    Ok(Reply {
        status: status.ok_or(io::ErrorKind::InvalidData)?,
        headers,
        body,
    })
}

fn read_lines(from: &mut impl BufRead) -> io::Result<Option<(String, Vec<(String, String)>)>> {
    let mut first = String::new();
    if from.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return Ok(Some((first.trim_end().to_owned(), headers)));
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}
