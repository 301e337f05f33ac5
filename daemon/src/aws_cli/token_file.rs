//! The AWS CLI's token file: its name, its fields, and the decision what the daemon does with it. The format is the one
//! of botocore's `SSOTokenLoader` and of the AWS SDKs' reference ("SSO token provider").

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha1::{Digest, Sha1};
use ssod_model::{
    ClientRegistration, Destinations, Secret, SessionName, SessionTokens, SsoSession, Timestamp,
};

/// Returns the file in which the CLI caches the session's token. Its name is derived from the session's name, or, for a
/// legacy profile, from the start URL, which is also the name that ssod gives to such a session.
pub(super) fn path(folder: &Path, session: &SessionName) -> PathBuf {
    folder.join(format!("{}.json", base16ct::lower::encode_string(&Sha1::digest(session.as_str()))))
}

/// The content of the file.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// There is no file.
    Missing,
    /// The file is not a complete token: some programs truncate the file before they write it.
    Unreadable,
    /// A token.
    Token(Box<SharedToken>),
}

/// A token in the file's format.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SharedToken {
    start_url: String,
    region: String,
    access_token: String,
    expires_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registration_expires_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// Fields of other tools.
    #[serde(flatten)]
    other_fields: Map<String, Value>,
}

impl Content {
    /// Parses the text.
    pub(super) fn parse(text: &[u8]) -> Self {
        serde_json::from_slice(text).map_or(Self::Unreadable, |token| Self::Token(Box::new(token)))
    }
}

impl SharedToken {
    /// Returns a token with only the session's access token. Fields that other tools added to the file are preserved.
    pub(super) fn of(session: &SsoSession, token: &Secret, expires_at: Timestamp, before: &Content) -> Self {
        let other_fields = match before {
            Content::Token(token) => token.other_fields.clone(),
            Content::Missing | Content::Unreadable => Map::new(),
        };
        Self {
            start_url: session.start_url.to_string(),
            region: session.region.to_string(),
            access_token: token.expose().to_owned(),
            expires_at: expires_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            client_id: None,
            client_secret: None,
            registration_expires_at: None,
            refresh_token: None,
            other_fields,
        }
    }

    /// Returns whether the file contains this access token.
    fn contains(&self, token: &Secret) -> bool {
        self.access_token == token.expose()
    }

    /// Returns whether the token was issued by the session's start URL and region.
    fn belongs_to(&self, session: &SsoSession) -> bool {
        self.start_url.trim_end_matches(['/', '#']) == session.start_url.as_str().trim_end_matches(['/', '#'])
            && self.region == session.region.as_str()
    }

    /// Returns whether the tokens belong to the session, and may be sent to its endpoints. The file does not tell which
    /// endpoints issued them.
    fn may_be_adopted(&self, session: &SsoSession) -> bool {
        self.belongs_to(session) && Destinations::assumed_for(&session.start_url).include(&session.endpoints)
    }

    fn expires_at(&self) -> Option<Timestamp> {
        parse_time(&self.expires_at)
    }

    /// Returns the sign-in of another program; `None` if it has expired or cannot be renewed.
    fn sign_in(&self, now: Timestamp) -> Option<SessionTokens> {
        Some(SessionTokens {
            access_token: Secret::new(self.access_token.clone()),
            issued_at: now,
            expires_at: self.expires_at().filter(|end| *end > now)?,
            refresh_token: Some(Secret::new(self.refresh_token.clone()?)),
            client: ClientRegistration {
                client_id: self.client_id.clone()?,
                client_secret: Secret::new(self.client_secret.clone()?),
                expires_at: parse_time(self.registration_expires_at.as_deref()?)?,
            },
        })
    }
}

/// Parses a time; older programs write `UTC` instead of `Z`.
fn parse_time(text: &str) -> Option<Timestamp> {
    text.parse().or_else(|_| text.replace("UTC", "Z").parse()).ok()
}

/// The next step for a session's file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileStep {
    /// Nothing to do.
    Nothing,
    /// Write the daemon's access token.
    Write,
    /// Record that the daemon's token is no longer in the file.
    Forget,
    /// Remove the daemon's token, because its session has ended.
    Remove,
    /// Sign out: the file with the daemon's token is gone, so the user signed out with the CLI.
    SignOut,
    /// Adopt the sign-in that the user made with the CLI.
    Adopt(Box<SessionTokens>),
    /// Read again: the file may be partly written.
    ReadAgain,
}

/// What the daemon knows about the session.
pub(super) struct SharingFacts<'a> {
    pub(super) session: &'a SsoSession,
    /// The daemon's access token and when it expires, if the user is signed in.
    pub(super) own_token: Option<(&'a Secret, Timestamp)>,
    /// Whether the daemon wrote a token to the file before.
    pub(super) was_shared: bool,
}

/// Decides the next step.
pub(super) fn decide(now: Timestamp, facts: &SharingFacts<'_>, content: &Content) -> FileStep {
    let file_token = match content {
        Content::Unreadable => return FileStep::ReadAgain,
        Content::Missing => {
            return match (facts.own_token, facts.was_shared) {
                (Some(_), true) => FileStep::SignOut,
                (Some((_, end)), false) if end > now => FileStep::Write,
                (None, true) => FileStep::Forget,
                (Some(_) | None, false) => FileStep::Nothing,
            };
        }
        Content::Token(token) => token,
    };
    // The daemon never writes a refresh token, so a file with one is another program's sign-in.
    let sign_in = file_token.sign_in(now).filter(|_| file_token.may_be_adopted(facts.session));
    let Some((own_token, end)) = facts.own_token else {
        return match sign_in {
            Some(tokens) => FileStep::Adopt(Box::new(tokens)),
            None if facts.was_shared && file_token.refresh_token.is_none() => FileStep::Remove,
            None => FileStep::Nothing,
        };
    };
    match sign_in {
        // The daemon adopted this sign-in. If two programs renewed with its refresh token, the session would end, so
        // the token is removed from the file.
        _ if file_token.contains(own_token) && file_token.refresh_token.is_some() => FileStep::Write,
        _ if file_token.contains(own_token) => FileStep::Nothing,
        Some(tokens) if facts.was_shared || tokens.expires_at > end => FileStep::Adopt(Box::new(tokens)),
        // A token that cannot be renewed is replaced only by one that expires later.
        _ if file_token.belongs_to(facts.session) && file_token.expires_at().is_some_and(|at| at > end) => {
            FileStep::Nothing
        }
        _ if end > now => FileStep::Write,
        _ => FileStep::Nothing,
    }
}

/// Returns whether the daemon wrote the file. The daemon never writes a refresh token, and other programs do.
pub(super) fn is_own(content: &Content) -> bool {
    matches!(content, Content::Token(token) if token.refresh_token.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(NOW + second).unwrap()
    }

    fn file(token: &str, expires_in: i64, refresh_token: &str) -> Content {
        let expires_at = at(expires_in).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut text = serde_json::json!({
            "startUrl": "https://x.awsapps.com/start", "region": "us-east-1", "accessToken": token,
            "expiresAt": expires_at, "fieldOfAnotherTool": 7,
        });
        if !refresh_token.is_empty() {
            text["refreshToken"] = refresh_token.into();
            text["clientId"] = "id".into();
            text["clientSecret"] = "secret".into();
            text["registrationExpiresAt"] = "2030-01-01T00:00:00Z".into();
        }
        Content::parse(text.to_string().as_bytes())
    }

    #[test]
    fn the_file_name_is_the_one_that_the_cli_computes() {
        let name = |text: &str| path(Path::new("/"), &SessionName::parse(text).unwrap());
        assert_eq!(name("my-sso"), Path::new("/0ad374308c5a4e22f723adf10145eafad7c4031c.json"));
        let legacy = name("https://d-1234567890.awsapps.com/start");
        assert_eq!(legacy, Path::new("/7487b5b67d5fa1132cf33fa93ae51ef38cc37752.json"));
    }

    fn session() -> SsoSession {
        SsoSession {
            name: SessionName::parse("work").unwrap(),
            start_url: ssod_model::StartUrl::parse("https://x.awsapps.com/start").unwrap(),
            region: ssod_model::Region::parse("us-east-1").unwrap(),
            scopes: vec![],
            endpoints: ssod_model::Endpoints::default(),
        }
    }

    /// Returns the step that adopts the sign-in in the file.
    fn adopt(content: &Content) -> FileStep {
        let Content::Token(token) = content else { panic!("the file has no token") };
        FileStep::Adopt(Box::new(token.sign_in(at(0)).unwrap()))
    }

    /// Checks the steps for files (name, content, whether the daemon wrote it before, step).
    fn assert_steps<const N: usize>(
        session: &SsoSession,
        own_token: Option<(&Secret, Timestamp)>,
        cases: [(&str, Content, bool, FileStep); N],
    ) {
        for (name, content, was_shared, step) in cases {
            let facts = SharingFacts { session, own_token, was_shared };
            assert_eq!(decide(at(0), &facts, &content), step, "{name}");
        }
    }

    #[test]
    fn the_steps_while_the_user_is_signed_in() {
        let token = Secret::new("own".to_owned());
        let partly_written = Content::parse(b"{\"startUrl\": ");
        let new = |expires_in| file("new", expires_in, "r");
        assert_steps(
            &session(),
            Some((&token, at(3_600))),
            [
                ("no file yet", Content::Missing, false, FileStep::Write),
                ("the file is gone", Content::Missing, true, FileStep::SignOut),
                ("the own token", file("own", 3_600, ""), true, FileStep::Nothing),
                ("the own token with a refresh token", file("own", 3_600, "r"), true, FileStep::Write),
                ("an older own token", file("old", 600, ""), true, FileStep::Write),
                ("a CLI sign-in by a clock that is behind", new(600), true, adopt(&new(600))),
                ("an older CLI sign-in from before the sharing", new(600), false, FileStep::Write),
                ("a newer CLI sign-in", new(3_700), false, adopt(&new(3_700))),
                ("a later token that is not renewable", file("new", 9_000, ""), true, FileStep::Nothing),
                ("a partly written file", partly_written, true, FileStep::ReadAgain),
            ],
        );
        assert_steps(
            &session(),
            Some((&token, at(-1))),
            [
                ("no file yet, and an expired own token", Content::Missing, false, FileStep::Nothing),
                (
                    "the file is gone, and the own token has expired",
                    Content::Missing,
                    true,
                    FileStep::SignOut,
                ),
            ],
        );
    }

    #[test]
    fn the_steps_while_the_user_is_signed_out() {
        let new = || file("new", 3_600, "r");
        assert_steps(
            &session(),
            None,
            [
                ("the file is gone", Content::Missing, true, FileStep::Forget),
                ("no file", Content::Missing, false, FileStep::Nothing),
                ("a CLI sign-in", new(), false, adopt(&new())),
                ("the own token of a session that ended", file("old", 600, ""), true, FileStep::Remove),
                ("a CLI token that is not renewable", file("new", 3_600, ""), false, FileStep::Nothing),
                ("an expired CLI sign-in", file("new", -1, "r"), false, FileStep::Nothing),
            ],
        );
    }

    #[test]
    fn a_sign_in_at_another_location_is_not_adopted() {
        let elsewhere = SsoSession { region: ssod_model::Region::parse("eu-west-1").unwrap(), ..session() };
        let token = Secret::new("own".to_owned());
        let signed_out = ("signed out", file("new", 3_600, "r"), false, FileStep::Nothing);
        assert_steps(&elsewhere, None, [signed_out]);
        let signed_in = ("signed in", file("new", 9_000, "r"), true, FileStep::Write);
        assert_steps(&elsewhere, Some((&token, at(3_600))), [signed_in]);
    }

    /// The CLI signed in at AWS. A test endpoint must not get its refresh token.
    #[test]
    fn a_sign_in_at_aws_is_not_adopted_for_another_endpoint() {
        let endpoint = Some("http://127.0.0.1:4566".to_owned());
        for endpoints in [
            ssod_model::Endpoints { oidc: endpoint.clone(), ..ssod_model::Endpoints::default() },
            ssod_model::Endpoints { portal: endpoint.clone(), ..ssod_model::Endpoints::default() },
        ] {
            let redirected = SsoSession { endpoints, ..session() };
            let signed_out = ("signed out", file("new", 3_600, "r"), false, FileStep::Nothing);
            assert_steps(&redirected, None, [signed_out]);
        }
    }

    #[test]
    fn only_the_access_token_is_written_and_other_fields_are_preserved() {
        let session = session();
        let written =
            SharedToken::of(&session, &Secret::new("own".to_owned()), at(0), &file("old", 600, "REFRESH"));
        insta::assert_snapshot!(serde_json::to_string(&written).unwrap(), @r#"{"startUrl":"https://x.awsapps.com/start","region":"us-east-1","accessToken":"own","expiresAt":"2027-01-15T08:00:00Z","fieldOfAnotherTool":7}"#);
    }
}
