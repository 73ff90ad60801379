// Calls a gateway through one provider's own JavaScript SDK, the way its documentation says.
//
//     scenarios.mjs SDK                           SCENARIOs from stdin, one a line
//     scenarios.mjs SDK SCENARIO [NAME=VALUE]...  that one
//
// SDK is openai, anthropic or genai, with -previous behind it for the major version before;
// SCENARIO is a property of what calls_SDK.mjs makes. What the developer would see is printed as
// one line of JSON with "ok": true. Anything else than a possible outcome is a stack trace: on
// stderr with a non-zero exit, or as "error" of a line from stdin. A line may also set
// NAME=VALUE, for itself alone.
//
// Read from the environment:
//     LAOZHANG_BASE_URL   the gateway, without /v1
//     LAOZHANG_API_KEY    the caller's key
//     LAOZHANG_MODEL      another model than the scenario's usual one
//     LAOZHANG_PROMPT     the user's message
//
// Node's fetch takes no proxy from the environment unless NODE_USE_ENV_PROXY is set.

import { createInterface } from "node:readline";

const PACKAGES = {
  openai: "openai",
  anthropic: "@anthropic-ai/sdk",
  genai: "@google/genai",
};

const [name, ...words] = process.argv.slice(2);
const [sdk, major] = name.split("-");
const { default: make } = await import(`./calls_${sdk}.mjs`);
const calls = make(await import(PACKAGES[sdk] + (major ? `-${major}` : "")));

const play = async ([scenario, ...settings]) => {
  const before = { ...process.env };
  for (const setting of settings) {
    const [name, ...value] = setting.split("=");
    process.env[name] = value.join("=");
  }
  try {
    return { ok: true, ...(await calls[scenario]()) };
  } finally {
    process.env = before;
  }
};

if (words.length > 0) {
  console.log(JSON.stringify(await play(words)));
} else {
  for await (const line of createInterface({ input: process.stdin })) {
    const seen = await play(line.trim().split(/\s+/)).catch((error) => ({
      ok: false,
      error: error.stack ?? String(error),
    }));
    console.log(JSON.stringify(seen));
  }
}
