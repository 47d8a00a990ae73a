
-- Room in each page for the next versions of its rows, or an update has to leave the page and touch every index; and vacuum soon,
-- because each ended workflow leaves an entry behind in the index of what is due.
ALTER TABLE workflows SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
ALTER TABLE tasks SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
