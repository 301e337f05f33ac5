//! The AWS regions that ssod knows, to catch a region that is mistyped. The list is never a limit: AWS opens new
//! regions.

use crate::similar::differences;
use crate::{InvalidName, Region};

/// The regions of all partitions (botocore 1.43.11). Of several regions that are equally similar to a word, the first
/// is suggested, so those that more users have come first.
const REGIONS: [&str; 48] = [
    // aws
    "us-east-1",
    "us-east-2",
    "us-west-2",
    "us-west-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-east-1",
    "ap-east-2",
    "ca-central-1",
    "ca-west-1",
    "sa-east-1",
    "sa-west-1",
    "af-south-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "me-west-1",
    "mx-central-1",
    // aws-us-gov
    "us-gov-west-1",
    "us-gov-east-1",
    // aws-cn
    "cn-north-1",
    "cn-northwest-1",
    // aws-eusc
    "eusc-de-east-1",
    // aws-iso, aws-iso-b, aws-iso-e, aws-iso-f
    "us-iso-east-1",
    "us-iso-west-1",
    "us-isob-east-1",
    "us-isob-west-1",
    "eu-isoe-west-1",
    "us-isof-east-1",
    "us-isof-south-1",
];

/// The words before the number of a region; a new region has one of them.
const DIRECTIONS: [&str; 9] =
    ["north", "south", "east", "west", "central", "northeast", "northwest", "southeast", "southwest"];

/// A word with more differences than this is not similar to a region.
const MAX_DIFFERENCES: usize = 2;

/// What a word is, where a region is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegionGuess {
    /// A region that ssod knows.
    Known(Region),
    /// Not a region that ssod knows, but it could be a new one.
    Unknown {
        /// The region.
        region: Region,
        /// The region that the user may mean.
        similar: Option<&'static str>,
    },
    /// Not a region.
    Mistyped {
        /// What is wrong.
        error: InvalidName,
        /// The region that the user may mean.
        similar: Option<&'static str>,
    },
}

impl RegionGuess {
    /// Decides what the word is.
    pub fn of(word: &str) -> Self {
        let similar = similar_region(word);
        match Region::parse(word) {
            Ok(region) if REGIONS.contains(&word) => Self::Known(region),
            Ok(region) if is_plausible(word) => Self::Unknown { region, similar },
            Ok(region) => {
                let expected = "an AWS region such as us-east-1";
                Self::Mistyped { error: InvalidName { value: region.to_string(), expected }, similar }
            }
            Err(error) => Self::Mistyped { error, similar },
        }
    }
}

/// Returns whether AWS could name a region so: an area of two letters, or one that ssod knows, then a direction and a
/// number.
fn is_plausible(region: &str) -> bool {
    let Some((area, direction)) = area_and_direction(region) else { return false };
    let is_known_area =
        || REGIONS.iter().filter_map(|known| area_and_direction(known)).any(|known| known.0 == area);
    DIRECTIONS.contains(&direction) && (area.len() == 2 || is_known_area())
}

/// Returns `us-gov` and `west` of `us-gov-west-1`.
fn area_and_direction(region: &str) -> Option<(&str, &str)> {
    region.rsplit_once('-')?.0.rsplit_once('-')
}

/// Returns the region that is the most similar to the word, if one is similar. Case and separators do not count.
fn similar_region(word: &str) -> Option<&'static str> {
    let compared = REGIONS.iter().filter_map(|region| Some((*region, differences(word, region)?)));
    let (closest, differences) = compared.min_by_key(|(_, differences)| *differences)?;
    (differences <= MAX_DIFFERENCES).then_some(closest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_regions_of_every_partition_are_known() {
        for region in REGIONS {
            assert_eq!(
                RegionGuess::of(region),
                RegionGuess::Known(Region::parse(region).unwrap()),
                "{region}"
            );
            assert!(is_plausible(region), "{region}");
        }
    }

    #[test]
    fn a_mistyped_region_is_caught_and_the_right_one_suggested() {
        for (typed, meant) in [
            ("us-eas-1", "us-east-1"),
            ("us-est-1", "us-east-1"),
            ("eu-wset-1", "eu-west-1"),
            ("useast1", "us-east-1"),
            ("us-east", "us-east-1"),
            ("us_east_1", "us-east-1"),
            ("US-EAST-1", "us-east-1"),
            ("us-east-1a", "us-east-1"),
            ("us-east-1 ", "us-east-1"),
            ("us east 2", "us-east-2"),
            ("eu-centrl-1", "eu-central-1"),
            ("ap-southest-2", "ap-southeast-2"),
            ("usgov-west-1", "us-gov-west-1"),
            ("us-gov-wset-1", "us-gov-west-1"),
            ("cn-nroth-1", "cn-north-1"),
            ("cn-northwset-1", "cn-northwest-1"),
            ("eu-de-east-1", "eusc-de-east-1"),
            ("eusc-de-esat-1", "eusc-de-east-1"),
            ("us-iso-eats-1", "us-iso-east-1"),
            ("us-isob-eest-1", "us-isob-east-1"),
            ("eu-isoe-wst-1", "eu-isoe-west-1"),
            ("us-isof-suoth-1", "us-isof-south-1"),
        ] {
            let RegionGuess::Mistyped { similar, .. } = RegionGuess::of(typed) else {
                panic!("{typed} is taken for a region")
            };
            assert_eq!(similar, Some(meant), "{typed}");
        }
    }

    #[test]
    fn a_region_that_may_be_new_is_accepted() {
        for (new, similar) in [
            ("us-east-3", Some("us-east-1")),
            ("eu-northeast-1", Some("ap-northeast-1")),
            ("ap-southeast-12", Some("ap-southeast-1")),
            ("nz-southwest-1", None),
            ("us-gov-central-1", None),
            // A typo of the area could be a new area, so only the suggestion tells.
            ("su-east-1", Some("us-east-1")),
        ] {
            let region = Region::parse(new).unwrap();
            assert_eq!(RegionGuess::of(new), RegionGuess::Unknown { region, similar }, "{new}");
        }
    }

    #[test]
    fn a_word_that_is_no_region_gets_no_suggestion() {
        for word in ["", "virginia", "--help", "https://d-1234567890.awsapps.com/start", "é"] {
            assert!(matches!(RegionGuess::of(word), RegionGuess::Mistyped { similar: None, .. }), "{word:?}");
        }
    }
}
