//! The hosts of each AWS partition, in one table.
//!
//! The DNS suffixes are those of botocore's `partitions.json`; the domains of access portals are those of the AWS CLI.

use crate::Region;

/// A group of regions with their own domains.
#[derive(Debug, PartialEq, Eq)]
pub struct Partition {
    /// AWS's name for it, such as `aws-cn`.
    pub name: &'static str,
    /// How the names of its regions start.
    regions: &'static str,
    /// The domain of its services.
    pub suffix: &'static str,
    /// The domain of its services that are reachable over IPv6, too.
    pub dual_stack_suffix: &'static str,
    /// Whether its hosts without `-fips` are FIPS hosts already.
    pub plain_hosts_are_fips: bool,
    /// The domains of access portals. A portal is a host below one of them.
    portals: &'static [&'static str],
    /// The hosts of start URLs in the form of an issuer, `https://HOST/ssoins-…`.
    issuers: &'static [&'static str],
}

/// The last one has the regions that no other partition has, as in botocore.
static PARTITIONS: [Partition; 8] = [
    Partition {
        name: "aws-cn",
        regions: "cn-",
        suffix: "amazonaws.com.cn",
        dual_stack_suffix: "api.amazonwebservices.com.cn",
        plain_hosts_are_fips: false,
        portals: &["awsapps.cn", "portal.amazonaws.com.cn", "app.amazonwebservices.com.cn"],
        issuers: &["identitycenter.amazonaws.com.cn"],
    },
    Partition {
        name: "aws-us-gov",
        regions: "us-gov-",
        suffix: "amazonaws.com",
        dual_stack_suffix: "api.aws",
        plain_hosts_are_fips: true,
        portals: &["awsapps.com", "portal.amazonaws.com", "app.aws"],
        issuers: &["identitycenter.us-gov.amazonaws.com", "identitycenter.amazonaws.com"],
    },
    Partition {
        name: "aws-eusc",
        regions: "eusc-",
        suffix: "amazonaws.eu",
        dual_stack_suffix: "api.amazonwebservices.eu",
        plain_hosts_are_fips: false,
        portals: &["portal.amazonaws.eu", "api.amazonwebservices.eu"],
        issuers: &["identitycenter.amazonaws.eu"],
    },
    Partition::isolated("aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    Partition::isolated("aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    Partition::isolated("aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    Partition::isolated("aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    Partition {
        name: "aws",
        regions: "",
        suffix: "amazonaws.com",
        dual_stack_suffix: "api.aws",
        plain_hosts_are_fips: false,
        portals: &["awsapps.com", "portal.amazonaws.com", "app.aws"],
        issuers: &["identitycenter.amazonaws.com"],
    },
];

impl Partition {
    /// An isolated partition. AWS publishes no portal domain for it, so only the session's own hosts are known.
    const fn isolated(
        name: &'static str,
        regions: &'static str,
        suffix: &'static str,
        dual_stack_suffix: &'static str,
    ) -> Self {
        Self {
            name,
            regions,
            suffix,
            dual_stack_suffix,
            plain_hosts_are_fips: false,
            portals: &[],
            issuers: &[],
        }
    }

    /// Returns the partition of a region. A region that is not known yet belongs to `aws`, as in AWS's SDKs.
    pub fn of(region: &Region) -> &'static Self {
        let [others @ .., aws] = &PARTITIONS;
        others.iter().find(|partition| region.as_str().starts_with(partition.regions)).unwrap_or(aws)
    }

    /// Returns all partitions.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        PARTITIONS.iter()
    }

    /// Returns the host of a service in one of its regions.
    pub fn host(&self, service: &str, region: &Region, fips: bool, dual_stack: bool) -> String {
        // Over IPv6, AWS's rules know no exception for hosts that are FIPS hosts already.
        let fips = if fips && (dual_stack || !self.plain_hosts_are_fips) { "-fips" } else { "" };
        let suffix = if dual_stack { self.dual_stack_suffix } else { self.suffix };
        format!("{service}{fips}.{region}.{suffix}")
    }

    /// Returns the host of the page where a user enters a device code.
    pub fn device_page(&self, region: &Region) -> String {
        self.host("device.sso", region, false, false)
    }

    /// Whether the host is an access portal of this partition, or the host of issuer URLs.
    pub fn has_portal(&self, host: &str) -> bool {
        let is_below = |domain: &&str| {
            host.strip_suffix(*domain).is_some_and(|name| name.len() > 1 && name.ends_with('.'))
        };
        self.issuers.contains(&host) || self.portals.iter().any(is_below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str) -> Region {
        Region::parse(name).unwrap()
    }

    /// Partition, a region, the OIDC host, the dual-stack one, the page for device codes, and portals.
    type Expected =
        (&'static str, &'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

    const EXPECTED: [Expected; 8] = [
        (
            "aws",
            "us-east-1",
            "oidc.us-east-1.amazonaws.com",
            "oidc.us-east-1.api.aws",
            "device.sso.us-east-1.amazonaws.com",
            &[
                "d-1234567890.awsapps.com",
                "ssoins-1.us-east-1.portal.amazonaws.com",
                "ssoins-1.portal.us-east-1.app.aws",
                "identitycenter.amazonaws.com",
            ],
        ),
        (
            "aws-cn",
            "cn-north-1",
            "oidc.cn-north-1.amazonaws.com.cn",
            "oidc.cn-north-1.api.amazonwebservices.com.cn",
            "device.sso.cn-north-1.amazonaws.com.cn",
            &[
                "start.home.awsapps.cn",
                "start.cn-north-1.home.awsapps.cn",
                "ssoins-1.cn-north-1.portal.amazonaws.com.cn",
                "ssoins-1.portal.cn-north-1.app.amazonwebservices.com.cn",
                "identitycenter.amazonaws.com.cn",
            ],
        ),
        (
            "aws-us-gov",
            "us-gov-west-1",
            "oidc.us-gov-west-1.amazonaws.com",
            "oidc.us-gov-west-1.api.aws",
            "device.sso.us-gov-west-1.amazonaws.com",
            &[
                "start.us-gov-home.awsapps.com",
                "ssoins-1.us-gov-west-1.portal.amazonaws.com",
                "identitycenter.us-gov.amazonaws.com",
            ],
        ),
        (
            "aws-iso",
            "us-iso-east-1",
            "oidc.us-iso-east-1.c2s.ic.gov",
            "oidc.us-iso-east-1.api.aws.ic.gov",
            "device.sso.us-iso-east-1.c2s.ic.gov",
            &[],
        ),
        (
            "aws-iso-b",
            "us-isob-east-1",
            "oidc.us-isob-east-1.sc2s.sgov.gov",
            "oidc.us-isob-east-1.api.aws.scloud",
            "device.sso.us-isob-east-1.sc2s.sgov.gov",
            &[],
        ),
        (
            "aws-iso-e",
            "eu-isoe-west-1",
            "oidc.eu-isoe-west-1.cloud.adc-e.uk",
            "oidc.eu-isoe-west-1.api.cloud-aws.adc-e.uk",
            "device.sso.eu-isoe-west-1.cloud.adc-e.uk",
            &[],
        ),
        (
            "aws-iso-f",
            "us-isof-south-1",
            "oidc.us-isof-south-1.csp.hci.ic.gov",
            "oidc.us-isof-south-1.api.aws.hci.ic.gov",
            "device.sso.us-isof-south-1.csp.hci.ic.gov",
            &[],
        ),
        (
            "aws-eusc",
            "eusc-de-east-1",
            "oidc.eusc-de-east-1.amazonaws.eu",
            "oidc.eusc-de-east-1.api.amazonwebservices.eu",
            "device.sso.eusc-de-east-1.amazonaws.eu",
            &[
                "ssoins-1.eusc-de-east-1.portal.amazonaws.eu",
                "ssoins-1.portal.eusc-de-east-1.api.amazonwebservices.eu",
                "identitycenter.amazonaws.eu",
            ],
        ),
    ];

    #[test]
    fn each_partition_has_its_own_hosts() {
        assert_eq!(Partition::all().count(), EXPECTED.len());
        for (name, in_region, oidc, dual_stack, device, portals) in EXPECTED {
            let in_region = region(in_region);
            let partition = Partition::of(&in_region);
            assert_eq!(partition.name, name);
            assert_eq!(partition.host("oidc", &in_region, false, false), oidc);
            assert_eq!(partition.host("oidc", &in_region, false, true), dual_stack);
            assert_eq!(partition.device_page(&in_region), device);
            for portal in portals {
                assert!(partition.has_portal(portal), "{name}: {portal}");
            }
        }
    }

    #[test]
    fn a_partition_does_not_have_the_portals_of_another() {
        let gov_and_aws = ["aws", "aws-us-gov"];
        for (name, _, _, _, _, portals) in EXPECTED {
            for other in Partition::all().filter(|other| other.name != name) {
                // Both have the same domains for portals.
                if gov_and_aws.contains(&name) && gov_and_aws.contains(&other.name) {
                    continue;
                }
                for portal in portals {
                    assert!(!other.has_portal(portal), "{}: {portal}", other.name);
                }
            }
        }
    }

    #[test]
    fn a_host_that_only_resembles_a_portal_is_none() {
        let aws = Partition::of(&region("eu-central-1"));
        for host in [
            "evilawsapps.com",
            "awsapps.com",
            ".awsapps.com",
            "x.awsapps.com.evil.test",
            "x.awsapps.com.",
            "x.identitycenter.amazonaws.com",
            "s3.amazonaws.com",
            "x.api.aws",
            "",
        ] {
            assert!(!aws.has_portal(host), "{host}");
        }
    }

    #[test]
    fn a_fips_host_has_its_own_name_except_where_every_host_is_one() {
        for (name, dual_stack, host) in [
            ("us-east-1", false, "oidc-fips.us-east-1.amazonaws.com"),
            ("us-east-1", true, "oidc-fips.us-east-1.api.aws"),
            ("us-gov-west-1", false, "oidc.us-gov-west-1.amazonaws.com"),
            ("us-gov-west-1", true, "oidc-fips.us-gov-west-1.api.aws"),
            ("us-isob-east-1", false, "oidc-fips.us-isob-east-1.sc2s.sgov.gov"),
            ("eusc-de-east-1", false, "oidc-fips.eusc-de-east-1.amazonaws.eu"),
        ] {
            let region = region(name);
            assert_eq!(Partition::of(&region).host("oidc", &region, true, dual_stack), host);
        }
    }

    #[test]
    fn a_region_of_tomorrow_belongs_to_the_partition_that_its_name_tells() {
        for (name, partition) in [
            ("eu-west-9", "aws"),
            ("zz-moon-1", "aws"),
            ("us-gov-north-7", "aws-us-gov"),
            ("cn-west-2", "aws-cn"),
            ("eusc-fr-west-1", "aws-eusc"),
        ] {
            assert_eq!(Partition::of(&region(name)).name, partition, "{name}");
        }
    }
}
