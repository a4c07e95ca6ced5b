-- Schema 5: a server that starts looks for the calls that were under way when it ended, however many have been before.
CREATE INDEX calls_open ON calls (id) WHERE end_ms IS NULL AND ended_by IS NULL;
