-- What is written with every push, on fewer pages: a table that is its own index is written once, and an index is not
-- written again by a change that does not touch it.

ALTER TABLE resource ADD COLUMN settled BIGINT NOT NULL DEFAULT 0;   -- 1 once there is a document
UPDATE resource SET settled = 1 WHERE document IS NOT NULL;
DROP INDEX resource_in_order;
CREATE INDEX resource_in_order ON resource (kind, created, id) WHERE settled = 1;

-- How many there are, so that nobody counts them.
CREATE TABLE census (
    kind   TEXT   NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO census (kind, number) VALUES
    ('User', (SELECT COUNT(*) FROM resource WHERE settled = 1 AND kind = 'User')),
    ('Group', (SELECT COUNT(*) FROM resource WHERE settled = 1 AND kind = 'Group'));
CREATE TRIGGER resource_settled AFTER UPDATE OF settled ON resource WHEN NEW.settled <> OLD.settled
BEGIN
    UPDATE census SET number = number + NEW.settled - OLD.settled WHERE kind = NEW.kind;
END;
CREATE TRIGGER resource_came AFTER INSERT ON resource WHEN NEW.settled = 1
BEGIN
    UPDATE census SET number = number + 1 WHERE kind = NEW.kind;
END;
CREATE TRIGGER resource_went AFTER DELETE ON resource WHEN OLD.settled = 1
BEGIN
    UPDATE census SET number = number - 1 WHERE kind = OLD.kind;
END;

ALTER TABLE name_claim RENAME TO old_name_claim;
DROP INDEX name_claim_of;
CREATE TABLE name_claim (
    name        TEXT NOT NULL PRIMARY KEY,
    resource_id TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO name_claim SELECT name, resource_id FROM old_name_claim ORDER BY name;
DROP TABLE old_name_claim;
CREATE INDEX name_claim_of ON name_claim (resource_id);

ALTER TABLE lookup RENAME TO old_lookup;
DROP INDEX lookup_of;
CREATE TABLE lookup (
    kind        TEXT NOT NULL,
    attribute   TEXT NOT NULL,
    value       TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    PRIMARY KEY (kind, attribute, value, resource_id)
) WITHOUT ROWID;
INSERT INTO lookup SELECT kind, attribute, value, resource_id FROM old_lookup
    ORDER BY kind, attribute, value, resource_id;
DROP TABLE old_lookup;
CREATE INDEX lookup_of ON lookup (resource_id);

DROP TRIGGER member_came;
DROP TRIGGER member_changed;
DROP TRIGGER member_went;
ALTER TABLE member RENAME TO old_member;
DROP INDEX member_of;
DROP INDEX member_pending;
CREATE TABLE member (
    group_id  TEXT NOT NULL,
    member_id TEXT NOT NULL,
    state     TEXT NOT NULL,                    -- settled | renewing | joining | leaving | stripped
    PRIMARY KEY (group_id, member_id)
) WITHOUT ROWID;
INSERT INTO member SELECT group_id, member_id, state FROM old_member ORDER BY group_id, member_id;
DROP TABLE old_member;
CREATE INDEX member_of ON member (member_id);
CREATE INDEX member_pending ON member (group_id) WHERE state <> 'settled';
-- A group is looked at again when its members change.
CREATE TRIGGER member_came AFTER INSERT ON member
BEGIN
    UPDATE resource SET checked = NULL WHERE id = NEW.group_id AND checked IS NOT NULL;
END;
CREATE TRIGGER member_changed AFTER UPDATE ON member
BEGIN
    UPDATE resource SET checked = NULL WHERE id = NEW.group_id AND checked IS NOT NULL;
END;
CREATE TRIGGER member_went AFTER DELETE ON member
BEGIN
    UPDATE resource SET checked = NULL WHERE id = OLD.group_id AND checked IS NOT NULL;
END;
