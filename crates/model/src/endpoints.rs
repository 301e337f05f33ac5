//! The hosts to call for a session or a profile.

/// Settings that change the hosts of the two services, which otherwise depend only on the region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// The base URL instead of `portal.sso.REGION…`.
    pub portal: Option<String>,
    /// The base URL instead of `oidc.REGION…`.
    pub oidc: Option<String>,
    /// Whether to use FIPS hosts.
    pub fips: bool,
    /// Whether to use dual-stack hosts.
    pub dual_stack: bool,
}
