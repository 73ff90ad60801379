// The scenarios of the SDK `@google/genai`.

import assert from "node:assert/strict";

import {
  PIXEL,
  TOOL,
  TOOL_PURPOSE,
  TOOL_TAKES,
  UNKNOWN_MODEL,
  WRONG_KEY,
  baseURL,
  broken,
  collect,
  failure,
  key,
  listed,
  model,
  prompt,
  vectors,
} from "./caller.mjs";

const usageOf = (usage) => ({
  input_tokens: usage.promptTokenCount,
  output_tokens: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
});

const seenResponse = (response) => {
  assert.equal(response.candidates.length, 1);
  return {
    model: response.modelVersion,
    text: response.text,
    finish: response.candidates[0].finishReason,
    ...usageOf(response.usageMetadata),
  };
};

// The message of this SDK's error is the answer's body as text, and in a stream an event's.
const seenError = (failed) => {
  const { error } = JSON.parse(failed.message.slice(failed.message.indexOf("{")));
  return {
    class: failed.constructor.name,
    status: failed.status,
    type: error.status,
    message: error.message,
  };
};

export default ({ ApiError, GoogleGenAI }) => {
  const client = (apiKey = key(), options = {}) =>
    new GoogleGenAI({ apiKey, httpOptions: { baseUrl: baseURL(), ...options } });
  const asked = (more = {}) => ({
    model: model("gemini-2.5-flash"),
    contents: prompt(),
    ...more,
  });
  const generate = ({ apiKey, options, ...more } = {}) =>
    client(apiKey, options).models.generateContent(asked(more));
  const generateStream = (more) => client().models.generateContentStream(asked(more));

  return {
    plain: async () => seenResponse(await generate()),
    plain_v1beta: async () => seenResponse(await generate({ options: { apiVersion: "v1beta" } })),
    stream: async () => {
      let [text, finish, usage, chunks] = ["", null, null, 0];
      for await (const chunk of await generateStream()) {
        text += chunk.text ?? "";
        usage = chunk.usageMetadata ?? usage;
        for (const candidate of chunk.candidates ?? []) finish = candidate.finishReason ?? finish;
        chunks += 1;
      }
      assert(finish, "the stream ended without a finish reason");
      return { text, finish, chunks, ...usageOf(usage) };
    },
    tools: async () => {
      const offered = { name: TOOL, description: TOOL_PURPOSE, parametersJsonSchema: TOOL_TAKES };
      const config = { tools: [{ functionDeclarations: [offered] }] };
      const response = await generate({ config });
      const chunks = await collect(await generateStream({ config }));
      const calls = [response.functionCalls, chunks.flatMap((chunk) => chunk.functionCalls ?? [])];
      assert(calls.every((each) => each.length === 1));
      return {
        calls: calls.map(([{ name, args }]) => ({ name, arguments: args })),
        ...usageOf(response.usageMetadata),
      };
    },
    image: async () => {
      const image = { inlineData: { data: PIXEL, mimeType: "image/png" } };
      return seenResponse(await generate({ contents: [prompt(), image] }));
    },
    embeddings: async () => {
      const asked = { model: model("gemini-embedding-001"), contents: [prompt()] };
      const { embeddings } = await client().models.embedContent(asked);
      return vectors(embeddings.map((each) => each.values));
    },
    models: async () => {
      const models = await collect(await client().models.list());
      const names = models.map((each) => each.name);
      assert(names.every((name) => name.startsWith("models/")));
      return listed(names);
    },
    count_tokens: async () => ({
      input_tokens: (await client().models.countTokens(asked())).totalTokens,
    }),
    wrong_key: async () =>
      seenError(await failure(ApiError, () => generate({ apiKey: WRONG_KEY }))),
    unknown_model: async () =>
      seenError(await failure(ApiError, () => generate({ model: UNKNOWN_MODEL }))),
    provider_error: async () => seenError(await failure(ApiError, () => generate())),
    stream_error: async () => {
      const [error, before] = await broken(ApiError, generateStream, (chunk) => chunk.text);
      return { text: before, ...seenError(error) };
    },
  };
};
