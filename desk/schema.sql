-- One row an episode: an alert that resolves and fires again is a new row.
CREATE TABLE alerts (
    id             INTEGER PRIMARY KEY,
    fingerprint    TEXT    NOT NULL,
    starts_at      TEXT    NOT NULL,  -- all times: UTC, ISO 8601 with microseconds, so text sorts
    ends_at        TEXT,
    status         TEXT    NOT NULL CHECK (status IN ('firing', 'resolved')),
    name           TEXT    NOT NULL,
    labels         TEXT    NOT NULL,  -- JSON object
    annotations    TEXT    NOT NULL,  -- JSON object
    generator_url  TEXT    NOT NULL,
    external_url   TEXT    NOT NULL,
    first_heard_at TEXT    NOT NULL,
    heard_at       TEXT    NOT NULL,
    notifications  INTEGER NOT NULL DEFAULT 1,
    UNIQUE (fingerprint, starts_at)
) STRICT;
CREATE INDEX alerts_by_status ON alerts (status, ends_at);
CREATE INDEX alerts_by_name ON alerts (name, heard_at);

CREATE TABLE notifications (
    id          INTEGER PRIMARY KEY,
    alert_id    INTEGER NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    received_at TEXT    NOT NULL,
    status      TEXT    NOT NULL,
    receiver    TEXT    NOT NULL
) STRICT;
CREATE INDEX notifications_by_alert ON notifications (alert_id, id);
