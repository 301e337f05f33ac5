//! Measures a request for credentials that are in memory, beside a static answer of the same length.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ssod_testkit::{Sandbox, TestUser, programs};

use super::median::{median_duration, median_of};
use super::row::print_row;

/// Measures requests on one connection and each on its own, and `ssod credential-process`.
pub(super) fn run() -> Result<()> {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let daemon = SocketAddr::from(([127, 0, 0, 1], sandbox.daemon().port()));
    let token = sandbox.daemon().token("adminUser");
    let request =
        format!("GET /credentials/adminUser HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {token}\r\n\r\n");
    let answer = exchange(&mut TcpStream::connect(daemon)?, &request)?;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    let static_answer = serve_static(answer)?;
    let kept = |server: SocketAddr| {
        let mut connection = TcpStream::connect(server)?;
        connection.set_nodelay(true)?;
        median_duration(|| exchange(&mut connection, &request).map(drop))
    };
    let new = |server: SocketAddr| {
        median_duration(|| exchange(&mut TcpStream::connect(server)?, &request).map(drop))
    };
    print_row("request, kept connection / a static answer", kept(daemon)?, kept(static_answer)?);
    print_row("request, new connection / a static answer", new(daemon)?, new(static_answer)?);
    let client = median_process(|| {
        let mut command = sandbox.ssod_command();
        command.args(["credential-process", "adminUser"]);
        command
    })?;
    print_row("ssod credential-process / ssod --version", client, median_process(version_command)?);
    Ok(())
}

fn version_command() -> Command {
    let mut command = Command::new(programs().join("ssod"));
    command.arg("--version");
    command
}

/// The number of processes of each measurement.
const PROCESSES: usize = 200;

fn median_process(command: impl Fn() -> Command) -> Result<Duration> {
    median_of(PROCESSES, || {
        let output = command().output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    })
}

/// Sends the request, and returns the answer, whose length its head names.
fn exchange(connection: &mut TcpStream, request: &str) -> Result<Vec<u8>> {
    connection.write_all(request.as_bytes())?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = connection.read(&mut buffer)?;
        ensure!(count > 0, "the server closed the connection");
        answer.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if length_of(&answer).is_some_and(|length| answer.len() >= length) {
            return Ok(answer);
        }
    }
}

/// Returns the length of the whole answer, once its head is complete.
fn length_of(answer: &[u8]) -> Option<usize> {
    let head_length = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(answer.get(..head_length)?).to_ascii_lowercase();
    let body_length: usize = head.split_once("content-length: ")?.1.split("\r\n").next()?.parse().ok()?;
    Some(head_length + body_length)
}

/// Starts a server that answers every request with these bytes, one connection at a time, until this program ends.
fn serve_static(answer: Vec<u8>) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { return };
            let mut buffer = [0; 4096];
            while connection.read(&mut buffer).is_ok_and(|count| count > 0) {
                if connection.write_all(&answer).is_err() {
                    break;
                }
            }
        }
    });
    Ok(address)
}
