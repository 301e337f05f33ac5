//! `ssod credential-process`, which AWS tools run for each profile that `ssod configure` has written.

use std::ffi::OsString;

use clap::Args;
use clap_complete::ArgValueCandidates;
use ssod_control::{ClientError, ControlClient, Credentials, CredentialsRequest, Paths};

use crate::error::CommandResult;
use crate::{completers, connection, terminal};

/// The command's name on the command line.
const NAME: &str = "credential-process";

/// Print a profile's credentials for `credential_process` in the AWS config file.
///
/// AWS tools run this command, because `ssod configure` writes it into the AWS config file. You do not need to run it
/// yourself.
#[derive(Args)]
pub(crate) struct CredentialProcessArgs {
    /// The profile.
    #[arg(value_name = "PROFILE", add = ArgValueCandidates::new(completers::profile_names))]
    name: String,
}

impl CredentialProcessArgs {
    /// Reads a command line of exactly this form: the command's name and a profile's name, which cannot be an option.
    /// Returns `None` for every other one, and clap then reads it.
    ///
    /// AWS tools run the command in this form for every program that they start. Clap first builds a tree of every
    /// command, with its options and help: without it, the client executes 193,000 instructions instead of 482,000
    /// (callgrind), and has 68 page faults instead of 112.
    pub(super) fn parse_plain(arguments: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut arguments = arguments.into_iter();
        let (command, name) = (arguments.next()?, arguments.next()?);
        if command != NAME || arguments.next().is_some() {
            return None;
        }
        let name = name.into_string().ok()?;
        (!name.is_empty() && !name.starts_with('-')).then_some(Self { name })
    }
}

pub(crate) fn run(paths: &Paths, args: &CredentialProcessArgs) -> CommandResult<()> {
    let request = CredentialsRequest { profile: args.name.clone() };
    let fetch = |client: &ControlClient| client.post::<Credentials>("/v1/credentials", &request);
    // The daemon nearly always runs, so the request is sent without checking that first.
    let credentials = match fetch(&ControlClient::new(&paths.socket)) {
        Err(ClientError::NotReachable { .. }) => fetch(&connection::connect_quietly(paths)?)?,
        result => result?,
    };
    Ok(terminal::print_json(serde_json::to_string(&credentials))?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use clap::Parser;
    use proptest::prelude::*;

    use super::super::{Cli, Command};
    use super::*;

    fn plain(arguments: &[&str]) -> Option<String> {
        CredentialProcessArgs::parse_plain(arguments.iter().map(OsString::from)).map(|args| args.name)
    }

    /// Returns the profile's name, if clap reads the arguments as this command without `--no-input`.
    fn by_clap(arguments: &[OsString]) -> Option<String> {
        let line = std::iter::once(OsString::from("ssod")).chain(arguments.iter().cloned());
        match Cli::try_parse_from(line).ok()? {
            Cli { no_input: false, command: Command::CredentialProcess(args) } => Some(args.name),
            _ => None,
        }
    }

    #[test]
    fn only_the_name_of_a_profile_is_plain() {
        for name in ["adminUser", "a b", "dev/x", "help", "credential-process", "é", "\u{1b}[2J"] {
            assert_eq!(plain(&[NAME, name]).as_deref(), Some(name));
        }
        let others: [&[&str]; 12] = [
            &[],
            &[NAME],
            &[NAME, ""],
            &[NAME, "-"],
            &[NAME, "--"],
            &[NAME, "--help"],
            &[NAME, "-V"],
            &[NAME, "a", "b"],
            &[NAME, "--", "a"],
            &[NAME, "--no-input", "a"],
            &["--no-input", NAME, "a"],
            &["env", "a"],
        ];
        for other in others {
            assert_eq!(plain(other), None, "{other:?}");
        }
    }

    /// Arguments that mean something on the command line.
    const KNOWN: [&str; 11] =
        [NAME, "credential-proces", "help", "env", "--no-input", "--help", "-h", "-V", "--", "-", "="];

    fn argument() -> impl Strategy<Value = OsString> {
        prop_oneof![
            4 => proptest::sample::select(&KNOWN[..]).prop_map(OsString::from),
            2 => "-{0,2}[a-z=]{0,3}".prop_map(OsString::from),
            2 => "\\PC{0,6}".prop_map(OsString::from),
            1 => proptest::collection::vec(any::<u8>(), 0..6).prop_map(OsString::from_vec),
        ]
    }

    proptest! {
        #[test]
        fn clap_reads_every_plain_command_line_in_the_same_way(
            begins_with_name in any::<bool>(), arguments in proptest::collection::vec(argument(), 0..4)
        ) {
            let name = begins_with_name.then(|| OsString::from(NAME));
            let arguments: Vec<OsString> = name.into_iter().chain(arguments).collect();
            if let Some(args) = CredentialProcessArgs::parse_plain(arguments.clone()) {
                prop_assert_eq!(by_clap(&arguments), Some(args.name));
            }
        }
    }
}
