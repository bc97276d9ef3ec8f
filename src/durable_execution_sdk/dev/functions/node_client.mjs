// Runtime client for functions on Node, without dependencies.
//
// It does what Lambda's own client does: loads the handler that _HANDLER names from LAMBDA_TASK_ROOT, asks the
// Runtime API for one invocation after the other, and sends back what the handler returned or threw.

import { existsSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { format } from "node:util";

const PREFIX = "/2018-06-01/runtime";
const SUFFIXES = [".mjs", ".js", ".cjs", ".ts", ".mts"];
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });

let requestId; // of the invocation in progress

class HandlerError extends Error {
  constructor(kind, message, cause) {
    super(message);
    this.name = kind;
    if (cause?.stack) this.stack = cause.stack;
  }
}

function send(method, target, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const data = body === undefined ? undefined : Buffer.from(body);
    if (data) headers = { "Content-Type": "application/json", "Content-Length": data.length, ...headers };
    const request = http.request({ host, port, method, path: target, agent, headers }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(chunks).toString() }));
    });
    request.on("error", reject);
    request.setNoDelay(true);
    request.end(data);
  });
}

function fail(target, error) {
  const thrown = error instanceof Error ? error : { name: typeof error, message: String(error) };
  const trace = (thrown.stack ?? "").split("\n").slice(1).map((line) => line.trim());
  const body = { errorType: thrown.name, errorMessage: thrown.message, stackTrace: trace };
  process.stderr.write(`[ERROR] ${thrown.name}: ${thrown.message}\n${trace.join("\n")}\n`);
  return send("POST", `${PREFIX}/${target}/error`, JSON.stringify(body), {
    "Lambda-Runtime-Function-Error-Type": thrown.name.replace(/[^\x20-\x7e]/g, "?"),
  });
}

async function loadHandler() {
  const root = process.env.LAMBDA_TASK_ROOT;
  const handler = process.env._HANDLER;
  const dot = handler.indexOf(".", handler.lastIndexOf("/") + 1);
  if (dot < 0) throw new HandlerError("Runtime.MalformedHandlerName", `Bad handler: ${handler}`);
  const name = handler.slice(0, dot);
  const file = SUFFIXES.map((suffix) => path.join(root, name + suffix)).find(existsSync);
  if (file === undefined) {
    throw new HandlerError("Runtime.ImportModuleError", `Error: Cannot find module '${name}' in ${root}`);
  }
  let value;
  try {
    value = await import(pathToFileURL(file).href);
  } catch (error) {
    if (error instanceof SyntaxError) throw new HandlerError("Runtime.UserCodeSyntaxError", String(error), error);
    if (error?.code === "ERR_MODULE_NOT_FOUND" || error?.code === "MODULE_NOT_FOUND") {
      throw new HandlerError("Runtime.ImportModuleError", String(error), error);
    }
    throw error;
  }
  const attributes = handler.slice(dot + 1).split(".");
  const found = attributes.reduce((owner, attribute) => owner?.[attribute] ?? owner?.default?.[attribute], value);
  if (typeof found !== "function") {
    throw new HandlerError("Runtime.HandlerNotFound", `${handler} is undefined or not exported`);
  }
  return found;
}

function contextOf(headers) {
  const endsAt = Number(headers["lambda-runtime-deadline-ms"]);
  const env = process.env;
  return {
    awsRequestId: requestId,
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    tenantId: headers["lambda-runtime-aws-tenant-id"],
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, endsAt - Date.now()),
  };
}

function call(handler, event, context) {
  return new Promise((resolve, reject) => {
    const done = (error, result) => (error === undefined || error === null ? resolve(result) : reject(error));
    const result = handler(event, context, done);
    // A handler with a callback answers by it, unless it returns a promise all the same.
    if (typeof result?.then === "function") result.then(resolve, reject);
    else if (handler.length < 3) resolve(result);
  });
}

async function runOne(handler) {
  const { headers, body } = await send("GET", `${PREFIX}/invocation/next`);
  requestId = headers["lambda-runtime-aws-request-id"];
  process.env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"] ?? "";
  let answer;
  try {
    answer = JSON.stringify((await call(handler, JSON.parse(body), contextOf(headers))) ?? null);
  } catch (error) {
    await fail(`invocation/${requestId}`, error);
    return;
  }
  await send("POST", `${PREFIX}/invocation/${requestId}/response`, answer);
}

// Lines of the console as Lambda's JSON log format has them, so that each names its request.
function writeJsonLines() {
  const levels = { trace: "TRACE", debug: "DEBUG", log: "INFO", info: "INFO", warn: "WARN", error: "ERROR" };
  for (const [method, level] of Object.entries(levels)) {
    console[method] = (...values) => {
      const [first] = values;
      const isObject = values.length === 1 && typeof first === "object" && !(first instanceof Error);
      const record = { timestamp: new Date().toISOString(), level, requestId };
      let line;
      try {
        line = JSON.stringify({ ...record, message: isObject ? first : format(...values) });
      } catch {
        line = JSON.stringify({ ...record, message: format(...values) });
      }
      (level === "ERROR" || level === "WARN" ? process.stderr : process.stdout).write(`${line}\n`);
    };
  }
}

async function crash(kind, error) {
  const wrapped = new HandlerError(kind, String(error?.message ?? error), error);
  await fail(requestId === undefined ? "init" : `invocation/${requestId}`, wrapped).catch(() => {});
  process.exit(1);
}

process.on("unhandledRejection", (error) => crash("Runtime.UnhandledPromiseRejection", error));
process.on("uncaughtException", (error) => crash(error?.name ?? "Error", error));

if (process.env.AWS_LAMBDA_LOG_FORMAT === "JSON") writeJsonLines();
let handler;
try {
  handler = await loadHandler();
} catch (error) {
  await fail("init", error);
  process.exit(1);
}
try {
  while (true) await runOne(handler);
} catch (error) {
  // The server has ended this worker.
  process.exit(error?.code === "ECONNRESET" || error?.code === "ECONNREFUSED" ? 0 : 1);
}
