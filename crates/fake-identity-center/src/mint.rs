//! Issues role credentials: invented ones, or valid ones from an STS such as moto.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use ssod_model::{Timestamp, TimestampExt};

use crate::RoleGrant;

/// The STS, and the keys for AssumeRole.
#[derive(Clone)]
pub struct StsKeys {
    /// The base URL of the STS.
    pub endpoint: String,
    /// The access key id of a user that the roles trust.
    pub access_key_id: String,
    /// The user's secret access key.
    pub secret_access_key: String,
}

/// The source of role credentials.
pub enum Minter {
    /// Invented credentials, which have the right format but are not valid.
    Invented,
    /// Credentials from an STS.
    Sts {
        /// The STS and the keys.
        keys: StsKeys,
        /// The HTTP client.
        http: reqwest::Client,
    },
}

/// Role credentials, as a client gets them.
pub(crate) struct MintedCredentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: String,
}

impl Minter {
    /// Returns a minter that calls the STS. Fails if the HTTP client cannot be created.
    pub fn sts(keys: StsKeys) -> Result<Self> {
        // Fails only if a provider is already installed, and that is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build()?;
        Ok(Self::Sts { keys, http })
    }

    pub(crate) async fn mint(&self, grant: &RoleGrant, now: Timestamp) -> Result<MintedCredentials> {
        match self {
            Self::Invented => Ok(invent(grant)),
            Self::Sts { keys, http } => assume_role(keys, http, grant, now).await,
        }
    }
}

fn invent(grant: &RoleGrant) -> MintedCredentials {
    let tail: String = grant.serial.chars().take(16).collect::<String>().to_uppercase();
    MintedCredentials {
        access_key_id: format!("ASIA{tail}"),
        secret_access_key: format!("secret-{}", grant.serial),
        session_token: format!("session-{}-{}-{}", grant.user, grant.role, grant.serial),
    }
}

async fn assume_role(
    keys: &StsKeys,
    http: &reqwest::Client,
    grant: &RoleGrant,
    now: Timestamp,
) -> Result<MintedCredentials> {
    let arn = format!("arn:aws:iam::{}:role/{}", grant.account, grant.role);
    let seconds = grant.expiration.since_or_zero(now).as_secs().clamp(900, 43_200).to_string();
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("Action", "AssumeRole")
        .append_pair("Version", "2011-06-15")
        .append_pair("RoleArn", &arn)
        .append_pair("RoleSessionName", &grant.user)
        .append_pair("DurationSeconds", &seconds)
        .finish();
    let content_type = "application/x-www-form-urlencoded; charset=utf-8";
    let url = format!("{}/", keys.endpoint.trim_end_matches('/'));
    let identity = Credentials::from_keys(&keys.access_key_id, &keys.secret_access_key, None).into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("sts")
        .time(SystemTime::from(now))
        .settings(SigningSettings::default())
        .build()?
        .into();
    let headers = [("content-type", content_type)];
    let signable =
        SignableRequest::new("POST", &url, headers.into_iter(), SignableBody::Bytes(body.as_bytes()))?;
    let (instructions, _) = sign(signable, &parameters)?.into_parts();
    let mut request = http.post(&url).header("content-type", content_type);
    for (name, value) in instructions.headers() {
        request = request.header(name, value);
    }
    let response = request.body(body).send().await.context("the STS cannot be reached")?;
    let status = response.status();
    let answer = response.text().await?;
    ensure!(status.is_success(), "the STS answered {status}: {answer}");
    Ok(MintedCredentials {
        access_key_id: element(&answer, "AccessKeyId")?,
        secret_access_key: element(&answer, "SecretAccessKey")?,
        session_token: element(&answer, "SessionToken")?,
    })
}

/// Returns the text of the first element with this name. The format of the response is fixed, and its values contain no
/// escaped characters.
fn element(xml: &str, name: &str) -> Result<String> {
    let start = xml.split_once(&format!("<{name}>")).map(|(_, rest)| rest);
    let text = start.and_then(|rest| rest.split_once(&format!("</{name}>"))).map(|(text, _)| text.to_owned());
    text.with_context(|| format!("the response of the STS has no {name}"))
}
