//! What an endpoint is to serve, as words of a command, and as the driver is told.

use clap::{ArgGroup, Args, ValueEnum};
use rookery_proto::Failure;
use serde_json::{Value, json};

use super::ReasonArgs;
use crate::args::JsonFlag;
use crate::diagnostic::config;
use crate::pairs;
use crate::records::ModelUri;

/// Make an endpoint; it answers when this returns
///
/// With one model it gets all of the traffic; with several, each says its share: --model models:/NAME/1=90 --model
/// models:/NAME/2=10.
#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// The endpoint
    pub(super) name: String,

    /// A version to serve: models:/NAME/VERSION, or models:/NAME@ALIAS, which is followed when it moves; with =PERCENT its
    /// share of the traffic. Can be repeated
    #[arg(long = "model", value_name = "URI[=PERCENT]", required = true)]
    models: Vec<String>,

    /// A version that gets a copy of each request, and whose answers are only compared; can be repeated
    #[arg(long = "shadow", value_name = "URI")]
    shadows: Vec<String>,

    #[command(flatten)]
    sizing: SizingArgs,

    /// Set a tag of the endpoint; can be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,

    #[command(flatten)]
    pub(super) reason: ReasonArgs,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

/// Change what an endpoint serves; no request fails meanwhile
///
/// --model and --shadow say anew what is served. Without them what is served stays, and --traffic, --size and
/// --scale-to-zero change how.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true)
    .args(["models", "traffic", "size", "scale_to_zero", "never_scale_to_zero"]))]
pub(super) struct UpdateArgs {
    /// The endpoint
    pub(super) name: String,

    /// A version to serve, as for `create`; can be repeated
    #[arg(long = "model", value_name = "URI[=PERCENT]")]
    models: Vec<String>,

    /// A version that gets a copy of each request, and whose answers are only compared; can be repeated
    #[arg(long = "shadow", value_name = "URI", requires = "models")]
    shadows: Vec<String>,

    /// The share of a served entity, by the name that `show` gives; can be repeated, what is not named gets nothing
    #[arg(long, value_name = "SERVED=PERCENT", conflicts_with = "models")]
    traffic: Vec<String>,

    #[command(flatten)]
    sizing: SizingArgs,

    #[command(flatten)]
    pub(super) reason: ReasonArgs,

    #[command(flatten)]
    pub(super) json: JsonFlag,
}

/// What each served entity takes of the machine.
#[derive(Debug, Args)]
struct SizingArgs {
    /// How many requests each served entity scores at once: 4, 16 or 64; others wait [default: small]
    #[arg(long, value_name = "SIZE", ignore_case = true)]
    size: Option<Size>,

    /// Unload a model that nobody has asked for so many minutes; the next request loads it
    #[arg(long, value_name = "MINUTES")]
    scale_to_zero: Option<f64>,

    /// Keep models loaded, as without either flag
    #[arg(long, conflicts_with = "scale_to_zero")]
    never_scale_to_zero: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Size {
    Small,
    Medium,
    Large,
}

impl CreateArgs {
    /// The request.
    ///
    /// # Errors
    /// Class config: a word that can't be read.
    pub(super) fn body(&self) -> Result<Value, Failure> {
        let tags = pairs::tags(&self.tags)?;
        let tags: Vec<Value> = tags
            .iter()
            .map(|tag| json!({"key": tag.key, "value": tag.value}))
            .collect();
        Ok(json!({
            "name": self.name,
            "config": served(&self.models, &self.shadows, &self.sizing)?,
            "tags": tags,
        }))
    }
}

impl UpdateArgs {
    /// The request, for an endpoint as it is now.
    pub(super) fn body(&self, endpoint: &Value) -> Result<Value, Failure> {
        if !self.models.is_empty() {
            return served(&self.models, &self.shadows, &self.sizing);
        }
        let present = &endpoint["config"];
        let Some(entities) = present["served_entities"].as_array() else {
            return Err(config("the endpoint serves nothing yet")
                .at(self.name.clone())
                .hint("say what it shall serve with --model models:/NAME/VERSION"));
        };
        let entities: Vec<Value> = entities
            .iter()
            .map(|entity| self.sizing.applied(entity.clone()))
            .collect();
        let routes = match self.traffic.is_empty() {
            true => present["traffic_config"]["routes"].clone(),
            false => self
                .traffic
                .iter()
                .map(|word| route(word))
                .collect::<Result<_, _>>()?,
        };
        Ok(json!({ "served_entities": entities, "traffic_config": { "routes": routes } }))
    }
}

impl SizingArgs {
    /// The entity with what the flags say.
    fn applied(&self, mut entity: Value) -> Value {
        if let Some(size) = self.size {
            entity["workload_size"] = json!(format!("{size:?}"));
        }
        if let Some(minutes) = self.scale_to_zero {
            entity["scale_to_zero_enabled"] = json!(true);
            entity["scale_to_zero_minutes"] = json!(minutes);
        }
        if self.never_scale_to_zero {
            entity["scale_to_zero_enabled"] = json!(false);
        }
        entity
    }
}

/// The configuration that serves these.
fn served(models: &[String], shadows: &[String], sizing: &SizingArgs) -> Result<Value, Failure> {
    let mut entities = Vec::new();
    let mut routes = Vec::new();
    for word in models {
        let (uri, percent) = share(word);
        let (entity, name) = entity(uri, "--model")?;
        entities.push(sizing.applied(entity));
        match percent {
            Some(percent) => routes.push(json!({"served_model_name": name, "traffic_percentage": percent})),
            None if models.len() == 1 => {}
            None => {
                return Err(
                    config(format!("\"{word}\" does not say its share of the traffic"))
                        .at("--model")
                        .hint("with several models each says it: models:/NAME/1=90"),
                );
            }
        }
    }
    for uri in shadows {
        let (mut entity, _) = entity(uri, "--shadow")?;
        entity["shadow"] = json!(true);
        entities.push(sizing.applied(entity));
    }
    let mut config = json!({ "served_entities": entities });
    if !routes.is_empty() {
        config["traffic_config"] = json!({ "routes": routes });
    }
    Ok(config)
}

/// A model and its share: what follows the last `=`, if it is a number. Names may hold that character.
fn share(word: &str) -> (&str, Option<u8>) {
    let split = word.rsplit_once('=');
    let known = split.and_then(|(uri, percent)| Some((uri, percent.parse().ok()?)));
    known.map_or((word, None), |(uri, percent)| (uri, Some(percent)))
}

/// A version as the driver is told, and what a route calls it.
fn entity(uri: &str, flag: &str) -> Result<(Value, String), Failure> {
    match ModelUri::parse(uri).map_err(|failure| failure.at(flag))? {
        ModelUri::Version { name, version } => Ok((
            json!({"entity_name": name, "entity_version": version.to_string()}),
            format!("{name}-{version}"),
        )),
        ModelUri::Alias { name, alias } => Ok((
            json!({"entity_name": name, "entity_version": format!("@{alias}")}),
            format!("{name}-@{alias}"),
        )),
        ModelUri::Run(run) => Err(config(format!("\"{uri}\" is not registered"))
            .at(flag)
            .hint(format!(
                "`rookery models register {run} NAME` makes a version of it"
            ))),
    }
}

fn route(word: &str) -> Result<Value, Failure> {
    match share(word) {
        (name, Some(percent)) => Ok(json!({"served_model_name": name, "traffic_percentage": percent})),
        (_, None) => Err(config(format!("\"{word}\" is no share"))
            .at("--traffic")
            .hint("expected SERVED=PERCENT, for example current=90")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: SizingArgs = SizingArgs {
        size: None,
        scale_to_zero: None,
        never_scale_to_zero: false,
    };

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_string()).collect()
    }

    #[test]
    fn models_say_their_shares() {
        let models = words(&[
            "models:/Pronosticador de pingüinos/1=90",
            "models:/a=b@champion=10",
        ]);
        let sizing = SizingArgs {
            size: Some(Size::Medium),
            scale_to_zero: Some(0.5),
            ..PLAIN
        };
        let config = served(&models, &words(&["models:/m/3"]), &sizing).unwrap();
        let sized = |name: &str, version: &str| {
            json!({
                "entity_name": name, "entity_version": version, "workload_size": "Medium",
                "scale_to_zero_enabled": true, "scale_to_zero_minutes": 0.5
            })
        };
        let mut shadow = sized("m", "3");
        shadow["shadow"] = json!(true);
        assert_eq!(
            config,
            json!({
                "served_entities": [sized("Pronosticador de pingüinos", "1"), sized("a=b", "@champion"), shadow],
                "traffic_config": {"routes": [
                    {"served_model_name": "Pronosticador de pingüinos-1", "traffic_percentage": 90},
                    {"served_model_name": "a=b-@champion", "traffic_percentage": 10},
                ]},
            })
        );
        let alone = served(&words(&["models:/m/1"]), &[], &PLAIN).unwrap();
        assert_eq!(
            alone,
            json!({"served_entities": [{"entity_name": "m", "entity_version": "1"}]})
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_a_hint() {
        for (models, hint) in [
            (&["models:/m/1", "models:/m/2=10"][..], "each says it"),
            (&["runs:/0123"], "rookery models register 0123"),
            (&["models:/m"], "expected"),
        ] {
            let failure = served(&words(models), &[], &PLAIN).unwrap_err();
            assert_eq!(failure.location.as_deref(), Some("--model"), "{models:?}");
            assert!(
                failure.hint.as_deref().unwrap_or_default().contains(hint),
                "{failure}"
            );
        }
        assert!(route("current").is_err() && route("current=x").is_err() && route("a=300").is_err());
    }

    #[test]
    fn an_update_without_models_keeps_what_is_served() {
        let endpoint = json!({"config": {
            "served_entities": [{"name": "a", "entity_name": "m", "entity_version": "1", "entity_alias": "champion"}],
            "traffic_config": {"routes": [{"served_model_name": "a", "traffic_percentage": 100}]},
        }});
        let mut args = UpdateArgs {
            name: "e".to_string(),
            models: Vec::new(),
            shadows: Vec::new(),
            traffic: Vec::new(),
            sizing: SizingArgs {
                never_scale_to_zero: true,
                ..PLAIN
            },
            reason: ReasonArgs { reason: None },
            json: JsonFlag::default(),
        };
        let body = args.body(&endpoint).unwrap();
        assert_eq!(body["traffic_config"], endpoint["config"]["traffic_config"]);
        assert_eq!(body["served_entities"][0]["entity_alias"], "champion");
        assert_eq!(body["served_entities"][0]["scale_to_zero_enabled"], false);
        args.traffic = words(&["a=60", "b=40"]);
        let routes = &args.body(&endpoint).unwrap()["traffic_config"]["routes"];
        assert_eq!(
            routes[1],
            json!({"served_model_name": "b", "traffic_percentage": 40})
        );
        assert!(args.body(&json!({})).is_err());
    }
}
