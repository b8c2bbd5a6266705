// A client of the three services whose types openapi-typescript made of their documents.
//
// Usage: node client.js FILESTORE_URL METASTORE_URL TIMESTORE_URL MOUNT_ID
//
// It is compiled with all of TypeScript's checks, so a type that is wrong ends the test before it
// runs. Run, it ends with 1 and says why if an answer is not what its type says.

import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components as TimestoreParts, paths as Timestore } from "./timestore.js";
import type { paths as Filestore } from "./filestore.js";
import type { paths as Metastore } from "./metastore.js";

const [filestoreUrl, metastoreUrl, timestoreUrl, mount] = process.argv.slice(2);
const filestore = createClient<Filestore>({ baseUrl: filestoreUrl ?? "" });
const metastore = createClient<Metastore>({ baseUrl: metastoreUrl ?? "" });
const timestore = createClient<Timestore>({ baseUrl: timestoreUrl ?? "" });
const backendMountId = Number(mount);

/** What an answer holds that went well. */
function good<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  const { data, error, response } = answer;
  assert.ok(data !== undefined, `${response.url}: ${response.status} ${JSON.stringify(error)}`);
  return data;
}

/** The answer in JSON: the other forms, which nobody asked for here, are text. */
function json<T>(answer: T | string): T {
  assert.ok(typeof answer !== "string");
  return answer;
}

// filestore
const path = "of-typescript";
const made = good(await filestore.POST("/v1/directories", { body: { backendMountId, path, metadata: { team: "a" } } }));
const node = made.data.node;
assert.ok(node);
assert.deepEqual([node.path, node.kind, node.metadata], [path, "directory", { team: "a" }]);
const set = { size: 7, deep: { list: [1, null] } };
const changed = good(await filestore.PATCH("/v1/nodes/{id}/metadata", { params: { path: { id: node.id } }, body: { set, unset: ["team"] } }));
assert.deepEqual(changed.data.node?.metadata, set);
const query = { backendMountId, search: path, kinds: ["directory"], states: ["active"], limit: 1 };
const listed = good(await filestore.GET("/v1/nodes", { params: { query } }));
assert.deepEqual(listed.data.nodes.map((it) => it.id), [node.id]);
assert.equal(listed.data.pagination.total, 1);

// metastore
const key = { namespace: "of-typescript", key: "a b/c" };
const body = { metadata: { budget: { eur: 0.5 } }, tags: ["gold"] };
const put = good(await metastore.PUT("/records/{namespace}/{key}", { params: { path: key }, body }));
assert.deepEqual([put.record.key, put.record.metadata, put.record.tags], [key.key, body.metadata, body.tags]);
const filter = { field: "metadata.budget.eur", operator: "gte", value: 0.5 };
const found = good(await metastore.POST("/records/search", { body: { namespace: key.namespace, filter, limit: 1 } }));
assert.deepEqual(found.records.map((it) => it.key), [key.key]);
const gone = await metastore.GET("/records/{namespace}/{key}", { params: { path: { ...key, key: "none" } } });
assert.deepEqual([gone.error?.status, gone.error?.code, gone.data], [404, "not_found", undefined]);
const letters = good(await metastore.GET("/filestore/dead-letters", { params: { query: { limit: 1 } } }));
assert.deepEqual([letters.deadLetters.length, letters.nextCursor], [0, null]);

// timestore
const rows = [{ at: "2026-03-01T01:00:00Z", value: 0.5 }, { at: "2026-03-01T02:00:00Z", value: null }];
const timeRange = { start: "2026-03-01T00:00:00Z", end: "2026-03-02T00:00:00Z" };
const fields: TimestoreParts["schemas"]["Field"][] = [{ name: "at", type: "timestamp" }, { name: "value", type: "double" }];
const slug = { path: { slug: "of-typescript" } };
const receipt = good(await timestore.POST("/datasets/{slug}/ingest", {
  params: slug,
  body: { schema: { fields }, partition: { key: { day: "1" }, timeRange }, rows },
}));
assert.equal(receipt.rowsIngested, 2);
const asked = json(good(await timestore.POST("/datasets/{slug}/query", {
  params: slug,
  body: { timeRange, filters: { columns: { value: { eq: 0.5 } } }, columns: ["value"] },
})));
assert.deepEqual(asked.rows.map((row) => row.value), [0.5]);
const sql = json(good(await timestore.POST("/sql/read", { body: { sql: "SELECT $n::INTEGER AS n", params: { n: 7 } } })));
assert.deepEqual([sql.rows[0]?.n, sql.statistics.rowCount], [7, 1]);
const growth = json(good(await timestore.GET("/filestore/growth", { params: { query: { bucket: "day", mount: backendMountId } } })));
assert.ok(growth.series.every((point) => point.totalBytes >= 0));
for (const id of ["a", "b", "c"]) {
  good(await timestore.PUT("/sql/saved/{id}", { params: { path: { id } }, body: { statement: "SELECT 1", label: id } }));
}
const ids: string[] = [];
let cursor: string | undefined;
do {
  const page: TimestoreParts["schemas"]["SavedList"] = good(await timestore.GET("/sql/saved", { params: { query: { limit: 2, cursor } } }));
  ids.push(...page.savedQueries.map((it) => it.id));
  cursor = page.nextCursor ?? undefined;
} while (cursor);
assert.deepEqual(ids.sort(), ["a", "b", "c"]);
const health = await timestore.GET("/filestore/health");
assert.equal(health.data?.status, "ok");
console.log("good");
