-- What Entra wants, and what of it the directory holds already. SQL that SQLite and PostgreSQL both run, but for the
-- triggers, which are SQLite's.

CREATE TABLE resource (
    id              TEXT   NOT NULL PRIMARY KEY,
    kind            TEXT   NOT NULL,            -- User | Group
    document        TEXT,                       -- settled attributes as JSON; NULL until the creation is settled
    version         BIGINT NOT NULL,
    created         TEXT   NOT NULL,            -- RFC 3339, UTC
    modified        TEXT   NOT NULL,
    anchor          TEXT,                       -- the link: which entry belongs to the resource
    dn              TEXT,
    member_key      BLOB,                       -- what groups list it by that do not list DNs
    previous_dn     TEXT,                       -- set while references still have to follow a rename
    previous_key    BLOB,
    intent          TEXT,                       -- put | delete; NULL when nothing is pending
    intent_document TEXT,                       -- what a put wants
    pending_since   TEXT,                       -- since when something is wanted that the directory does not hold
    answered        BIGINT NOT NULL,            -- 0 until a client has heard that its creation succeeded
    may_be_disabled BIGINT NOT NULL,            -- 1 from when a user is kept out until let in again: it is ours to undo
    before_disable  TEXT,                       -- what stood in the entry before that, as JSON
    adds_entry      BIGINT NOT NULL DEFAULT 0,  -- 1 from when its entry is about to be added: one that is found is ours
    merged          BIGINT NOT NULL,            -- 1 when the intent took another one in that was pending
    checked         BLOB                        -- what the entry was like when it was last found to be as wanted
);

-- Whatever changes what is wanted has the entry looked at again. A trigger, because no write is to forget it.
CREATE TRIGGER resource_changed
AFTER UPDATE OF document, anchor, dn, member_key, previous_dn, previous_key, intent, intent_document, may_be_disabled,
    before_disable ON resource
WHEN NEW.checked IS NOT NULL
BEGIN
    UPDATE resource SET checked = NULL WHERE id = NEW.id;
END;

CREATE INDEX resource_in_order ON resource (kind, created, id) WHERE document IS NOT NULL;
-- How lists name everybody, without the rows.
CREATE INDEX resource_names ON resource (id, kind, dn, member_key);
CREATE INDEX resource_to_follow ON resource (id) WHERE previous_dn IS NOT NULL;
-- With all that the comparison with the directory needs: of most resources it reads nothing else.
CREATE INDEX resource_by_anchor ON resource (anchor, id, kind, checked);
CREATE INDEX resource_by_key ON resource (member_key) WHERE member_key IS NOT NULL;
-- An entry belongs to one user; groups of one name share theirs.
CREATE UNIQUE INDEX user_by_anchor ON resource (anchor) WHERE kind = 'User';
CREATE INDEX resource_with_intent ON resource (created, id) WHERE intent IS NOT NULL;

-- userName is unique from the moment that it is wanted, without case (RFC 7643 §4.1.1).
CREATE TABLE name_claim (
    name        TEXT NOT NULL PRIMARY KEY,
    resource_id TEXT NOT NULL
);
CREATE INDEX name_claim_of ON name_claim (resource_id);

-- What filters find without reading documents.
CREATE TABLE lookup (
    kind        TEXT NOT NULL,
    attribute   TEXT NOT NULL,
    value       TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    PRIMARY KEY (kind, attribute, value, resource_id)
);
CREATE INDEX lookup_of ON lookup (resource_id);

CREATE TABLE member (
    group_id  TEXT NOT NULL,
    member_id TEXT NOT NULL,
    state     TEXT NOT NULL,                    -- settled | renewing | joining | leaving | stripped
    PRIMARY KEY (group_id, member_id)
);
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

-- Numbers that were given to entries, or seen on entries that went: none is given twice.
CREATE TABLE number (
    attribute   TEXT   NOT NULL,                -- the LDAP attribute in lower case
    number      BIGINT NOT NULL,
    resource_id TEXT,                           -- for whom; it stays when the resource goes
    PRIMARY KEY (attribute, number)
);
CREATE INDEX number_of ON number (resource_id) WHERE resource_id IS NOT NULL;

-- What was done, or was to be done, so that it can be told and undone: a push, work in the background, a reconcile, an
-- undo.
CREATE TABLE run (
    id           BIGINT NOT NULL PRIMARY KEY,   -- counts up; none is given twice (see the setting "last run forgotten")
    origin       TEXT   NOT NULL,               -- push | background | reconcile | undo
    what         TEXT   NOT NULL,               -- one line for people
    verb         TEXT,                          -- create | replace | patch | delete: what a client asks for
    kind         TEXT,                          -- User | Group: of the one resource that it is about
    resource_id  TEXT,
    name         TEXT,                          -- what that was called
    folded       TEXT,                          -- by which it is found: a userName without case
    started      TEXT   NOT NULL,               -- RFC 3339, UTC
    finished     TEXT,                          -- NULL while it goes on, and for ever when it was cut off
    ending       TEXT   NOT NULL,               -- done | refused | put off | failed; open until then
    status       BIGINT,                        -- what the client was told, of HTTP, where not all is well
    outcome      TEXT,                          -- one line for people
    milliseconds BIGINT,                        -- how long it took
    process      TEXT,                          -- who works on it: held as a key for as long as that lives
    undoes       BIGINT,                        -- the run that an undo turns around
    token        TEXT,                          -- of whose request: the name of the token; NULL when it answers none
    address      TEXT,                          -- where that came from
    request      TEXT                           -- the id under which the log speaks of it
);
-- One page each is written with every run: no more of them than the log is asked by.
CREATE INDEX run_about ON run (resource_id, id) WHERE resource_id IS NOT NULL;
CREATE INDEX run_named ON run (folded, kind, id) WHERE folded IS NOT NULL;
CREATE INDEX run_started ON run (started, id);
CREATE INDEX run_answering ON run (request) WHERE request IS NOT NULL;
CREATE INDEX run_troubled ON run (id) WHERE ending <> 'done';
CREATE INDEX run_of_nobody ON run (origin, id) WHERE origin <> 'push';

CREATE TABLE run_change (
    run_id      BIGINT NOT NULL,
    position    BIGINT NOT NULL,                -- counts up from 1 in the order in which the changes were noted
    resource_id TEXT,                           -- for whom
    dn          TEXT   NOT NULL,                -- of which entry, in the form that equal names share
    new_dn      TEXT,                           -- the name that it gets
    reason      TEXT   NOT NULL,
    change      TEXT   NOT NULL,                -- as JSON
    reverse     TEXT,                           -- the changes that undo it, as a JSON array; NULL when it is kept no longer
    lost        TEXT,                           -- what they do not bring back, for people
    undone      BIGINT NOT NULL DEFAULT 0,      -- 1 once an undo has turned it around
    PRIMARY KEY (run_id, position)
);
CREATE INDEX run_change_undone ON run_change (run_id) WHERE undone = 1;
CREATE INDEX run_change_of ON run_change (dn, run_id);
CREATE INDEX run_change_to ON run_change (new_dn, run_id) WHERE new_dn IS NOT NULL;
CREATE INDEX run_change_for ON run_change (resource_id, run_id) WHERE resource_id IS NOT NULL;

-- How the last reconciliation of everything ended that ended so.
CREATE TABLE reconciliation (
    conclusion TEXT   NOT NULL PRIMARY KEY,     -- done | incomplete | refused | failed
    started    TEXT   NOT NULL,                 -- RFC 3339, UTC
    finished   TEXT   NOT NULL,
    drift      TEXT                             -- what it found not to be as wanted, as JSON; NULL when it could not compare
);

-- Who may ask: whoever holds a token, or a client, which is given access tokens for its secret.
CREATE TABLE credential (
    kind      TEXT NOT NULL,                    -- token | client
    name      TEXT NOT NULL,
    client_id TEXT UNIQUE,                      -- of a client
    scopes    TEXT NOT NULL,                    -- words with blanks between them
    created   TEXT NOT NULL,                    -- RFC 3339, UTC
    PRIMARY KEY (kind, name)
);

-- What is shown to be let in: of a client its secret. Two at most belong to one, while the older is being replaced.
CREATE TABLE secret (
    hash      TEXT   NOT NULL PRIMARY KEY,      -- SHA-256 in hex; the secret itself is never kept
    kind      TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    created   TEXT   NOT NULL,
    expires   TEXT,                             -- NULL: never
    replaced  BIGINT NOT NULL,                  -- 1 once there is a newer one
    used      TEXT,                             -- when it was last shown, to the minute
    used_from TEXT
);
CREATE INDEX secret_of ON secret (kind, name);

CREATE TABLE access_token (
    hash        TEXT NOT NULL PRIMARY KEY,
    secret_hash TEXT NOT NULL,                  -- for which secret it was given
    scopes      TEXT NOT NULL,
    expires     TEXT NOT NULL
);
CREATE INDEX access_token_of ON access_token (secret_hash, expires);

CREATE TABLE setting (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- How often a name that others may refer to has changed or gone: what was found right of those who refer to somebody
-- is looked at again.
INSERT INTO setting (name, value) VALUES ('name changes', '0');
CREATE TRIGGER name_changed AFTER UPDATE OF dn, member_key ON resource
WHEN OLD.dn IS NOT NULL AND (NEW.dn IS NOT OLD.dn OR NEW.member_key IS NOT OLD.member_key)
BEGIN
    UPDATE setting SET value = value + 1 WHERE name = 'name changes';
END;
CREATE TRIGGER name_going AFTER UPDATE OF intent ON resource WHEN NEW.intent IS NOT OLD.intent
    AND (NEW.intent = 'delete' OR OLD.intent = 'delete')
BEGIN
    UPDATE setting SET value = value + 1 WHERE name = 'name changes';
END;
CREATE TRIGGER name_gone AFTER DELETE ON resource WHEN OLD.dn IS NOT NULL
BEGIN
    UPDATE setting SET value = value + 1 WHERE name = 'name changes';
END;
