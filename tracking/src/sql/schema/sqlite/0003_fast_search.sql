-- Counts the changes of a run and of what was logged to it. Who knows the run at a revision need not read it again.
ALTER TABLE runs ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;

-- The experiment of the run: a search in one experiment looks at no other's curves, however many there are.
ALTER TABLE curves ADD COLUMN experiment_id INTEGER NOT NULL DEFAULT 0;
UPDATE curves SET experiment_id = (SELECT r.experiment_id FROM runs AS r WHERE r.run_id = curves.run_id);
CREATE INDEX curves_by_value_in_experiment ON curves (experiment_id, key, latest_is_nan, latest_value, run_id);
