//! [`ModelRegistry`] over REST: MLflow's calls, and our own for journal, snapshots and gates, which the real server
//! answers with [`TrackingError::Unsupported`].

use async_trait::async_trait;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::RestStore;
use super::http::Call;
use super::registry_wire::{WireGate, WireModelVersion, WireRegisteredModel, WireSnapshot};
use super::stamp::{Place, Stamp};
use super::store::WirePage;
use crate::entities::{
    Actor, JournalEntry, MetricGate, ModelVersion, RegisteredModel, RegistrySnapshot, Stage, Tag,
};
use crate::error::TrackingError;
use crate::page::Page;
use crate::registry::{CreateModelVersion, CreateRegisteredModel, JournalQuery, ModelRegistry};
use crate::store::{Result, Search};

#[derive(Deserialize)]
struct ModelAnswer {
    registered_model: WireRegisteredModel,
}

#[derive(Deserialize)]
struct VersionAnswer {
    model_version: WireModelVersion,
}

#[derive(Deserialize)]
struct VersionsAnswer {
    #[serde(default)]
    model_versions: Vec<WireModelVersion>,
}

fn search_call(path: &str, search: Search) -> Call {
    let call = Call::get(path)
        .query("max_results", search.max_results)
        .maybe_query("filter", Some(search.filter).filter(|filter| !filter.is_empty()))
        .maybe_query("page_token", search.page_token);
    search
        .order_by
        .into_iter()
        .fold(call, |call, order| call.query("order_by", order))
}

impl RestStore {
    async fn registered_model(&self, call: &Call) -> Result<RegisteredModel> {
        let mut model = self.http.call::<ModelAnswer>(call).await?.registered_model.into();
        self.locate_latest(&mut model).await?;
        Ok(model)
    }

    async fn model_version(&self, call: &Call) -> Result<ModelVersion> {
        let mut version = self.http.call::<VersionAnswer>(call).await?.model_version.into();
        self.locate(&mut version).await?;
        Ok(version)
    }

    async fn locate_latest(&self, model: &mut RegisteredModel) -> Result<()> {
        for version in &mut model.latest_versions {
            self.locate(version).await?;
        }
        Ok(())
    }

    /// Asks where the files of a version are, if its source names a model instead of a place.
    async fn locate(&self, version: &mut ModelVersion) -> Result<()> {
        #[derive(Deserialize)]
        struct Located {
            artifact_uri: String,
        }
        if version.source.starts_with("models:") {
            let call = Call::get("mlflow/model-versions/get-download-uri")
                .query("name", &version.name)
                .query("version", version.version);
            version.storage_location = self.http.call::<Located>(&call).await?.artifact_uri;
        }
        Ok(())
    }
}

#[async_trait]
impl ModelRegistry for RestStore {
    async fn create_registered_model(
        &self,
        request: CreateRegisteredModel,
        by: &Actor,
    ) -> Result<RegisteredModel> {
        let stamp = Stamp::fresh();
        let body = json!({
            "name": request.name,
            "description": request.description,
            "tags": stamp.on(request.tags),
        });
        let call = Call::post("mlflow/registered-models/create", body).by(by);
        let place = Place::RegisteredModel { name: &request.name };
        let model = self.make(&call, place, &stamp).await?;
        Ok(self.http.read::<WireRegisteredModel>(&call, model)?.into())
    }

    async fn get_registered_model(&self, name: &str) -> Result<RegisteredModel> {
        self.registered_model(&Call::get("mlflow/registered-models/get").query("name", name))
            .await
    }

    async fn rename_registered_model(
        &self,
        name: &str,
        new_name: &str,
        by: &Actor,
    ) -> Result<RegisteredModel> {
        let body = json!({"name": name, "new_name": new_name});
        let call = Call::post("mlflow/registered-models/rename", body).by(by);
        let answer = self.http.answer(&call).await;
        match answer.result {
            // The first attempt did it.
            Err(TrackingError::NotFound { .. }) if answer.maybe_done => {
                self.get_registered_model(new_name).await
            }
            result => {
                let answer: ModelAnswer = self.http.read(&call, result?)?;
                let mut model = answer.registered_model.into();
                self.locate_latest(&mut model).await?;
                Ok(model)
            }
        }
    }

    async fn describe_registered_model(
        &self,
        name: &str,
        description: &str,
        by: &Actor,
    ) -> Result<RegisteredModel> {
        let call = Call::new(Method::PATCH, "mlflow/registered-models/update")
            .body(json!({"name": name, "description": description}))
            .by(by);
        self.registered_model(&call).await
    }

    async fn delete_registered_model(&self, name: &str, by: &Actor) -> Result<()> {
        let call = Call::new(Method::DELETE, "mlflow/registered-models/delete").body(json!({"name": name}));
        self.http.remove(&call.by(by)).await
    }

    async fn search_registered_models(&self, search: Search) -> Result<Page<RegisteredModel>> {
        let call = search_call("mlflow/registered-models/search", search);
        let mut page: Page<RegisteredModel> = self
            .http
            .call::<WirePage<WireRegisteredModel>>(&call)
            .await?
            .page();
        for model in &mut page.items {
            self.locate_latest(model).await?;
        }
        Ok(page)
    }

    async fn set_registered_model_tag(&self, name: &str, tag: Tag, by: &Actor) -> Result<()> {
        let body = json!({"name": name, "key": tag.key, "value": tag.value});
        let call = Call::post("mlflow/registered-models/set-tag", body);
        self.http.tell(&call.by(by)).await
    }

    async fn delete_registered_model_tag(&self, name: &str, key: &str, by: &Actor) -> Result<()> {
        let call = Call::new(Method::DELETE, "mlflow/registered-models/delete-tag")
            .body(json!({"name": name, "key": key}));
        self.http.remove(&call.by(by)).await
    }

    async fn create_model_version(&self, request: CreateModelVersion, by: &Actor) -> Result<ModelVersion> {
        let stamp = Stamp::fresh();
        let mut body = json!({
            "name": request.name,
            "source": request.source,
            "run_id": request.run_id,
            "run_link": request.run_link,
            "description": request.description,
            "tags": stamp.on(request.tags),
        });
        if let Some(model_id) = &request.model_id {
            body["model_id"] = json!(model_id);
        }
        let call = Call::post("mlflow/model-versions/create", body).by(by);
        let place = Place::ModelVersion { name: &request.name };
        let version = self.make(&call, place, &stamp).await?;
        let mut version = self.http.read::<WireModelVersion>(&call, version)?.into();
        self.locate(&mut version).await?;
        Ok(version)
    }

    async fn get_model_version(&self, name: &str, version: u32) -> Result<ModelVersion> {
        let call = Call::get("mlflow/model-versions/get")
            .query("name", name)
            .query("version", version);
        self.model_version(&call).await
    }

    async fn describe_model_version(
        &self,
        name: &str,
        version: u32,
        description: &str,
        by: &Actor,
    ) -> Result<ModelVersion> {
        let call = Call::new(Method::PATCH, "mlflow/model-versions/update")
            .body(json!({"name": name, "version": version.to_string(), "description": description}))
            .by(by);
        self.model_version(&call).await
    }

    async fn delete_model_version(&self, name: &str, version: u32, by: &Actor) -> Result<()> {
        let call = Call::new(Method::DELETE, "mlflow/model-versions/delete")
            .body(json!({"name": name, "version": version.to_string()}));
        self.http.remove(&call.by(by)).await
    }

    async fn search_model_versions(&self, search: Search) -> Result<Page<ModelVersion>> {
        let call = search_call("mlflow/model-versions/search", search);
        let mut page: Page<ModelVersion> = self.http.call::<WirePage<WireModelVersion>>(&call).await?.page();
        for version in &mut page.items {
            self.locate(version).await?;
        }
        Ok(page)
    }

    async fn set_model_version_tag(&self, name: &str, version: u32, tag: Tag, by: &Actor) -> Result<()> {
        let body = json!({"name": name, "version": version.to_string(), "key": tag.key, "value": tag.value});
        let call = Call::post("mlflow/model-versions/set-tag", body);
        self.http.tell(&call.by(by)).await
    }

    async fn delete_model_version_tag(&self, name: &str, version: u32, key: &str, by: &Actor) -> Result<()> {
        let call = Call::new(Method::DELETE, "mlflow/model-versions/delete-tag")
            .body(json!({"name": name, "version": version.to_string(), "key": key}));
        self.http.remove(&call.by(by)).await
    }

    async fn transition_stage(
        &self,
        name: &str,
        version: u32,
        stage: Stage,
        archive_existing: bool,
        by: &Actor,
    ) -> Result<ModelVersion> {
        let body = json!({
            "name": name,
            "version": version.to_string(),
            "stage": stage,
            "archive_existing_versions": archive_existing,
        });
        let call = Call::post("mlflow/model-versions/transition-stage", body);
        self.model_version(&call.by(by)).await
    }

    async fn latest_versions(&self, name: &str, stages: &[Stage]) -> Result<Vec<ModelVersion>> {
        let body = json!({"name": name, "stages": stages});
        let call = Call::post("mlflow/registered-models/get-latest-versions", body);
        let found = self.http.call::<VersionsAnswer>(&call).await?.model_versions;
        let mut versions: Vec<ModelVersion> = found.into_iter().map(ModelVersion::from).collect();
        versions.sort_by_key(|version| version.version);
        for version in &mut versions {
            self.locate(version).await?;
        }
        Ok(versions)
    }

    async fn set_alias(&self, name: &str, alias: &str, version: u32, by: &Actor) -> Result<()> {
        let body = json!({"name": name, "alias": alias, "version": version.to_string()});
        let call = Call::post("mlflow/registered-models/alias", body);
        self.http.tell(&call.by(by)).await
    }

    async fn delete_alias(&self, name: &str, alias: &str, by: &Actor) -> Result<()> {
        let call = Call::new(Method::DELETE, "mlflow/registered-models/alias")
            .body(json!({"name": name, "alias": alias}));
        self.http.remove(&call.by(by)).await
    }

    async fn get_version_by_alias(&self, name: &str, alias: &str) -> Result<ModelVersion> {
        let call = Call::get("mlflow/registered-models/alias")
            .query("name", name)
            .query("alias", alias);
        self.model_version(&call).await
    }

    async fn set_alias_gate(
        &self,
        name: &str,
        alias: &str,
        gate: Option<MetricGate>,
        by: &Actor,
    ) -> Result<()> {
        let (method, body) = match gate {
            Some(gate) => (
                Method::POST,
                json!({"name": name, "alias": alias, "gate": gate.to_string()}),
            ),
            None => (Method::DELETE, json!({"name": name, "alias": alias})),
        };
        let call = Call::new(method, "rookery/registry/gates").body(body);
        self.http.tell(&call.by(by)).await
    }

    async fn alias_gates(&self, name: &str) -> Result<Vec<(String, MetricGate)>> {
        #[derive(Deserialize)]
        struct Gates {
            #[serde(default)]
            gates: Vec<WireGate>,
        }
        let call = Call::get("rookery/registry/gates").query("name", name);
        let gates = self.http.call::<Gates>(&call).await?.gates;
        gates
            .into_iter()
            .map(|entry| Ok((entry.alias, entry.gate.parse()?)))
            .collect()
    }

    async fn journal(&self, request: JournalQuery) -> Result<Page<JournalEntry>> {
        let call = Call::get("rookery/registry/journal")
            .query("max_results", request.max_results)
            .maybe_query("name", request.name)
            .maybe_query("page_token", request.page_token);
        Ok(self.http.call::<WirePage<JournalEntry>>(&call).await?.page())
    }

    async fn as_of(&self, name: Option<&str>, time_ms: i64) -> Result<Vec<RegistrySnapshot>> {
        #[derive(Deserialize)]
        struct Snapshots {
            #[serde(default)]
            registered_models: Vec<WireSnapshot>,
        }
        let call = Call::get("rookery/registry/as-of")
            .query("time_ms", time_ms)
            .maybe_query("name", name);
        let models = self.http.call::<Snapshots>(&call).await?.registered_models;
        Ok(models.into_iter().map(RegistrySnapshot::from).collect())
    }
}
