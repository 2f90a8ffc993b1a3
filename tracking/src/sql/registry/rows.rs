//! How registered models and versions are read: their headers, then, for a whole page at once, what belongs to them.

use crate::entities::{Alias, ModelVersion, RegisteredModel, Tag};
use crate::error::TrackingError;
use crate::sql::fault::Sql;
use crate::sql::session::{Columns, Session, json, values};

/// The columns that [`model_from_row`] reads from `registered_models AS g`.
pub(super) const MODEL_COLUMNS: &str =
    "g.name, g.creation_timestamp_ms, g.last_updated_timestamp_ms, g.description";
/// The columns that [`version_from_row`] reads from `model_versions AS v`.
pub(super) const VERSION_COLUMNS: &str = "v.name, v.version, v.creation_timestamp_ms, v.last_updated_timestamp_ms, v.user_id, v.stage, v.description, \
     v.source, v.storage_location, v.run_id, v.model_id, v.run_link";

/// Returns the model without what belongs to it.
pub(super) fn model(session: &dyn Session, name: &str) -> Sql<RegisteredModel> {
    let sql = format!("SELECT {MODEL_COLUMNS} FROM registered_models AS g WHERE g.name = ?1");
    session
        .first(&sql, values![name], model_from_row)?
        .ok_or_else(|| model_not_found(name).into())
}

/// Returns the version without what belongs to it.
pub(super) fn version(session: &dyn Session, name: &str, version: u32) -> Sql<ModelVersion> {
    let sql =
        format!("SELECT {VERSION_COLUMNS} FROM model_versions AS v WHERE v.name = ?1 AND v.version = ?2");
    session
        .first(&sql, values![name, version], version_from_row)?
        .ok_or_else(|| {
            TrackingError::not_found(format!(
                "Model Version (name={name}, version={version}) not found"
            ))
            .into()
        })
}

pub(super) fn model_not_found(name: &str) -> TrackingError {
    TrackingError::not_found(format!("Registered Model with name={name} not found"))
}

pub(super) fn model_from_row(row: &dyn Columns) -> Sql<RegisteredModel> {
    Ok(RegisteredModel {
        name: row.text(0)?,
        creation_timestamp_ms: row.int(1)?,
        last_updated_timestamp_ms: row.int(2)?,
        description: row.text(3)?,
        latest_versions: Vec::new(),
        tags: Vec::new(),
        aliases: Vec::new(),
    })
}

pub(super) fn version_from_row(row: &dyn Columns) -> Sql<ModelVersion> {
    Ok(ModelVersion {
        name: row.text(0)?,
        version: number(row.int(1)?)?,
        creation_timestamp_ms: row.int(2)?,
        last_updated_timestamp_ms: row.int(3)?,
        user_id: row.text(4)?,
        stage: row.word(5)?,
        description: row.text(6)?,
        source: row.text(7)?,
        storage_location: row.text(8)?,
        run_id: row.text(9)?,
        model_id: row.opt_text(10)?,
        run_link: row.text(11)?,
        tags: Vec::new(),
        aliases: Vec::new(),
    })
}

/// Returns a version's number as we count: databases have no unsigned integers.
pub(super) fn number(stored: i64) -> Sql<u32> {
    Ok(u32::try_from(stored)
        .map_err(|_| TrackingError::invalid("version", format!("{stored} is no version number")))?)
}

/// Adds to models their latest versions, tags and aliases.
pub(super) fn complete_models(
    session: &dyn Session,
    mut models: Vec<RegisteredModel>,
) -> Sql<Vec<RegisteredModel>> {
    let names = json(models.iter().map(|model| model.name.as_str()));
    let list = session.dialect().list("?1", "n");
    let join = session.dialect().list_join();

    let sql = format!(
        "SELECT n.key, t.key, t.value FROM {list} {join} registered_model_tags AS t ON t.name = n.value"
    );
    session.for_each(&sql, values![&names], &mut |row| {
        models[place(row)?]
            .tags
            .push(Tag::new(row.text(1)?, row.text(2)?));
        Ok(())
    })?;

    let sql = format!("SELECT n.key, a.alias, a.version FROM {list} {join} aliases AS a ON a.name = n.value");
    session.for_each(&sql, values![&names], &mut |row| {
        models[place(row)?].aliases.push(Alias {
            alias: row.text(1)?,
            version: number(row.int(2)?)?,
        });
        Ok(())
    })?;

    // One look-up in an index for each model and stage, however many versions there are.
    let sql = format!(
        "SELECT {VERSION_COLUMNS}, n.key FROM {list} {join} (SELECT 'None' AS stage UNION ALL SELECT 'Staging'
         UNION ALL SELECT 'Production' UNION ALL SELECT 'Archived') AS s ON TRUE {join} model_versions AS v
         ON v.name = n.value AND v.version =
            (SELECT MAX(w.version) FROM model_versions AS w WHERE w.name = n.value AND w.stage = s.stage)"
    );
    let mut places = Vec::new();
    let latest = session.all(&sql, values![&names], |row| {
        places.push(usize::try_from(row.int(12)?).unwrap_or(usize::MAX));
        version_from_row(row)
    })?;
    for (place, version) in places.into_iter().zip(complete_versions(session, latest)?) {
        models[place].latest_versions.push(version);
    }

    for model in &mut models {
        model.tags.sort_by(|a, b| a.key.cmp(&b.key));
        model.aliases.sort_by(|a, b| a.alias.cmp(&b.alias));
        model.latest_versions.sort_by_key(|version| version.version);
    }
    Ok(models)
}

/// Adds to versions their tags and aliases.
pub(super) fn complete_versions(
    session: &dyn Session,
    mut versions: Vec<ModelVersion>,
) -> Sql<Vec<ModelVersion>> {
    // A version is two values and a list has one: the number goes first, in ten digits.
    let keys: Vec<String> = versions
        .iter()
        .map(|version| format!("{:010}{}", version.version, version.name))
        .collect();
    let keys = json(keys.iter().map(String::as_str));
    let list = session.dialect().list("?1", "k");
    let join = session.dialect().list_join();
    let of_key = |table: &str| {
        format!(
            "{table}.name = substr(k.value, 11) AND {table}.version = CAST(substr(k.value, 1, 10) AS BIGINT)"
        )
    };

    let sql = format!(
        "SELECT k.key, t.key, t.value FROM {list} {join} model_version_tags AS t ON {}",
        of_key("t")
    );
    session.for_each(&sql, values![&keys], &mut |row| {
        versions[place(row)?]
            .tags
            .push(Tag::new(row.text(1)?, row.text(2)?));
        Ok(())
    })?;

    let sql = format!(
        "SELECT k.key, a.alias FROM {list} {join} aliases AS a ON {}",
        of_key("a")
    );
    session.for_each(&sql, values![&keys], &mut |row| {
        versions[place(row)?].aliases.push(row.text(1)?);
        Ok(())
    })?;

    for version in &mut versions {
        version.tags.sort_by(|a, b| a.key.cmp(&b.key));
        version.aliases.sort();
    }
    Ok(versions)
}

/// The item of the list that a row belongs to.
fn place(row: &dyn Columns) -> Sql<usize> {
    Ok(usize::try_from(row.int(0)?)
        .map_err(|_| TrackingError::invalid("stored value", "a list has no such place"))?)
}
