//! The AWS CLI's token file: its name, its fields, and the decision what the daemon does with it. The format is that of
//! botocore's `SSOTokenLoader` and of the AWS SDKs' reference ("SSO token provider").

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha1::{Digest, Sha1};
use ssod_model::{ClientRegistration, Secret, SessionName, SessionTokens, SsoSession, Timestamp};

/// Returns the file in which the CLI caches the session's token. Its name is derived from the session's name, or, for a legacy
/// profile, from the start URL, which is also the name that ssod gives to such a session.
pub(super) fn path(folder: &Path, session: &SessionName) -> PathBuf {
    folder.join(format!("{}.json", base16ct::lower::encode_string(&Sha1::digest(session.as_str()))))
}

/// The content of the file.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// There is no file.
    Missing,
    /// Not a token, or only part of one: some programs truncate the file before they write it.
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
    more: Map<String, Value>,
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
        let more = match before {
            Content::Token(token) => token.more.clone(),
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
            more,
        }
    }

    /// Returns whether the file contains this access token.
    fn is(&self, token: &Secret) -> bool {
        self.access_token == token.expose()
    }

    /// Returns whether the token was issued by the session's start URL and region.
    fn belongs_to(&self, session: &SsoSession) -> bool {
        self.start_url.trim_end_matches(['/', '#']) == session.start_url.as_str().trim_end_matches(['/', '#'])
            && self.region == session.region.as_str()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        instant(&self.expires_at)
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
                expires_at: instant(self.registration_expires_at.as_deref()?)?,
            },
        })
    }
}

/// Parses a time; older programs write `UTC` instead of `Z`.
fn instant(text: &str) -> Option<Timestamp> {
    text.parse().or_else(|_| text.replace("UTC", "Z").parse()).ok()
}

/// The next step for a session's file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing to do.
    Rest,
    /// Write the daemon's access token.
    Write,
    /// Record that the daemon's token is no longer in the file.
    Forget,
    /// Remove the daemon's token, because its session has ended.
    Remove,
    /// Sign out: the file with the daemon's token is gone, so the user signed out with the CLI.
    SignOut,
    /// Take over the sign-in that the user made with the CLI.
    Adopt(Box<SessionTokens>),
    /// Read again: the file may be partly written.
    LookAgain,
}

/// The daemon's own state of the session.
pub(super) struct Known<'a> {
    pub(super) session: &'a SsoSession,
    /// The daemon's access token and when it expires, if the user is signed in.
    pub(super) ours: Option<(&'a Secret, Timestamp)>,
    /// Whether the daemon wrote a token to the file before.
    pub(super) was_shared: bool,
}

/// Decides the next step.
pub(super) fn decide(now: Timestamp, known: &Known<'_>, content: &Content) -> Step {
    let theirs = match content {
        Content::Unreadable => return Step::LookAgain,
        Content::Missing => {
            return match (known.ours, known.was_shared) {
                (Some(_), true) => Step::SignOut,
                (Some((_, end)), false) if end > now => Step::Write,
                (None, true) => Step::Forget,
                (Some(_) | None, false) => Step::Rest,
            };
        }
        Content::Token(theirs) => theirs,
    };
    // The daemon never writes a refresh token, so a file with one is another program's sign-in.
    let sign_in = theirs.sign_in(now).filter(|_| theirs.belongs_to(known.session));
    let Some((ours, end)) = known.ours else {
        return match sign_in {
            Some(tokens) => Step::Adopt(Box::new(tokens)),
            None if known.was_shared && theirs.refresh_token.is_none() => Step::Remove,
            None => Step::Rest,
        };
    };
    match sign_in {
        // The daemon has taken over this refresh token. If two programs renewed with it, the session would end.
        _ if theirs.is(ours) && theirs.refresh_token.is_some() => Step::Write,
        _ if theirs.is(ours) => Step::Rest,
        Some(tokens) if known.was_shared || tokens.expires_at > end => Step::Adopt(Box::new(tokens)),
        // A token that cannot be renewed is replaced only by one that expires later.
        _ if theirs.belongs_to(known.session) && theirs.expires_at().is_some_and(|theirs| theirs > end) => {
            Step::Rest
        }
        _ if end > now => Step::Write,
        _ => Step::Rest,
    }
}

/// Returns whether the daemon wrote the file, so that it is not another program's sign-in.
pub(super) fn is_ours(content: &Content) -> bool {
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
            "expiresAt": expires_at, "toolOfTomorrow": 7,
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

    #[test]
    fn each_state_of_the_file_has_its_step() {
        let (session, token) = (session(), Secret::new("ours".to_owned()));
        let (ours, expired) = (Some((&token, at(3_600))), Some((&token, at(-1))));
        let elsewhere =
            SsoSession { region: ssod_model::Region::parse("eu-west-1").unwrap(), ..session.clone() };
        for (name, session, ours, was_shared, content, step) in [
            ("the first time", &session, ours, false, Content::Missing, "write"),
            ("the first time, with an expired token", &session, expired, false, Content::Missing, "rest"),
            ("gone, though it was there", &session, ours, true, Content::Missing, "sign out"),
            (
                "gone, and our token has expired for the moment",
                &session,
                expired,
                true,
                Content::Missing,
                "sign out",
            ),
            ("gone, and the user is not signed in", &session, None, true, Content::Missing, "forget"),
            ("no file, and not signed in", &session, None, false, Content::Missing, "rest"),
            ("ours", &session, ours, true, file("ours", 3_600, ""), "rest"),
            ("ours, with a refresh token beside it", &session, ours, true, file("ours", 3_600, "r"), "write"),
            ("an older one of ours", &session, ours, true, file("old", 600, ""), "write"),
            (
                "a sign-in by the CLI whose clock is behind",
                &session,
                ours,
                true,
                file("new", 600, "r"),
                "adopt",
            ),
            (
                "an older sign-in by the CLI, before we shared",
                &session,
                ours,
                false,
                file("old", 600, "r"),
                "write",
            ),
            ("a newer sign-in by the CLI", &session, ours, false, file("new", 3_700, "r"), "adopt"),
            (
                "a token that cannot be renewed and expires later",
                &session,
                ours,
                true,
                file("new", 9_000, ""),
                "rest",
            ),
            (
                "a sign-in by the CLI while the user is not signed in",
                &session,
                None,
                false,
                file("new", 3_600, "r"),
                "adopt",
            ),
            ("a sign-in elsewhere", &elsewhere, None, false, file("new", 3_600, "r"), "rest"),
            (
                "a sign-in elsewhere, while we are signed in",
                &elsewhere,
                ours,
                true,
                file("new", 9_000, "r"),
                "write",
            ),
            ("ours, after the session ended", &session, None, true, file("old", 600, ""), "remove"),
            (
                "a token of the CLI that cannot be renewed",
                &session,
                None,
                false,
                file("new", 3_600, ""),
                "rest",
            ),
            ("an expired sign-in", &session, None, false, file("new", -1, "r"), "rest"),
            ("half a file", &session, ours, true, Content::parse(b"{\"startUrl\": "), "look again"),
        ] {
            let decided = match decide(at(0), &Known { session, ours, was_shared }, &content) {
                Step::Rest => "rest",
                Step::Write => "write",
                Step::Forget => "forget",
                Step::Remove => "remove",
                Step::SignOut => "sign out",
                Step::Adopt(_) => "adopt",
                Step::LookAgain => "look again",
            };
            assert_eq!(decided, step, "{name}");
        }
    }

    #[test]
    fn only_the_access_token_is_written_and_other_fields_are_preserved() {
        let session = session();
        let written =
            SharedToken::of(&session, &Secret::new("ours".to_owned()), at(0), &file("old", 600, "REFRESH"));
        insta::assert_snapshot!(serde_json::to_string(&written).unwrap(), @r#"{"startUrl":"https://x.awsapps.com/start","region":"us-east-1","accessToken":"ours","expiresAt":"2027-01-15T08:00:00Z","toolOfTomorrow":7}"#);
    }
}
