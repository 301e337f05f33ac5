//! The environment variables that override Identity Center's endpoints.

/// The endpoint settings in a process's environment. Empty variables count as unset, as in the SDKs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointVariables {
    /// `AWS_ENDPOINT_URL_SSO`.
    pub portal: Option<String>,
    /// `AWS_ENDPOINT_URL_SSO_OIDC`.
    pub oidc: Option<String>,
    /// `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`.
    pub ignore_configured: bool,
    /// `AWS_USE_FIPS_ENDPOINT`.
    pub fips: Option<bool>,
    /// `AWS_USE_DUALSTACK_ENDPOINT`.
    pub dual_stack: Option<bool>,
}

impl EndpointVariables {
    /// Reads the variables through `variable`. `AWS_ENDPOINT_URL`, which is meant for all services, is not among them:
    /// a test of another service must not receive sign-ins.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name: &str| variable(name).filter(|value| !value.is_empty());
        let flag = |name: &str| text(name).map(|value| value.eq_ignore_ascii_case("true"));
        let ignore_configured = flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").unwrap_or(false);
        let url = |name: &str| text(name).filter(|_| !ignore_configured);
        Self {
            portal: url("AWS_ENDPOINT_URL_SSO"),
            oidc: url("AWS_ENDPOINT_URL_SSO_OIDC"),
            ignore_configured,
            fips: flag("AWS_USE_FIPS_ENDPOINT"),
            dual_stack: flag("AWS_USE_DUALSTACK_ENDPOINT"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> EndpointVariables {
        EndpointVariables::from_variables(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn only_the_variables_of_the_two_services_change_their_endpoints() {
        let both = read(&[("AWS_ENDPOINT_URL", "http://all"), ("AWS_ENDPOINT_URL_SSO", "http://sso")]);
        assert_eq!((both.portal.as_deref(), both.oidc.as_deref()), (Some("http://sso"), None));
        assert_eq!(read(&[("AWS_ENDPOINT_URL", "http://all")]), EndpointVariables::default());
    }

    #[test]
    fn ignored_and_empty_variables_have_no_effect() {
        let off = read(&[("AWS_ENDPOINT_URL_SSO", "x"), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True")]);
        assert_eq!((off.portal, off.oidc), (None, None));
        assert_eq!(read(&[("AWS_ENDPOINT_URL_SSO", "")]), EndpointVariables::default());
    }
}
