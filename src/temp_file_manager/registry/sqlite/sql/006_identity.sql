-- What is mounted where a file lies: a directory that is not there may be on a disk that is not.
ALTER TABLE files ADD COLUMN volume INTEGER NOT NULL DEFAULT 0;

-- Why the last sweep kept a file, if every other will; NULL: they may not.
ALTER TABLE files ADD COLUMN kept TEXT;

-- Which directory a path leads to: several may lead to one, by links and by what is mounted; "twin" says whether
-- another path has been seen to.
ALTER TABLE directories ADD COLUMN inode INTEGER NOT NULL DEFAULT 0;
ALTER TABLE directories ADD COLUMN born INTEGER NOT NULL DEFAULT 0;
ALTER TABLE directories ADD COLUMN twin INTEGER NOT NULL DEFAULT 0;
UPDATE directories SET
    inode = coalesce((SELECT parent_inode FROM files WHERE directory = directories.id ORDER BY id DESC LIMIT 1), 0),
    born = coalesce((SELECT parent_born FROM files WHERE directory = directories.id ORDER BY id DESC LIMIT 1), 0);
CREATE INDEX directories_by_inode ON directories (scope, inode);
UPDATE directories SET twin = 1 WHERE inode <> 0
  AND (SELECT count(*) FROM directories AS o WHERE o.scope = directories.scope AND o.inode = directories.inode AND o.born = directories.born) > 1;
CREATE INDEX directories_with_twins ON directories (scope) WHERE twin;
