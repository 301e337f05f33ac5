//! A client that runs: it gets calls, and answers each with the result or the error that its user sees.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// How long a call may take. The slowest client tries IMDS several times before it reports that there are no credentials.
const CALL_LIMIT: Duration = Duration::from_secs(90);
/// How long a client may take to end after its input has ended.
const EXIT_LIMIT: Duration = Duration::from_secs(5);

/// What a client is asked to do.
#[derive(Clone, Debug)]
pub(super) enum Call {
    /// Return the caller's identity, from STS.
    WhoAmI,
    /// Stop the instance with this id, which only the administrator may do.
    Stop(String),
    /// Read the object of this role in the bucket `identity`, which only that role may do.
    Read(&'static str),
}

/// The bucket with an object for each role.
pub(super) const BUCKET: &str = "identity";

impl Call {
    fn line(&self) -> String {
        match self {
            Self::WhoAmI => "whoami".to_owned(),
            Self::Stop(instance) => format!("stop {instance}"),
            Self::Read(role) => format!("read {BUCKET} {role}"),
        }
    }
}

/// The answer to a call: what the client returned, or the error that it showed.
pub(super) type Answer = Result<String, String>;

/// A client in one environment.
pub(super) enum RunningClient<'a> {
    /// One process answers all calls.
    Process(ClientProcess),
    /// Each call is a new process.
    EachCall(Box<dyn Fn(&Call) -> Command + Send + 'a>),
}

impl RunningClient<'_> {
    /// Makes a call. Fails if the client does not follow the interface or does not answer in time.
    pub(super) fn call(&mut self, call: &Call) -> Result<Answer> {
        match self {
            Self::Process(process) => process.call(call),
            Self::EachCall(command) => run_once(&mut command(call)),
        }
    }
}

/// A client that answers lines: see `tests/interop/python/caller.py`.
pub(super) struct ClientProcess {
    child: Child,
    input: Option<ChildStdin>,
    answers: mpsc::Receiver<String>,
}

impl ClientProcess {
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child =
            spawned.with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let output = child.stdout.take().context("no standard output")?;
        let (send, answers) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { input: child.stdin.take(), child, answers })
    }

    fn call(&mut self, call: &Call) -> Result<Answer> {
        let input = self.input.as_mut().context("no standard input")?;
        writeln!(input, "{}", call.line()).context("the client has ended")?;
        input.flush()?;
        let line = self.answers.recv_timeout(CALL_LIMIT).context("the client does not answer")?;
        let answer: Value = serde_json::from_str(&line).with_context(|| format!("not an answer: {line}"))?;
        match (answer["ok"].as_str(), answer["error"].as_str()) {
            (Some(result), None) => Ok(Ok(result.to_owned())),
            (None, Some(error)) => Ok(Err(error.to_owned())),
            _ => bail!("not an answer: {line}"),
        }
    }
}

impl Drop for ClientProcess {
    fn drop(&mut self) {
        // The end of its input ends the client.
        self.input = None;
        if self.answers.recv_timeout(EXIT_LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Runs a program that makes one call.
fn run_once(command: &mut Command) -> Result<Answer> {
    let limited = with_time_limit(command);
    let output = { limited }.stdin(Stdio::null()).output();
    let Output { status, stdout, stderr } =
        output.with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Ok(if status.success() { Ok(text(&stdout)) } else { Err(text(&stderr) + &text(&stdout)) })
}

/// Returns the command with coreutils' time limit around it.
fn with_time_limit(command: &Command) -> Command {
    let mut limited = Command::new("/usr/bin/timeout");
    limited
        .arg(CALL_LIMIT.as_secs().to_string())
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear();
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        limited.current_dir(folder);
    }
    limited
}
