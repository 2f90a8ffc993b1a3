-- Curves keep their extremes and their length, so that neither table nor search reads history.
ALTER TABLE curves ADD COLUMN point_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE curves ADD COLUMN min_value REAL;
ALTER TABLE curves ADD COLUMN min_step INTEGER;
ALTER TABLE curves ADD COLUMN max_value REAL;
ALTER TABLE curves ADD COLUMN max_step INTEGER;

UPDATE curves SET
    point_count = (SELECT COUNT(*) FROM points WHERE points.curve_id = curves.curve_id),
    min_value = (SELECT MIN(value) FROM points WHERE points.curve_id = curves.curve_id AND is_nan = 0),
    max_value = (SELECT MAX(value) FROM points WHERE points.curve_id = curves.curve_id AND is_nan = 0);
UPDATE curves SET
    min_step = (SELECT MIN(step) FROM points
                WHERE points.curve_id = curves.curve_id AND is_nan = 0 AND value = curves.min_value),
    max_step = (SELECT MIN(step) FROM points
                WHERE points.curve_id = curves.curve_id AND is_nan = 0 AND value = curves.max_value);

-- The numbers given last: a number is never given twice, not even after a purge.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    latest INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counters (name, latest)
VALUES ('experiments', COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'experiments'), 0));

-- A search by metric looks here instead of at every run.
CREATE INDEX curves_by_value ON curves (key, latest_is_nan, latest_value, run_id);
CREATE INDEX params_by_value ON params (key, value, run_id);
CREATE INDEX tags_by_value ON tags (key, value, run_id);

-- Who is alive, and until when.
CREATE TABLE leases (
    owner TEXT PRIMARY KEY,
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE datasets (
    dataset_id INTEGER PRIMARY KEY,
    experiment_id INTEGER NOT NULL REFERENCES experiments (experiment_id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    source_type TEXT NOT NULL,
    source TEXT NOT NULL,
    schema TEXT,
    profile TEXT,
    UNIQUE (experiment_id, name, digest)
) STRICT;

CREATE TABLE dataset_inputs (
    run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    dataset_id INTEGER NOT NULL REFERENCES datasets (dataset_id) ON DELETE CASCADE,
    PRIMARY KEY (run_id, dataset_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE dataset_input_tags (
    run_id TEXT NOT NULL,
    dataset_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run_id, dataset_id, key),
    FOREIGN KEY (run_id, dataset_id) REFERENCES dataset_inputs (run_id, dataset_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE model_inputs (
    run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    model_id TEXT NOT NULL,
    PRIMARY KEY (run_id, model_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE model_outputs (
    run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    model_id TEXT NOT NULL,
    step INTEGER NOT NULL,
    PRIMARY KEY (run_id, model_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE logged_models (
    model_id TEXT PRIMARY KEY,
    experiment_id INTEGER NOT NULL REFERENCES experiments (experiment_id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    artifact_uri TEXT NOT NULL,
    creation_timestamp_ms INTEGER NOT NULL,
    last_updated_timestamp_ms INTEGER NOT NULL,
    status TEXT NOT NULL,
    status_message TEXT NOT NULL,
    model_type TEXT NOT NULL,
    source_run_id TEXT,
    lifecycle_stage TEXT NOT NULL CHECK (lifecycle_stage IN ('active', 'deleted'))
) STRICT;
CREATE INDEX logged_models_newest ON logged_models (experiment_id, creation_timestamp_ms DESC, model_id);

CREATE TABLE logged_model_tags (
    model_id TEXT NOT NULL REFERENCES logged_models (model_id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (model_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE logged_model_params (
    model_id TEXT NOT NULL REFERENCES logged_models (model_id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (model_id, key)
) STRICT, WITHOUT ROWID;

-- Without a dataset its name and digest are empty.
CREATE TABLE logged_model_metrics (
    model_id TEXT NOT NULL REFERENCES logged_models (model_id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    dataset_name TEXT NOT NULL,
    dataset_digest TEXT NOT NULL,
    run_id TEXT NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    step INTEGER NOT NULL,
    is_nan INTEGER NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (model_id, key, dataset_name, dataset_digest, run_id, timestamp_ms, step, is_nan, value)
) STRICT, WITHOUT ROWID;

CREATE TABLE registered_models (
    name TEXT PRIMARY KEY,
    creation_timestamp_ms INTEGER NOT NULL,
    last_updated_timestamp_ms INTEGER NOT NULL,
    description TEXT NOT NULL,
    -- The highest version number ever given: a number is never used twice.
    last_version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE registered_model_tags (
    name TEXT NOT NULL REFERENCES registered_models (name) ON DELETE CASCADE ON UPDATE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE model_versions (
    name TEXT NOT NULL REFERENCES registered_models (name) ON DELETE CASCADE ON UPDATE CASCADE,
    version INTEGER NOT NULL,
    creation_timestamp_ms INTEGER NOT NULL,
    last_updated_timestamp_ms INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    stage TEXT NOT NULL CHECK (stage IN ('None', 'Staging', 'Production', 'Archived')),
    description TEXT NOT NULL,
    source TEXT NOT NULL,
    storage_location TEXT NOT NULL,
    run_id TEXT NOT NULL,
    model_id TEXT,
    run_link TEXT NOT NULL,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX model_versions_by_run ON model_versions (run_id);
-- The newest version in a stage.
CREATE INDEX model_versions_by_stage ON model_versions (name, stage, version);

CREATE TABLE model_version_tags (
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name, version, key),
    FOREIGN KEY (name, version) REFERENCES model_versions (name, version) ON DELETE CASCADE ON UPDATE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE aliases (
    name TEXT NOT NULL,
    alias TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (name, alias),
    FOREIGN KEY (name, version) REFERENCES model_versions (name, version) ON DELETE CASCADE ON UPDATE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE alias_gates (
    name TEXT NOT NULL REFERENCES registered_models (name) ON DELETE CASCADE ON UPDATE CASCADE,
    alias TEXT NOT NULL,
    -- As people write it: `accuracy >= champion`.
    gate TEXT NOT NULL,
    PRIMARY KEY (name, alias)
) STRICT, WITHOUT ROWID;

-- Only ever added to. `model` is the name at that time.
CREATE TABLE journal (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp_ms INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    model TEXT NOT NULL,
    version INTEGER,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    from_value TEXT,
    to_value TEXT
) STRICT;
CREATE INDEX journal_by_model ON journal (model, sequence);
CREATE TRIGGER journal_is_never_changed BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is only added to'); END;
CREATE TRIGGER journal_is_never_shortened BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is only added to'); END;
-- Which lines are about which model is asked of these alone, of which there are few.
CREATE INDEX journal_of_names ON journal (sequence)
    WHERE action IN ('model_created', 'model_renamed', 'model_deleted');
