ALTER ROLE postgres PASSWORD '$postgres';

CREATE ROLE firewatch LOGIN PASSWORD '$firewatch';

CREATE ROLE replicator LOGIN REPLICATION PASSWORD '$replicator';

CREATE ROLE monitor LOGIN PASSWORD '$monitor';

GRANT pg_monitor TO monitor;

CREATE DATABASE $database OWNER firewatch;

SELECT pg_create_physical_replication_slot('$slot', true);

