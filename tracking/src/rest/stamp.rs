//! Making things exactly once although answers get lost: what is made carries a tag with the request's id, and before
//! a request is sent again, the server is asked for the thing with that tag.

use serde::Deserialize;
use serde_json::{Value, json};

use super::RestStore;
use super::http::Call;
use super::wire::{WireExperiment, WireRun};
use crate::entities::{Run, TAG_LOGGED_MODELS, Tag};
use crate::error::TrackingError;
use crate::store::{CreateRun, Result};

/// The tag that names the request which made a run, experiment, logged model, registered model or version. A matter
/// of transport: [`RestStore`] does not show it. It takes one of the 100 tags that a new run may bring.
pub const TAG_REQUEST_ID: &str = "rookery.request_id";

/// The identity of one request, and whether it may have been sent before.
#[derive(Debug, Clone)]
pub(super) struct Stamp {
    id: String,
    /// Look before the first attempt too.
    look_first: bool,
}

/// What is made, and where to look for it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    Experiment { name: &'a str },
    Run { experiment_id: &'a str },
    LoggedModel { experiment_id: &'a str },
    RegisteredModel { name: &'a str },
    ModelVersion { name: &'a str },
}

impl Stamp {
    /// A request that was never sent.
    pub(super) fn fresh() -> Self {
        Stamp {
            id: uuid::Uuid::new_v4().simple().to_string(),
            look_first: false,
        }
    }

    /// A request that may have been sent, maybe by a process that is gone.
    pub(super) fn resumed(id: impl Into<String>) -> Self {
        Stamp {
            id: id.into(),
            look_first: true,
        }
    }

    /// Adds the stamp to what is to be made.
    pub(super) fn on(&self, mut tags: Vec<Tag>) -> Vec<Tag> {
        tags.push(Tag::new(TAG_REQUEST_ID, &self.id));
        tags
    }

    fn filter(&self) -> String {
        format!("tags.`{TAG_REQUEST_ID}` = '{}'", self.id)
    }
}

impl Place<'_> {
    /// The field of the answer, and of what is found, that holds the thing (of an experiment its id).
    fn field(&self) -> &'static str {
        match self {
            Place::Experiment { .. } => "experiment_id",
            Place::Run { .. } => "run",
            Place::LoggedModel { .. } => "model",
            Place::RegisteredModel { .. } => "registered_model",
            Place::ModelVersion { .. } => "model_version",
        }
    }

    fn look_up(&self, stamp: &Stamp) -> Call {
        let body = |experiment_id| json!({"experiment_ids": [experiment_id], "filter": stamp.filter(), "max_results": 1});
        match *self {
            Place::Experiment { name } => {
                Call::get("mlflow/experiments/get-by-name").query("experiment_name", name)
            }
            Place::Run { experiment_id } => {
                let mut body = body(experiment_id);
                body["run_view_type"] = json!("ALL");
                Call::post("mlflow/runs/search", body)
            }
            Place::LoggedModel { experiment_id } => {
                Call::post("mlflow/logged-models/search", body(experiment_id))
            }
            Place::RegisteredModel { name } => Call::get("mlflow/registered-models/get").query("name", name),
            Place::ModelVersion { name } => {
                let quote = if name.contains('\'') { '"' } else { '\'' };
                let filter = format!("name = {quote}{name}{quote} AND {}", stamp.filter());
                Call::get("mlflow/model-versions/search")
                    .query("filter", filter)
                    .query("max_results", 1)
            }
        }
    }

    /// Takes the thing out of the answer to [`look_up`](Self::look_up), if it carries the stamp.
    fn found(&self, mut answer: Value, stamp: &Stamp) -> Option<Value> {
        match self {
            Place::Experiment { .. } => {
                let experiment = answer["experiment"].take();
                let stamped = has_stamp(&experiment, stamp);
                stamped.then(|| experiment["experiment_id"].clone())
            }
            Place::RegisteredModel { .. } => {
                let model = answer["registered_model"].take();
                has_stamp(&model, stamp).then_some(model)
            }
            Place::Run { .. } => answer["runs"].get_mut(0).map(Value::take),
            Place::LoggedModel { .. } => answer["models"].get_mut(0).map(Value::take),
            Place::ModelVersion { .. } => answer["model_versions"].get_mut(0).map(Value::take),
        }
    }
}

fn has_stamp(thing: &Value, stamp: &Stamp) -> bool {
    let tags = Vec::<Tag>::deserialize(&thing["tags"]).unwrap_or_default();
    tags.contains(&Tag::new(TAG_REQUEST_ID, &stamp.id))
}

impl RestStore {
    /// Makes something; the call's body carries the stamp. Returns its JSON (of an experiment its id).
    pub(super) async fn make(&self, call: &Call, place: Place<'_>, stamp: &Stamp) -> Result<Value> {
        let mut tries = self.http.tries();
        loop {
            if stamp.look_first || tries.maybe_done {
                match self.http.answer(&place.look_up(stamp)).await.result {
                    Ok(answer) => {
                        if let Some(thing) = place.found(answer, stamp) {
                            return Ok(thing);
                        }
                    }
                    Err(TrackingError::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            match self.http.once(call).await {
                Ok(mut answer) => return Ok(answer[place.field()].take()),
                Err(fault) => tries.pause_after(fault).await?,
            }
        }
    }

    pub(super) async fn make_experiment(
        &self,
        request: crate::CreateExperiment,
        stamp: &Stamp,
    ) -> Result<String> {
        let mut body = json!({"name": request.name, "tags": stamp.on(request.tags)});
        if let Some(location) = request.artifact_location {
            body["artifact_location"] = json!(location);
        }
        let call = Call::post("mlflow/experiments/create", body);
        let id = self
            .make(&call, Place::Experiment { name: &request.name }, stamp)
            .await?;
        self.http.read(&call, id)
    }

    pub(super) async fn make_run(&self, request: CreateRun, stamp: &Stamp) -> Result<Run> {
        let mut tags = request.tags;
        if let Some(parent) = &request.parent_run_id {
            tags.retain(|tag| tag.key != crate::entities::TAG_PARENT_RUN_ID);
            tags.push(Tag::new(crate::entities::TAG_PARENT_RUN_ID, parent));
        }
        let mut body = json!({
            "experiment_id": request.experiment_id,
            "user_id": request.user_id,
            "start_time": request.start_time_ms,
            "tags": stamp.on(tags),
        });
        if let Some(name) = request.run_name {
            body["run_name"] = json!(name);
        }
        let call = Call::post("mlflow/runs/create", body);
        let place = Place::Run {
            experiment_id: &request.experiment_id,
        };
        let run = self.make(&call, place, stamp).await?;
        Ok(self.http.read::<WireRun>(&call, run)?.into())
    }

    pub(super) async fn make_logged_model(
        &self,
        request: crate::CreateLoggedModel,
        stamp: &Stamp,
    ) -> Result<crate::LoggedModel> {
        let mut body = json!({
            "experiment_id": request.experiment_id,
            "params": request.params,
            "tags": stamp.on(request.tags),
        });
        let texts = [
            ("name", request.name),
            ("source_run_id", request.source_run_id),
            (
                "model_type",
                Some(request.model_type).filter(|text| !text.is_empty()),
            ),
        ];
        for (field, text) in texts {
            if let Some(text) = text {
                body[field] = json!(text);
            }
        }
        let call = Call::post("mlflow/logged-models", body);
        let place = Place::LoggedModel {
            experiment_id: &request.experiment_id,
        };
        let model = self.make(&call, place, stamp).await?;
        Ok(self
            .http
            .read::<super::wire::WireLoggedModel>(&call, model)?
            .into())
    }

    /// Adds a model to the run's list, which the server would do twice: so the list is read before a second attempt,
    /// and before the first one too if this may have been done by a process that is gone.
    pub(super) async fn record_model_once(
        &self,
        run_id: &str,
        model: &Value,
        look_first: bool,
    ) -> Result<()> {
        let call = Call::post(
            "mlflow/runs/log-model",
            json!({"run_id": run_id, "model_json": model.to_string()}),
        );
        let mut tries = self.http.tries();
        loop {
            if look_first || tries.maybe_done {
                let run = crate::TrackingStore::get_run(self, run_id).await?;
                let list = run.tag(TAG_LOGGED_MODELS).unwrap_or("[]");
                if serde_json::from_str::<Vec<Value>>(list).is_ok_and(|list| list.contains(model)) {
                    return Ok(());
                }
            }
            match self.http.once(&call).await {
                Ok(_) => return Ok(()),
                Err(fault) => tries.pause_after(fault).await?,
            }
        }
    }

    pub(super) async fn experiment_named(&self, name: &str) -> Result<Option<crate::Experiment>> {
        #[derive(Deserialize)]
        struct Found {
            experiment: WireExperiment,
        }
        let call = Call::get("mlflow/experiments/get-by-name").query("experiment_name", name);
        match self.http.call::<Found>(&call).await {
            Ok(found) => Ok(Some(found.experiment.into())),
            Err(TrackingError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
