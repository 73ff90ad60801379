// What a scenario knows of its caller: where the gateway is, the key, and what is said.

import assert from "node:assert/strict";

export const WRONG_KEY = "sk-lz-wrong";
export const UNKNOWN_MODEL = "no-such-model";
export const MAX_TOKENS = 64;

// One red pixel, and a thousandth of a second of silence.
export const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC";
export const SILENCE = "UklGRiwAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQgAAACAgICAgICAgA==";

// The function that the model is offered: its name, what it does, and what it takes.
export const TOOL = "get_weather";
export const TOOL_PURPOSE = "The weather in a city.";
export const TOOL_TAKES = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city"],
};

const required = (name) => {
  assert(process.env[name], `${name} is not set`);
  return process.env[name];
};
export const baseURL = () => required("LAOZHANG_BASE_URL").replace(/\/+$/, "");
export const key = () => required("LAOZHANG_API_KEY");
export const model = (usual) => process.env.LAOZHANG_MODEL || usual;
export const prompt = () => process.env.LAOZHANG_PROMPT || "Say hello.";

export const collect = async (iterable) => {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
};

export const listed = (ids) => {
  assert(ids.length > 0 && ids.every(Boolean), `no models: ${ids}`);
  return { count: ids.length, ids };
};

// Numbers that are exact in 32 bits come out as they went in, in whatever form they came.
export const vectors = (values) => {
  assert(values.flat().every((number) => typeof number === "number"));
  return { vectors: values };
};

// The SDK has no such call. That stays true, or the scenario is to be written.
export const absent = (client, ...names) => {
  for (const name of names) assert(!(name in client), name);
  return { absent: true };
};

// The SDK's own kind of error, with which the call must end.
export const failure = async (kind, call) => {
  let error;
  try {
    await call();
  } catch (caught) {
    error = caught;
  }
  if (!(error instanceof kind)) throw error ?? new Error(`no ${kind.name}`);
  return error;
};

// What came of a stream before it raised, and the error: a clean end would be a lie.
export const broken = async (kind, stream, text) => {
  let before = "";
  const error = await failure(kind, async () => {
    for await (const event of await stream()) before += text(event) ?? "";
  });
  return [error, before];
};
