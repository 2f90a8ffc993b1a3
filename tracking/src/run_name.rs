//! Names for runs that came without one: an adjective, a noun from the colony, and a number.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Returns a name such as `brisk-gentoo-417`. The same seed gives the same name.
///
/// Names help people talk about runs; they are not unique, ids are.
pub fn generate(seed: u64) -> String {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut word = |words: &[&'static str; 64]| -> &'static str {
        words.choose(&mut rng).expect("a list of 64 words is not empty")
    };
    let adjective = word(&ADJECTIVES);
    let noun = word(&NOUNS);
    format!("{adjective}-{noun}-{}", rng.random_range(0..1000))
}

const ADJECTIVES: [&str; 64] = [
    "agile", "amiable", "ample", "balmy", "blithe", "bold", "brave", "breezy", "bright", "brisk", "calm",
    "candid", "cheery", "chilly", "civil", "clever", "cosy", "crisp", "curious", "dapper", "deft", "eager",
    "early", "earnest", "fleet", "fluffy", "fond", "frosty", "gallant", "gentle", "glossy", "hardy",
    "hearty", "icy", "jaunty", "jolly", "keen", "kindly", "lively", "loyal", "lucky", "mellow", "merry",
    "mighty", "nimble", "patient", "placid", "plucky", "polar", "proud", "quick", "quiet", "sleek", "snowy",
    "spry", "steady", "sunny", "swift", "tidy", "upright", "valiant", "waddling", "wily", "zesty",
];

const NOUNS: [&str; 64] = [
    "adelie",
    "albatross",
    "auk",
    "aurora",
    "beak",
    "berg",
    "brood",
    "burrow",
    "chick",
    "chinstrap",
    "cliff",
    "colony",
    "cove",
    "creche",
    "current",
    "dive",
    "down",
    "drake",
    "egg",
    "emperor",
    "feather",
    "fjord",
    "flipper",
    "floe",
    "flock",
    "galapagos",
    "gale",
    "gentoo",
    "glacier",
    "gull",
    "herring",
    "huddle",
    "humboldt",
    "icicle",
    "island",
    "king",
    "krill",
    "lagoon",
    "macaroni",
    "magellan",
    "moss",
    "nest",
    "ocean",
    "pebble",
    "petrel",
    "plume",
    "puffin",
    "raft",
    "reef",
    "ridge",
    "rockhopper",
    "royal",
    "sardine",
    "shoal",
    "shore",
    "skua",
    "slope",
    "snares",
    "squid",
    "summit",
    "surf",
    "tern",
    "tide",
    "waddle",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_name() {
        assert_eq!(generate(7), generate(7));
        assert_ne!(generate(7), generate(8));
    }

    #[test]
    fn a_name_is_two_words_and_a_number() {
        for seed in 0..1000 {
            let name = generate(seed);
            let parts: Vec<&str> = name.split('-').collect();
            let [adjective, noun, number] = parts[..] else {
                panic!("{name} has not three parts")
            };
            assert!(ADJECTIVES.contains(&adjective), "{name}");
            assert!(NOUNS.contains(&noun), "{name}");
            assert!(number.parse::<u32>().unwrap() < 1000, "{name}");
        }
    }

    #[test]
    fn no_word_is_listed_twice() {
        let words: BTreeSet<&str> = ADJECTIVES.into_iter().chain(NOUNS).collect();
        assert_eq!(words.len(), 128);
        assert!(
            words
                .iter()
                .all(|word| word.chars().all(|c| c.is_ascii_lowercase()))
        );
    }
}
