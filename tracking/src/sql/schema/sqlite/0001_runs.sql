-- Times are milliseconds since the Unix epoch.

CREATE TABLE experiments (
    -- AUTOINCREMENT: a number is never given twice, not even after a purge, because artifacts are stored under it.
    experiment_id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    artifact_location TEXT NOT NULL,
    lifecycle_stage TEXT NOT NULL CHECK (lifecycle_stage IN ('active', 'deleted')),
    creation_time_ms INTEGER NOT NULL,
    last_update_time_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE experiment_tags (
    experiment_id INTEGER NOT NULL REFERENCES experiments (experiment_id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (experiment_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    run_id TEXT PRIMARY KEY,
    run_name TEXT NOT NULL,
    experiment_id INTEGER NOT NULL REFERENCES experiments (experiment_id) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')),
    start_time_ms INTEGER NOT NULL,
    end_time_ms INTEGER,
    lifecycle_stage TEXT NOT NULL CHECK (lifecycle_stage IN ('active', 'deleted')),
    artifact_uri TEXT NOT NULL,
    owner TEXT
) STRICT;

-- The order of every listing, in one experiment and over all.
CREATE INDEX runs_newest_in_experiment ON runs (experiment_id, start_time_ms DESC, run_id);
CREATE INDEX runs_newest ON runs (start_time_ms DESC, run_id);
-- Recovery after a crash looks only at open runs, of which there are few.
CREATE INDEX runs_open ON runs (owner) WHERE status IN ('RUNNING', 'SCHEDULED');

CREATE TABLE params (
    run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE tags (
    run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run_id, key)
) STRICT, WITHOUT ROWID;

-- One row per metric of a run, with its latest point, so that a listing never reads history.
-- SQLite turns NaN into NULL: a NaN is stored as value 0 with is_nan 1. Infinities are stored as they are.
CREATE TABLE curves (
    curve_id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    latest_step INTEGER NOT NULL,
    latest_timestamp_ms INTEGER NOT NULL,
    latest_is_nan INTEGER NOT NULL,
    latest_value REAL NOT NULL,
    UNIQUE (run_id, key)
) STRICT;

-- The history. The key is the whole point, so logging a point twice stores it once; its order is the order of pages.
CREATE TABLE points (
    curve_id INTEGER NOT NULL REFERENCES curves (curve_id) ON DELETE CASCADE,
    timestamp_ms INTEGER NOT NULL,
    step INTEGER NOT NULL,
    is_nan INTEGER NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (curve_id, timestamp_ms, step, is_nan, value)
) STRICT, WITHOUT ROWID;
