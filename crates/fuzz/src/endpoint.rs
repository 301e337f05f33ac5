//! The endpoint: sends raw bytes over a connection, through hyper, the guard and both protocols.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::serve::Listener;
use ssod_connections::{Admission, Capacity, ConnectionRules, Proof, Shares, Timeouts, serve};
use ssod_endpoint::{
    Access, Audit, Caller, Endpoint, Grant, ImdsTokens, Noted, Outcome, Port, Repeats, Services, Tokens,
};
use ssod_model::{
    AccountId, Cached, CredentialSource, EndpointTokens, Floor, Profile, ProfileName, Refusal,
    RoleCredentials, RoleName, Secret, SessionName, Timestamp, TokenSet,
};
use ssod_testkit::ManualClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const PORT: u16 = 7_746;
const UID: u32 = 1_000;
const TOKEN: &str = "the-right-token";
const SECRET: &str = "MARKER-OF-THE-SECRET";

/// Checks that an answer contains the secret only if the request has the right token and the right Host.
pub(crate) fn check(data: &[u8]) {
    thread_local! {
        static RUNTIME: RefCell<Option<tokio::runtime::Runtime>> = const { RefCell::new(None) };
    }
    RUNTIME.with_borrow_mut(|runtime| {
        let runtime = runtime.get_or_insert_with(|| {
            tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
        });
        let answer = runtime.block_on(answer(data, Some(UID)));
        if answer.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()) {
            let sent = String::from_utf8_lossy(data).to_lowercase();
            assert!(sent.contains(TOKEN), "no token was sent");
            assert!(sent.contains("127.0.0.1"), "no Host of this endpoint was sent");
        }
        let other_users = runtime.block_on(answer_to_another_user(data));
        assert!(
            !other_users.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()),
            "another user was served"
        );
    });
}

async fn answer_to_another_user(data: &[u8]) -> Vec<u8> {
    answer(data, Some(UID + 1)).await
}

/// A listener that accepts one connection.
struct SingleConnection(Option<DuplexStream>);

impl Listener for SingleConnection {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.take() {
            Some(connection) => (connection, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn answer(data: &[u8], uid: Option<u32>) -> Vec<u8> {
    let (mut client, server) = tokio::io::duplex(256 * 1024);
    let endpoint = Endpoint::new(services(), Port::Main { imds: Arc::new(AtomicBool::new(true)) }, PORT);
    let admit = move |_: &DuplexStream, (): &()| {
        Admission::Own(endpoint.connection(Caller { uid, inode: 0, cgroup: None }))
    };
    let limit = Duration::from_millis(200);
    let timeouts =
        Timeouts { header_timeout: limit, body_timeout: limit, write_timeout: limit, stop_timeout: limit };
    let capacity = Capacity::new(Shares { own: 1, unproven: 1, other_users: 1 });
    let rules = ConnectionRules { capacity, timeouts, proof: Proof::Token };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(serve(SingleConnection(Some(server)), rules, admit, async move {
        // The sender is dropped when the client has its answer.
        let _ = stopped.await;
    }));
    let mut answer = Vec::new();
    // Fails if the server closes the connection early.
    let _ = client.write_all(data).await;
    // All tasks must run first, because hyper treats the end of the sending side as a closed connection.
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
    let _ = client.shutdown().await;
    let _ = client.read_to_end(&mut answer).await;
    drop((client, stop));
    serving.await.unwrap();
    answer
}

/// Checks each access instead of logging it.
struct AccessCheck;

impl Audit for AccessCheck {
    fn note(&self, access: Access) -> Noted {
        // The audit log writes the reason in one line of JSON, so its length must be bounded. The code identifies
        // refusals of one kind, so nothing that the caller sent may be in it.
        assert!(match access.outcome {
            Outcome::Served => true,
            Outcome::Refused { code, reason } => reason.len() < 1_000 && matches!(code, Cow::Borrowed(_)),
        });
        Noted::default()
    }

    fn repeats(&self, _grant: Grant) -> Box<dyn Repeats> {
        Box::new(Self)
    }
}

impl Repeats for AccessCheck {
    fn count(&self, _at: Timestamp) {}
}

#[derive(Clone)]
struct OneProfile(Arc<Profile>, Arc<RoleCredentials>);

impl CredentialSource for OneProfile {
    fn cached(&self, profile: &ProfileName, _floor: Floor) -> Cached {
        if *profile == self.0.name {
            Cached::Ready(self.1.clone())
        } else {
            Cached::Refused(Refusal::ProfileNotFound(profile.to_string()))
        }
    }

    async fn fetch(&self, profile: &ProfileName, _floor: Floor) -> Result<Arc<RoleCredentials>, Refusal> {
        Err(Refusal::ProfileNotFound(profile.to_string()))
    }

    async fn fetch_within(
        &self,
        profile: &ProfileName,
        floor: Floor,
        _patience: Duration,
    ) -> Result<Arc<RoleCredentials>, Refusal> {
        match self.cached(profile, floor) {
            Cached::Ready(credentials) => Ok(credentials),
            Cached::Refused(refusal) => Err(refusal),
            Cached::Fetch => self.fetch(profile, floor).await,
        }
    }

    fn held(&self, _profile: &ProfileName) -> Option<Arc<RoleCredentials>> {
        None
    }

    fn profile(&self, name: &ProfileName) -> Option<Arc<Profile>> {
        (*name == self.0.name).then(|| self.0.clone())
    }

    fn active(&self) -> Option<ProfileName> {
        Some(self.0.name.clone())
    }

    fn closed(&self) -> Option<Refusal> {
        None
    }
}

fn services() -> Services<OneProfile> {
    let name = ProfileName::parse("adminUser").unwrap();
    let profile = Profile {
        name: name.clone(),
        session: SessionName::parse("s").unwrap(),
        account_id: AccountId::parse("123456789012").unwrap(),
        role_name: RoleName::parse("AdminRole").unwrap(),
        region: None,
        aws_form: false,
        endpoints: None,
    };
    let at = |second| Timestamp::from_second(second).unwrap();
    let credentials = RoleCredentials {
        access_key_id: "ASIA".to_owned(),
        secret_access_key: Secret::new(SECRET.to_owned()),
        session_token: Secret::new("token".to_owned()),
        issued_at: at(1_800_000_000),
        expiration: at(1_800_003_600),
    };
    let tokens = Tokens::default();
    let token = || Secret::new(TOKEN.to_owned());
    let current = TokenSet { issued_at: None, active: Some(token()), profiles: [(name, token())].into() };
    tokens.replace(EndpointTokens { current, previous: None });
    Services {
        source: OneProfile(Arc::new(profile), Arc::new(credentials)),
        clock: ManualClock::at(1_800_000_000).into(),
        tokens: Arc::new(tokens),
        imds_tokens: ImdsTokens::new().unwrap(),
        audit: Arc::new(AccessCheck),
        own_uid: UID,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If no request were served, the check could never fail.
    #[tokio::test]
    async fn the_right_token_is_served_and_another_user_is_not() {
        let request = include_bytes!("../corpus/endpoint/credentials");
        assert!(String::from_utf8_lossy(&answer(request, Some(UID)).await).contains(SECRET));
        assert!(String::from_utf8_lossy(&answer_to_another_user(request).await).contains("CallerRefused"));
    }
}
