/** The tables of routing, in the file of pending work. They are a cache of the log. */
export const TABLES = [
  'chats_of_visitors',
  'chats_of_operators',
  'operators',
  'unsettled',
  'rounds',
] as const;

export const SCHEMA = `
  CREATE TABLE chats_of_visitors (
    tenant TEXT NOT NULL,
    visitor TEXT NOT NULL,
    life TEXT NOT NULL, -- JSON: the chat as the visitor's machine has it
    -- The columns that queries select by:
    chat TEXT NOT NULL,
    department TEXT,
    invited_by TEXT,
    last_operator TEXT,
    transferred_by TEXT,
    offered TEXT NOT NULL, -- JSON: operators of a broadcast who have not answered yet
    since INTEGER NOT NULL,
    operator TEXT,
    reservation TEXT,
    accepted INTEGER NOT NULL,
    rests INTEGER NOT NULL, -- its visitor has left, and an operator has passed it
    told INTEGER NOT NULL, -- the visitor has been told that nobody answers
    left_alone INTEGER NOT NULL, -- LHC picks its operators, or somebody in LHC has it
    PRIMARY KEY (tenant, visitor)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX chats_waiting ON chats_of_visitors (tenant, operator, since);
  CREATE INDEX chats_by_id ON chats_of_visitors (tenant, chat);
  CREATE TABLE chats_of_operators (
    tenant TEXT NOT NULL,
    operator TEXT NOT NULL,
    chat TEXT NOT NULL,
    visitor TEXT NOT NULL,
    reservation TEXT,
    department TEXT,
    open INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (tenant, operator, chat)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX chats_by_visitor ON chats_of_operators (tenant, visitor);
  CREATE TABLE operators (
    tenant TEXT NOT NULL,
    username TEXT NOT NULL,
    registered INTEGER NOT NULL DEFAULT 0,
    offline INTEGER NOT NULL,
    gone INTEGER NOT NULL,
    -- When a session of the operator ended last, and when they last came online; ms since 1970.
    lost INTEGER NOT NULL DEFAULT 0,
    came INTEGER NOT NULL DEFAULT 0,
    gone_by INTEGER, -- the fact by which they are gone or not registered, in their stream
    PRIMARY KEY (tenant, username)
  ) STRICT, WITHOUT ROWID;
  -- Visitors about whose chat the two sides disagree. A pass reads only these, however many chats agree.
  CREATE TABLE unsettled (
    tenant TEXT NOT NULL,
    visitor TEXT NOT NULL,
    stream TEXT NOT NULL, -- the fact by which they disagree
    revision INTEGER NOT NULL,
    PRIMARY KEY (tenant, visitor)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE rounds (
    tenant TEXT NOT NULL,
    department TEXT NOT NULL,
    operator TEXT NOT NULL,
    PRIMARY KEY (tenant, department)
  ) STRICT, WITHOUT ROWID;
`;

/** True if both sides agree: the same chat, visitor, operator and reservation. */
export const SAME = `v.tenant = o.tenant AND v.visitor = o.visitor AND v.chat = o.chat
  AND v.operator = o.operator AND v.reservation IS o.reservation`;
