-- A fact that is remembered is a journal of one line. When it was written, nobody knows.
INSERT INTO notes (scope, journal, at, text) SELECT scope, name, 0, text FROM facts;
DROP TABLE facts;

-- For earlier versions, which may go on reading, and look here.
CREATE VIEW facts AS
SELECT scope, journal AS name, text FROM notes WHERE id IN (SELECT max(id) FROM notes GROUP BY scope, journal);
