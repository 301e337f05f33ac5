//! The AWS CLI's token file: its name, its fields, and what is to be done about it. The format is that of botocore's
//! `SSOTokenLoader` and of the AWS SDKs' reference ("SSO token provider").

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha1::{Digest, Sha1};
use ssod_model::{ClientRegistration, Secret, SessionName, SessionTokens, SsoSession, Timestamp};

/// Where the CLI looks for a session's token: by the session's name, or, in a legacy profile, by its start URL, which is
/// the name of such a session here, too.
pub(super) fn path(folder: &Path, session: &SessionName) -> PathBuf {
    folder.join(format!("{}.json", base16ct::lower::encode_string(&Sha1::digest(session.as_str()))))
}

/// What is in the file.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// There is no file.
    Missing,
    /// Not a token, or half of one: some writers truncate before they write.
    Unreadable,
    /// A token.
    Token(Box<SharedToken>),
}

/// A token as it lies there.
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
    /// What other tools put there.
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Content {
    /// Reads it.
    pub(super) fn parse(text: &[u8]) -> Self {
        serde_json::from_slice(text).map_or(Self::Unreadable, |token| Self::Token(Box::new(token)))
    }
}

impl SharedToken {
    /// The access token alone, for that session; what others added to the file before stays in it.
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

    /// Whether it is that access token.
    fn is(&self, token: &Secret) -> bool {
        self.access_token == token.expose()
    }

    /// Whether it was made where the session signs in now.
    fn belongs_to(&self, session: &SsoSession) -> bool {
        self.start_url.trim_end_matches(['/', '#']) == session.start_url.as_str().trim_end_matches(['/', '#'])
            && self.region == session.region.as_str()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        instant(&self.expires_at)
    }

    /// The sign-in that somebody else's program made, whole; `None` where it could not be renewed.
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

/// Old writers end in `UTC`.
fn instant(text: &str) -> Option<Timestamp> {
    text.parse().or_else(|_| text.replace("UTC", "Z").parse()).ok()
}

/// What is to be done about a session's file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// All is as it should be.
    Rest,
    /// Put our access token there.
    Write,
    /// Nothing of ours is there any more.
    Forget,
    /// What we put there is worth nothing: take it away.
    Remove,
    /// It was there and is gone: somebody signed out with the CLI.
    SignOut,
    /// Somebody signed in with the CLI.
    Adopt(Box<SessionTokens>),
    /// It may be half written.
    LookAgain,
}

/// What is known beside the file.
pub(super) struct Known<'a> {
    pub(super) session: &'a SsoSession,
    /// Our access token and its end, where somebody is signed in here.
    pub(super) ours: Option<(&'a Secret, Timestamp)>,
    /// Whether we put a token there before.
    pub(super) was_shared: bool,
}

/// Decides.
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
    // We never write a refresh token: one that is there is somebody else's sign-in.
    let sign_in = theirs.sign_in(now).filter(|_| theirs.belongs_to(known.session));
    let Some((ours, end)) = known.ours else {
        return match sign_in {
            Some(tokens) => Step::Adopt(Box::new(tokens)),
            None if known.was_shared && theirs.refresh_token.is_none() => Step::Remove,
            None => Step::Rest,
        };
    };
    match sign_in {
        // The refresh token is ours alone now: two programs that renew with it would end the session.
        _ if theirs.is(ours) && theirs.refresh_token.is_some() => Step::Write,
        _ if theirs.is(ours) => Step::Rest,
        Some(tokens) if known.was_shared || tokens.expires_at > end => Step::Adopt(Box::new(tokens)),
        // One that nobody can renew is replaced only by one that lasts longer.
        _ if theirs.belongs_to(known.session) && theirs.expires_at().is_some_and(|theirs| theirs > end) => {
            Step::Rest
        }
        _ if end > now => Step::Write,
        _ => Step::Rest,
    }
}

/// Whether the file is one that we put there, and nobody else's sign-in.
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
    fn the_files_name_is_the_one_that_the_cli_computes() {
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
    fn what_is_done_about_a_file() {
        let (session, token) = (session(), Secret::new("ours".to_owned()));
        let (ours, over) = (Some((&token, at(3_600))), Some((&token, at(-1))));
        let elsewhere =
            SsoSession { region: ssod_model::Region::parse("eu-west-1").unwrap(), ..session.clone() };
        for (name, session, ours, was_shared, content, step) in [
            ("the first time", &session, ours, false, Content::Missing, "write"),
            ("the first time, with a token that is over", &session, over, false, Content::Missing, "rest"),
            ("gone, though it was there", &session, ours, true, Content::Missing, "sign out"),
            (
                "gone, and our token is over for the moment",
                &session,
                over,
                true,
                Content::Missing,
                "sign out",
            ),
            ("gone, and nobody is signed in", &session, None, true, Content::Missing, "forget"),
            ("nothing, and nobody", &session, None, false, Content::Missing, "rest"),
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
                "one that nobody can renew and that lasts longer",
                &session,
                ours,
                true,
                file("new", 9_000, ""),
                "rest",
            ),
            (
                "a sign-in by the CLI while nobody is signed in",
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
                "a token of the CLI's that nobody can renew",
                &session,
                None,
                false,
                file("new", 3_600, ""),
                "rest",
            ),
            ("one that is over", &session, None, false, file("new", -1, "r"), "rest"),
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
    fn only_the_access_token_is_written_and_what_others_added_stays() {
        let session = session();
        let written =
            SharedToken::of(&session, &Secret::new("ours".to_owned()), at(0), &file("old", 600, "REFRESH"));
        insta::assert_snapshot!(serde_json::to_string(&written).unwrap(), @r#"{"startUrl":"https://x.awsapps.com/start","region":"us-east-1","accessToken":"ours","expiresAt":"2027-01-15T08:00:00Z","toolOfTomorrow":7}"#);
    }
}
