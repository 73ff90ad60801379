// Calls a gateway through one provider's own JavaScript SDK, the way its documentation says.
//
//     scenarios.mjs SDK SCENARIO
//
// SDK is openai, anthropic or genai; SCENARIO is a property of its table below.
// What the developer would see is printed as one line of JSON. Anything else than the expected
// outcome ends with a stack trace on stderr and a non-zero exit.
//
// Read from the environment:
//     LAOZHANG_BASE_URL   the gateway, without /v1
//     LAOZHANG_API_KEY    the caller's key
//     LAOZHANG_MODEL      another model than the SDK's usual one (required by other_model)
//     LAOZHANG_PROMPT     the user's message
//
// Node's fetch takes no proxy from the environment unless NODE_USE_ENV_PROXY is set.

import assert from "node:assert/strict";

import Anthropic from "@anthropic-ai/sdk";
import { ApiError, GoogleGenAI } from "@google/genai";
import OpenAI from "openai";

const WRONG_KEY = "sk-lz-wrong";
const UNKNOWN_MODEL = "no-such-model";
const MAX_TOKENS = 64;

const required = (name) => {
  assert(process.env[name], `${name} is not set`);
  return process.env[name];
};
const baseURL = required("LAOZHANG_BASE_URL").replace(/\/+$/, "");
const key = required("LAOZHANG_API_KEY");
const model = (usual) => process.env.LAOZHANG_MODEL || usual;
const prompt = process.env.LAOZHANG_PROMPT || "Say hello.";

const collect = async (iterable) => {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
};

const models = (ids) => {
  assert(ids.length > 0 && ids.every(Boolean), `no models: ${ids}`);
  return { count: ids.length, ids: ids.slice(0, 5) };
};

// The error of this class and status with which the call must end.
const failure = async (kind, status, call) => {
  let error;
  try {
    await call();
  } catch (caught) {
    error = caught;
  }
  if (!(error instanceof kind)) throw error ?? new Error(`no ${kind.name}`);
  assert.equal(error.status, status);
  return error;
};

const openai = {
  client: (apiKey = key) => new OpenAI({ baseURL: `${baseURL}/v1`, apiKey }),
  create: (client, more = {}) =>
    client.chat.completions.create({
      model: model("gpt-5-mini"),
      messages: [{ role: "user", content: prompt }],
      ...more,
    }),
  usage: (usage) => {
    // A provider may count its reasoning in the total alone.
    assert(usage.total_tokens >= usage.prompt_tokens + usage.completion_tokens);
    return { input_tokens: usage.prompt_tokens, output_tokens: usage.completion_tokens };
  },
  error: async (kind, status, call) => {
    const { type, code, message, requestID } = await failure(kind, status, call);
    return { status, type, code, message, request_id: requestID ?? null };
  },

  scenarios: {
    plain: async () => {
      const completion = await openai.create(openai.client());
      assert.equal(completion.object, "chat.completion");
      assert.equal(completion.choices.length, 1);
      const [choice] = completion.choices;
      assert.equal(choice.message.role, "assistant");
      return {
        model: completion.model,
        text: choice.message.content,
        finish: choice.finish_reason,
        ...openai.usage(completion.usage),
      };
    },
    other_model: () => {
      required("LAOZHANG_MODEL");
      return openai.scenarios.plain();
    },
    stream: async () => {
      let [text, finish, chunks] = ["", null, 0];
      for await (const chunk of await openai.create(openai.client(), { stream: true })) {
        // As most programs do: a usage chunk nobody asked for has no choices and would throw.
        const choice = chunk.choices[0];
        text += choice.delta.content ?? "";
        assert.equal(chunk.usage ?? null, null);
        finish = choice.finish_reason ?? finish;
        chunks += 1;
      }
      assert(finish, "the stream ended without a finish reason");
      return { text, finish, chunks };
    },
    stream_usage: async () => {
      const options = { stream: true, stream_options: { include_usage: true } };
      let [text, finish, chunks, last] = ["", null, 0, null];
      for await (const chunk of await openai.create(openai.client(), options)) {
        for (const choice of chunk.choices) {
          text += choice.delta.content ?? "";
          finish = choice.finish_reason ?? finish;
        }
        chunks += 1;
        last = chunk;
      }
      assert(finish, "the stream ended without a finish reason");
      assert(last.usage, "the last chunk has no usage");
      return { text, finish, chunks, ...openai.usage(last.usage) };
    },
    wrong_key: () =>
      openai.error(OpenAI.AuthenticationError, 401, () => openai.create(openai.client(WRONG_KEY))),
    unknown_model: () =>
      openai.error(OpenAI.NotFoundError, 404, () =>
        openai.create(openai.client(), { model: UNKNOWN_MODEL }),
      ),
    models: async () => {
      const listed = await collect(openai.client().models.list());
      assert(listed.every((each) => each.object === "model"));
      return models(listed.map((each) => each.id));
    },
  },
};

const anthropic = {
  client: (apiKey = key) => new Anthropic({ baseURL, apiKey }),
  body: (more = {}) => ({
    model: model("claude-haiku-4-5"),
    max_tokens: MAX_TOKENS,
    messages: [{ role: "user", content: prompt }],
    ...more,
  }),
  message: (message) => {
    assert.equal(message.type, "message");
    assert.equal(message.role, "assistant");
    return {
      model: message.model,
      text: message.content.map((block) => (block.type === "text" ? block.text : "")).join(""),
      finish: message.stop_reason,
      input_tokens: message.usage.input_tokens,
      output_tokens: message.usage.output_tokens,
    };
  },
  error: async (kind, status, call) => {
    const { type, errorCode, message, requestID } = await failure(kind, status, call);
    return { status, type, code: errorCode ?? null, message, request_id: requestID ?? null };
  },

  scenarios: {
    plain: async () =>
      anthropic.message(await anthropic.client().messages.create(anthropic.body())),
    stream: async () => {
      const stream = anthropic.client().messages.stream(anthropic.body());
      const events = await collect(stream);
      const message = anthropic.message(await stream.finalMessage());
      assert.equal(events.at(0).type, "message_start");
      assert.equal(events.at(-1).type, "message_stop");
      const deltas = events.filter((event) => event.delta?.type === "text_delta");
      assert.equal(message.text, deltas.map((event) => event.delta.text).join(""));
      return { ...message, chunks: deltas.length };
    },
    wrong_key: () =>
      anthropic.error(Anthropic.AuthenticationError, 401, () =>
        anthropic.client(WRONG_KEY).messages.create(anthropic.body()),
      ),
    unknown_model: () =>
      anthropic.error(Anthropic.NotFoundError, 404, () =>
        anthropic.client().messages.create(anthropic.body({ model: UNKNOWN_MODEL })),
      ),
    models: async () => {
      // Iterating follows has_more, so an endless or broken page chain shows here.
      const listed = await collect(anthropic.client().models.list());
      assert(listed.every((each) => each.type === "model" && each.display_name));
      return models(listed.map((each) => each.id));
    },
  },
};

const genai = {
  client: (apiKey = key, options = {}) =>
    new GoogleGenAI({ apiKey, httpOptions: { baseUrl: baseURL, ...options } }),
  request: (more = {}) => ({ model: model("gemini-2.5-flash"), contents: prompt, ...more }),
  usage: (usage) => ({
    input_tokens: usage.promptTokenCount,
    output_tokens: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
  }),
  error: async (status, call) => {
    // The message of this SDK's error is the response body as text.
    const { error } = JSON.parse((await failure(ApiError, status, call)).message);
    return { status, type: error.status, code: error.code, message: error.message, request_id: null };
  },
  generate: async (options) => {
    const response = await genai.client(key, options).models.generateContent(genai.request());
    assert.equal(response.candidates.length, 1);
    return {
      model: response.modelVersion,
      text: response.text,
      finish: response.candidates[0].finishReason,
      ...genai.usage(response.usageMetadata),
    };
  },

  scenarios: {
    plain: () => genai.generate(),
    plain_v1beta: () => genai.generate({ apiVersion: "v1beta" }),
    stream: async () => {
      let [text, finish, usage, chunks] = ["", null, null, 0];
      const request = genai.request();
      for await (const chunk of await genai.client().models.generateContentStream(request)) {
        text += chunk.text ?? "";
        usage = chunk.usageMetadata ?? usage;
        for (const candidate of chunk.candidates ?? []) finish = candidate.finishReason ?? finish;
        chunks += 1;
      }
      assert(finish, "the stream ended without a finish reason");
      return { text, finish, chunks, ...genai.usage(usage) };
    },
    wrong_key: () =>
      genai.error(401, () => genai.client(WRONG_KEY).models.generateContent(genai.request())),
    unknown_model: () =>
      genai.error(404, () =>
        genai.client().models.generateContent(genai.request({ model: UNKNOWN_MODEL })),
      ),
    models: async () => {
      const listed = await collect(await genai.client().models.list());
      const names = listed.map((each) => each.name);
      assert(names.every((name) => name.startsWith("models/")));
      return models(names);
    },
  },
};

const [sdk, scenario] = process.argv.slice(2);
const seen = await { openai, anthropic, genai }[sdk].scenarios[scenario]();
console.log(JSON.stringify({ ok: true, ...seen }));
