/**
 * The database of mosquitto's persist-sqlite plugin, schema 1.1.0: its tables as that plugin makes
 * them, so that either of us opens what the other wrote (mosquitto-2.1 g.2).
 *
 * Rows of `client_msgs` are found by `rowid`, which we choose: the index on `client_id` would make
 * the end of each message cost as much as its queue is long.
 */
import { DIRECTION, STATE } from "./rows.ts";

/** In `version_info`; a database of any other is refused. */
export const SCHEMA_COMPONENT = "database_schema";
export const SCHEMA_VERSION = [1, 1, 0] as const;

export const TABLES = [
  `CREATE TABLE IF NOT EXISTS base_msgs (store_id INT64 PRIMARY KEY,expiry_time INT64,
    topic STRING NOT NULL,payload BLOB,source_id STRING,source_username STRING,
    payloadlen INTEGER,source_mid INTEGER,source_port INTEGER,qos INTEGER,retain INTEGER,
    properties STRING)`,
  "CREATE TABLE IF NOT EXISTS retains (topic STRING PRIMARY KEY,store_id INT64)",
  `CREATE TABLE IF NOT EXISTS clients (client_id TEXT PRIMARY KEY,username TEXT,
    connection_time INT64,will_delay_time INT64,session_expiry_time INT64,listener_port INT,
    max_packet_size INT,max_qos INT,retain_available INT,session_expiry_interval INT,
    will_delay_interval INT)`,
  `CREATE TABLE IF NOT EXISTS subscriptions (client_id TEXT NOT NULL,topic TEXT NOT NULL,
    subscription_options INTEGER,subscription_identifier INTEGER,PRIMARY KEY (client_id, topic))`,
  `CREATE TABLE IF NOT EXISTS client_msgs (client_id TEXT NOT NULL,cmsg_id INT64,store_id INT64,
    dup INTEGER,direction INTEGER,mid INTEGER,qos INTEGER,retain INTEGER,state INTEGER,
    subscription_identifier INTEGER)`,
  `CREATE TABLE IF NOT EXISTS wills (client_id TEXT PRIMARY KEY,payload BLOB,
    topic STRING NOT NULL,payloadlen INTEGER,qos INTEGER,retain INTEGER,properties STRING)`,
  `CREATE TABLE IF NOT EXISTS version_info (component TEXT NOT NULL,major INTEGER NOT NULL,
    minor INTEGER NOT NULL,patch INTEGER NOT NULL)`,
  "CREATE INDEX IF NOT EXISTS client_msgs_client_id ON client_msgs(client_id)",
  "CREATE INDEX IF NOT EXISTS client_msgs_store_id ON client_msgs(store_id,client_id)",
  "CREATE INDEX IF NOT EXISTS retains_storeid ON retains(store_id)",
];

/** Whether a base message is nobody's: no session owes it and no topic retains it. */
const IS_UNUSED = `NOT EXISTS (SELECT 1 FROM client_msgs m WHERE m.store_id = base_msgs.store_id)
  AND NOT EXISTS (SELECT 1 FROM retains r WHERE r.store_id = base_msgs.store_id)`;

export const SQL = {
  putClient: `INSERT OR REPLACE INTO clients (client_id,username,connection_time,will_delay_time,
    session_expiry_time,listener_port,max_packet_size,max_qos,retain_available,
    session_expiry_interval,will_delay_interval) VALUES (?,?,?,?,?,?,?,?,?,?,?)`,
  removeClient: "DELETE FROM clients WHERE client_id = ?",
  removeClientSubscriptions: "DELETE FROM subscriptions WHERE client_id = ?",
  storeIdsOfClient: "SELECT DISTINCT store_id FROM client_msgs WHERE client_id = ?",
  removeClientMessages: "DELETE FROM client_msgs WHERE client_id = ?",
  putWill: `INSERT OR REPLACE INTO wills (client_id,payload,topic,payloadlen,qos,retain,properties)
    VALUES (?,?,?,?,?,?,?)`,
  removeWill: "DELETE FROM wills WHERE client_id = ?",
  putSubscription: `INSERT OR REPLACE INTO subscriptions
    (client_id,topic,subscription_options,subscription_identifier) VALUES (?,?,?,?)`,
  removeSubscription: "DELETE FROM subscriptions WHERE client_id = ? AND topic = ?",
  addBase: `INSERT INTO base_msgs (store_id,expiry_time,topic,payload,source_id,source_username,
    payloadlen,source_mid,source_port,qos,retain,properties) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`,
  removeBases: "DELETE FROM base_msgs WHERE store_id BETWEEN ? AND ?",
  removeUnusedBases: `DELETE FROM base_msgs WHERE store_id BETWEEN ? AND ? AND ${IS_UNUSED}`,
  removeAllUnusedBases: `DELETE FROM base_msgs WHERE ${IS_UNUSED}`,
  addMessage: `INSERT INTO client_msgs (rowid,client_id,cmsg_id,store_id,dup,direction,mid,qos,
    retain,state,subscription_identifier) VALUES (?,?,?,?,?,?,?,?,?,?,?)`,
  changeMessage: "UPDATE client_msgs SET state = ?, mid = ?, dup = ? WHERE rowid = ?",
  removeMessages: "DELETE FROM client_msgs WHERE rowid BETWEEN ? AND ?",
  putRetain: "INSERT OR REPLACE INTO retains (topic,store_id) VALUES (?,?)",
  removeRetain: "DELETE FROM retains WHERE topic = ?",
} as const;

const BASE_COLUMNS = `b.store_id AS storeId, b.expiry_time AS expiryTime,
  CAST(b.topic AS TEXT) AS topic, b.payload AS payload, CAST(b.source_id AS TEXT) AS sourceId,
  CAST(b.source_username AS TEXT) AS sourceUsername, b.source_mid AS sourceMid,
  b.source_port AS sourcePort, b.qos AS baseQos, b.retain AS baseRetain,
  CAST(b.properties AS TEXT) AS properties`;

const MESSAGE_COLUMNS = `m.rowid AS row, m.cmsg_id AS place, m.mid AS mid, m.qos AS qos,
  m.retain AS retain, m.state AS state, m.subscription_identifier AS identifier`;

// Reading.

export const SUBSCRIPTIONS = "SELECT * FROM subscriptions ORDER BY rowid";
export const WILLS = `SELECT client_id, payload, CAST(topic AS TEXT) AS topic, qos, retain,
  CAST(properties AS TEXT) AS properties FROM wills`;
export const RETAINED = `SELECT ${BASE_COLUMNS} FROM retains r
  JOIN base_msgs b ON b.store_id = r.store_id ORDER BY r.rowid`;
/** An exchange goes on only under its identifier: whatever else stands there is sent anew. */
const IS_BEGUN = `(m.state IN (${[
  STATE.waitForPuback,
  STATE.waitForPubrec,
  STATE.resendPubrel,
  STATE.waitForPubcomp,
]}) AND m.mid BETWEEN 1 AND 65535)`;
/** Exchanges begun, in the order of their queues. */
export const BEGUN = `SELECT m.client_id AS clientId, m.direction AS direction, ${MESSAGE_COLUMNS},
  ${BASE_COLUMNS} FROM client_msgs m JOIN base_msgs b ON b.store_id = m.store_id
  WHERE m.direction = ${DIRECTION.in} OR ${IS_BEGUN}
  ORDER BY m.cmsg_id, m.rowid`;
export const PARKED = `SELECT m.client_id AS clientId, count(*) AS count,
  total(b.payloadlen) AS bytes, sum(m.qos = 0) AS qos0, max(m.cmsg_id) AS lastPlace
  FROM client_msgs m JOIN base_msgs b ON b.store_id = m.store_id
  WHERE m.direction = ${DIRECTION.out} AND ${IS_BEGUN} IS NOT TRUE GROUP BY m.client_id`;
/** What a number holds exactly: more would not be read at all. */
const EXACT = Number.MAX_SAFE_INTEGER;
/**
 * The next rows of a queue, as lists: row, place, QoS and RETAIN, identifier, both halves of
 * store_id, expiry, topic, payload, properties. What a queue does not need is left out, and a
 * store_id in halves is exact without the cost of bigints.
 */
export const FETCH = `SELECT m.rowid, m.cmsg_id & ${EXACT},
  min(m.qos & 3, 2) | ((m.retain <> 0) << 2), m.subscription_identifier & ${EXACT},
  b.store_id & 0xffffffff, b.store_id >> 32, b.expiry_time & ${EXACT},
  CAST(b.topic AS TEXT), b.payload, b.properties
  FROM client_msgs m JOIN base_msgs b ON b.store_id = m.store_id
  WHERE m.client_id = ? AND m.rowid > ? AND m.direction = ${DIRECTION.out}
  AND ${IS_BEGUN} IS NOT TRUE ORDER BY m.rowid LIMIT ?`;
/** Rows that name a message of a range; asks for no more than the indexes hold. */
export const ROWS_OF_IDS = `SELECT
  (SELECT count(*) FROM client_msgs WHERE store_id BETWEEN ? AND ?) +
  (SELECT count(*) FROM retains WHERE store_id BETWEEN ? AND ?) AS count`;
/** Rows that name others which are not there. */
export const LEFT_OVER = [
  `DELETE FROM client_msgs WHERE client_id NOT IN (SELECT client_id FROM clients)
    OR store_id NOT IN (SELECT store_id FROM base_msgs)`,
  "DELETE FROM subscriptions WHERE client_id NOT IN (SELECT client_id FROM clients)",
  "DELETE FROM wills WHERE client_id NOT IN (SELECT client_id FROM clients)",
  "DELETE FROM retains WHERE store_id NOT IN (SELECT store_id FROM base_msgs)",
];
